//! Tiles that are good enough, and rest.

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::field::{FieldShape, Order, RestingTiles, Siren, SirenConfig};
use siren_core::objective::{Constraint, Derivatives, Objective, Share, ValueMse, from_fn};
use siren_core::optimizer::{
    AdamConfig, Evaluation, LbfgsConfig, MuonConfig, Optimizer, OptimizerConfig, OptimizerState,
    OthersConfig, Problem,
};
use siren_core::ranks::{Ranks, links};
use siren_core::signal::{
    CoordinateRule, Grid, Sample, Stream, SubsetSampler, SubsetSampling, WholeSampler,
};
use siren_core::train::{Model, Precision, Time, TrainConfig, Trainer};

use crate::{config, elements, field};

/// Sides of the picture, which has 5 × 6 tiles.
const SIDES: [usize; 2] = [30, 36];

/// Returns a picture that is flat in its left half, and too rough for small networks in its right half.
fn half_flat() -> Sample {
    sample(|index, x| {
        if x < 0.0 {
            0.25
        } else {
            (1.7 * index as f32).sin()
        }
    })
}

fn sample(value: impl Fn(usize, f32) -> f32) -> Sample {
    let grid = Grid::new(&SIDES, CoordinateRule::default()).unwrap();
    let coords = grid.coords(0, grid.points(), DType::F32).unwrap();
    let rows = coords.to_vec2::<f32>().unwrap();
    let values = rows.iter().enumerate().map(|(i, row)| value(i, row[1]));
    let values = Tensor::from_iter(values, &Device::Cpu).unwrap();
    let values = values.reshape((grid.points(), 1)).unwrap();
    Sample::with_targets(coords, values).unwrap()
}

/// Returns the constraint of half of the pixels, drawn anew in each step.
fn half_of_the_pixels(sample: Sample) -> [Constraint; 1] {
    let sampler = SubsetSampler {
        from: sample,
        subset: SubsetSampling {
            points: SIDES[0] * SIDES[1] / 2,
            replacement: false,
        },
        seed: 1,
        stream: Stream::named("rest.test"),
    };
    [Constraint::new("pixels", sampler, ValueMse)]
}

fn mosaic() -> Siren {
    field(&config(&SIDES, &[1.0, 1.0]), 1, DType::F32)
}

/// Returns settings with which parameters and state would change in every step, without a gradient too.
fn decaying(rest_db: Option<f64>) -> [TrainConfig; 2] {
    let decay = AdamConfig {
        weight_decay: 1e-4,
        ..AdamConfig::default()
    };
    let muon = MuonConfig {
        learning_rate: 3e-3,
        weight_decay: 1e-2,
        others: OthersConfig::AdamW(decay.clone()),
        ..MuonConfig::default()
    };
    [OptimizerConfig::AdamW(decay), OptimizerConfig::Muon(muon)].map(|optimizer| TrainConfig {
        steps: 330,
        learning_rate: 5e-3,
        optimizer,
        rest_db,
        ..TrainConfig::default()
    })
}

fn resting(trainer: &Trainer<Siren>) -> RestingTiles {
    trainer.resting_tiles().unwrap().clone()
}

fn take_steps(trainer: &mut Trainer<Siren>, constraints: &[Constraint], end: u64) {
    while trainer.step_count() < end {
        trainer.step(constraints).unwrap();
    }
}

/// Returns parameters and state, element by element.
fn everything(trainer: &Trainer<Siren>) -> Vec<(String, Vec<f64>)> {
    let mut tensors = trainer.model().named_tensors().unwrap();
    tensors.extend(trainer.optimizer_state().unwrap().tensors);
    let elements = |(name, tensor): (String, Tensor)| (name, elements(&tensor));
    tensors.into_iter().map(elements).collect()
}

/// Returns whether the parameters of each tile, and the momenta of its hidden matrix, differ between two states of a training.
fn changed_tiles(before: &Trainer<Siren>, after: &Trainer<Siren>) -> Vec<[bool; 2]> {
    let (before, after) = (everything(before), everything(after));
    let tiles = 30;
    let mut changed = vec![[false; 2]; tiles];
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        if let Some(name) = name.strip_prefix("momentum.") {
            let (_, tile) = name.rsplit_once('.').unwrap();
            let tile: usize = tile.parse().unwrap();
            changed[tile][1] |= before != after;
        } else if name.starts_with("net.") {
            let rows = before.chunks(before.len() / tiles);
            let rows = rows.zip(after.chunks(after.len() / tiles));
            for (changed, (before, after)) in changed.iter_mut().zip(rows) {
                changed[0] |= before != after;
            }
        }
    }
    changed
}

/// Returns a copy of a training, continued from its checkpoint.
fn resumed(trainer: &Trainer<Siren>) -> Trainer<Siren> {
    let flat = trainer.model().parameters().flat().unwrap();
    let model = mosaic();
    model.parameters().set(&flat).unwrap();
    let mut resumed = Trainer::new(model, trainer.config()).unwrap();
    let state = trainer.optimizer_state().unwrap();
    resumed.restore(trainer.step_count(), &state).unwrap();
    resumed
}

#[test]
fn parameters_and_state_of_a_tile_at_rest_do_not_change_while_those_of_the_others_do() {
    let constraints = half_of_the_pixels(half_flat());
    for config in decaying(Some(40.0)) {
        let mut trainer = Trainer::new(mosaic(), &config).unwrap();
        take_steps(&mut trainer, &constraints, 300);
        let resting = resting(&trainer);
        assert!((5..=15).contains(&resting.count()), "{resting:?}");
        let is_flat = |tile: usize| tile % 6 < 3;
        assert!((0..30).all(|tile| is_flat(tile) || !resting.rests(tile)));
        let before = resumed(&trainer);
        take_steps(&mut trainer, &constraints, 330);
        let has_momenta = matches!(config.optimizer, OptimizerConfig::Muon(_));
        for (tile, changed) in changed_tiles(&before, &trainer).into_iter().enumerate() {
            let is_active = !resting.rests(tile);
            assert_eq!(
                changed,
                [is_active, is_active && has_momenta],
                "tile {tile}"
            );
        }
    }
}

#[test]
fn a_run_resumed_in_the_middle_of_a_round_is_the_uninterrupted_one_with_tiles_at_rest_before_and_after()
 {
    let constraints = half_of_the_pixels(half_flat());
    for config in decaying(Some(40.0)) {
        let mut whole = Trainer::new(mosaic(), &config).unwrap();
        take_steps(&mut whole, &constraints, 125);
        let mut stopped = resumed(&whole);
        let before = resting(&stopped).count();
        assert!(before > 0);
        take_steps(&mut whole, &constraints, 180);
        take_steps(&mut stopped, &constraints, 160);
        let mut stopped = resumed(&stopped);
        take_steps(&mut stopped, &constraints, 180);
        let expected = everything(&whole);
        assert!(expected.iter().any(|(name, _)| name == "tiles"));
        assert_eq!(everything(&stopped), expected);
        assert!(resting(&whole).count() > before);
    }
}

#[test]
fn a_training_with_tiles_at_rest_does_not_depend_on_the_number_of_threads() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let [_, muon] = decaying(Some(40.0));
            let mut trainer = Trainer::new(mosaic(), &muon).unwrap();
            take_steps(&mut trainer, &half_of_the_pixels(half_flat()), 130);
            assert!(resting(&trainer).count() > 0);
            everything(&trainer)
        })
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn a_target_that_no_tile_reaches_changes_nothing() {
    let constraints = half_of_the_pixels(half_flat());
    let trained = |rest_db: Option<f64>| {
        let [_, muon] = decaying(rest_db);
        let mut trainer = Trainer::new(mosaic(), &muon).unwrap();
        take_steps(&mut trainer, &constraints, 119);
        let report = trainer.step(&constraints).unwrap();
        let mut tensors = everything(&trainer);
        tensors.retain(|(name, _)| name != "tiles");
        (tensors, report)
    };
    assert_eq!(trained(Some(200.0)), trained(None));
}

#[test]
fn a_training_ends_at_the_end_of_the_round_after_which_all_tiles_rest() {
    let constraints = half_of_the_pixels(sample(|_, _| 0.25));
    let [adam, _] = decaying(Some(40.0));
    let mut trainer = Trainer::new(mosaic(), &adam).unwrap();
    let mut last = None;
    let run = trainer.run_with(&constraints, |_, report| {
        last = Some(report.step);
        Ok(std::ops::ControlFlow::Continue(()))
    });
    run.unwrap();
    let steps = trainer.step_count();
    assert!(steps < adam.steps && steps.is_multiple_of(50), "{steps}");
    assert_eq!(last, Some(steps));
    assert!(trainer.is_finished());
    assert_eq!(resting(&trainer).count(), 30);
    let mut trainer = resumed(&trainer);
    trainer.run(&constraints).unwrap();
    assert_eq!(trainer.step_count(), steps);
}

#[test]
fn a_checkpoint_without_tiles_restores_with_no_tile_at_rest_and_one_of_another_mosaic_is_refused() {
    let [adam, _] = decaying(Some(40.0));
    let constraints = half_of_the_pixels(half_flat());
    let mut trainer = Trainer::new(mosaic(), &adam).unwrap();
    take_steps(&mut trainer, &constraints, 110);
    assert!(resting(&trainer).count() > 0);
    let mut state = trainer.optimizer_state().unwrap();
    let (_, tiles) = state.tensors.pop().unwrap();
    trainer.restore(110, &state).unwrap();
    assert_eq!(resting(&trainer).count(), 0);
    let fewer = tiles.narrow(0, 0, 29).unwrap();
    state.tensors.push(("tiles".to_owned(), fewer));
    let message = trainer.restore(110, &state).unwrap_err().to_string();
    assert!(message.contains("`tiles` of shape [30, 3]"), "{message}");
}

#[test]
fn the_gradient_of_active_tiles_is_that_of_a_training_in_which_none_rest() {
    let grid = Grid::new(&SIDES, CoordinateRule::default()).unwrap();
    let coords = grid.coords(0, grid.points(), DType::F64).unwrap();
    let targets = (0..2 * grid.points()).map(|i| (0.7 * i as f64).sin());
    let targets = Tensor::from_iter(targets, &Device::Cpu).unwrap();
    let targets = targets.reshape((grid.points(), 2)).unwrap();
    let sample = Sample::with_targets(coords, targets).unwrap();
    let constraints = [Constraint::new(
        "points",
        WholeSampler::new(sample),
        ValueMse,
    )];
    let field = field(&config(&SIDES, &[1.0, 1.0]), 2, DType::F64);
    let time = Time {
        step: 0,
        progress: 0.0,
        rounding: None,
    };
    let rests: Vec<bool> = (0..30).map(|tile| tile % 3 != 1 || tile > 20).collect();
    let all = field.loss_and_gradient(&constraints, time, &Ranks::one());
    let active = field.loss_of_active_tiles(&constraints, time, &RestingTiles::new(&rests));
    let (all, active) = (all.unwrap(), active.unwrap());
    assert!(active.value < all.value);
    let layout = field.parameters().layout();
    let [all, active] = [all, active].map(|loss| {
        let gradient = loss.gradient.tensor().unwrap();
        layout.split(&gradient).unwrap()
    });
    for ((name, all), (_, active)) in all.iter().zip(&active) {
        for (tile, &rests) in rests.iter().enumerate() {
            let [all, active] = [all, active].map(|tensor| elements(&tensor.get(tile).unwrap()));
            for (all, active) in all.iter().zip(&active) {
                let expected = if rests { 0.0 } else { *all };
                let error = (active - expected).abs();
                assert!(error < 1e-13, "{name} {tile}: {active} {expected}");
            }
        }
    }
}

/// Leaves all parameters as they are.
struct Idle;

impl Optimizer for Idle {
    fn step(
        &mut self,
        _parameters: &siren_core::field::Parameters,
        problem: &mut dyn Problem,
        _learning_rate: f64,
    ) -> Result<Evaluation> {
        problem.evaluate()
    }

    fn state(&self) -> Result<OptimizerState> {
        Ok(OptimizerState::default())
    }

    fn restore(&mut self, _state: &OptimizerState) -> Result<()> {
        Ok(())
    }
}

/// Returns the message of a training that a first step refuses.
fn refused(model: Siren, constraints: &[Constraint]) -> String {
    let [adam, _] = decaying(Some(40.0));
    let mut trainer = Trainer::new(model, &adam).unwrap();
    trainer.step(constraints).unwrap_err().to_string()
}

#[test]
fn losses_and_fields_whose_tiles_cannot_rest_are_refused_with_the_key() {
    let sample = half_flat();
    let of = |name: &str| Constraint::new(name, WholeSampler::new(sample.clone()), ValueMse);
    let with = |objective: Box<dyn Objective>| {
        let sampler = Box::new(WholeSampler::new(sample.clone()));
        [Constraint::boxed("pixels", sampler, objective)]
    };
    let share = Share {
        weight: 1.0,
        divisor: 1.0,
    };
    let derivatives = Derivatives::new(2, share, share);
    let terms = from_fn(Order::Value, |context| ValueMse.terms(context));
    let single = SirenConfig {
        mosaic: None,
        ..config(&SIDES, &[1.0, 1.0])
    };
    let single = single.init_seeded(FieldShape::new(2, 1), 0).unwrap();
    for (message, words) in [
        (refused(single, &[of("pixels")]), "without `field.mosaic`"),
        (
            refused(mosaic(), &[of("pixels"), of("more")]),
            "2 constraints",
        ),
        (
            refused(mosaic(), &with(Box::new(derivatives))),
            "`pixels` needs derivatives",
        ),
        (
            refused(mosaic(), &with(Box::new(terms))),
            "`pixels` is no squared error",
        ),
    ] {
        let start = "`train.rest_db` is 40, expected no value";
        assert!(message.starts_with(start), "{message}");
        assert!(message.contains(words), "{message}");
        assert!(message.contains("remove the key"), "{message}");
    }
}

#[test]
fn optimizers_ranks_and_targets_with_which_tiles_cannot_rest_are_refused_with_the_key() {
    let [adam, _] = decaying(Some(40.0));
    let lbfgs = TrainConfig {
        optimizer: OptimizerConfig::Lbfgs(LbfgsConfig::default()),
        ..adam.clone()
    };
    let message = lbfgs.validate().unwrap_err().to_string();
    let start = "`train.rest_db` is 40, expected no value";
    assert!(message.starts_with(start), "{message}");
    assert!(message.contains("`lbfgs`"), "{message}");
    let idle = Trainer::with_optimizer(mosaic(), &adam, Box::new(Idle));
    let message = idle.err().unwrap().to_string();
    assert!(message.starts_with(start), "{message}");
    let two = links(2).into_iter().map(Ranks::new).next().unwrap();
    let among = Trainer::new(mosaic(), &adam).unwrap().among(&two);
    let message = among.err().unwrap().to_string();
    assert!(message.contains("several ranks"), "{message}");
    for rest_db in [0.0, -3.0, f64::NAN, f64::INFINITY] {
        let config = TrainConfig {
            rest_db: Some(rest_db),
            ..adam.clone()
        };
        let message = config.validate().unwrap_err().to_string();
        assert!(
            message.contains("a positive number of decibels"),
            "{message}"
        );
    }
    let double = TrainConfig {
        precision: Precision::Double,
        ..adam
    };
    double.validate().unwrap();
}
