//! Hypernetworks that several ranks train, as threads of one process.

mod faces;

use candle_core::{DType, Device};
use siren_core::field::tensor::read;
use siren_core::optimizer::{MuonConfig, OptimizerConfig, OptimizerState};
use siren_core::ranks::{Ranks, links};
use siren_core::signal::Stream;
use siren_core::train::{Blueprint, FitConfig, Model, Task as _, Trainer};
use siren_hyper::config::{Encoder, HyperModelConfig};
use siren_hyper::{Hyper, HyperNetwork};

const STEPS: usize = 4;

/// Runs a function on every rank, and returns the results in order.
fn on_ranks<T: Send>(count: usize, run: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    let run = &run;
    std::thread::scope(|scope| {
        let ranks = links(count).into_iter().map(Ranks::new);
        let threads: Vec<_> = ranks.map(|own| scope.spawn(move || run(own))).collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn task() -> Hyper {
    faces::task(5)
}

fn config(encoder: Encoder, optimizer: OptimizerConfig) -> FitConfig<HyperModelConfig> {
    let mut config = faces::config(encoder);
    config.train.learning_rate = 1e-3;
    config.train.clip_norm = Some(0.1);
    config.train.optimizer = optimizer;
    config
}

/// A training on one rank.
struct Training {
    trainer: Trainer<HyperNetwork>,
    constraints: Vec<<HyperNetwork as Model>::Constraint>,
}

impl Training {
    fn new(task: &Hyper, config: &FitConfig<HyperModelConfig>, ranks: &Ranks) -> Self {
        let mut model = config.model.clone();
        task.resolve_codes(&mut model).unwrap();
        let blueprint = Blueprint {
            field: &config.field,
            model: &model,
            shape: task.shape(),
        };
        let mut rng = Stream::PARAMETERS.rng(0, 0);
        let model = HyperNetwork::init(blueprint, &mut rng, DType::F64, &Device::Cpu).unwrap();
        let trainer = Trainer::new(model, &config.train).unwrap();
        Self {
            trainer: trainer.among(ranks).unwrap(),
            constraints: task.constraints(DType::F64, &Device::Cpu).unwrap(),
        }
    }

    /// Takes steps, and returns loss, norm and terms of each.
    fn steps(&mut self, count: usize) -> Vec<f64> {
        let step = |_| {
            let report = self.trainer.step(&self.constraints).unwrap();
            let terms = report.terms.into_iter().map(|term| term.mean);
            [report.loss, report.gradient_norm].into_iter().chain(terms)
        };
        (0..count).flat_map(step).collect()
    }

    fn parameters(&self) -> Vec<f64> {
        let flat = self.trainer.model().parameters().flat().unwrap();
        flat.to_vec1().unwrap()
    }
}

#[track_caller]
fn assert_close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(
            error <= 1e-9 * expected.abs().max(1e-3),
            "{what}: {found}, {expected}"
        );
    }
}

#[test]
fn ranks_that_share_pictures_agree_with_one_rank_to_rounding_and_with_one_another_exactly() {
    let optimizers = [
        OptimizerConfig::default(),
        OptimizerConfig::Muon(MuonConfig::default()),
    ];
    for encoder in [
        Encoder::Set,
        Encoder::Conv,
        Encoder::PartialConv,
        Encoder::AutoDecoder,
    ] {
        for optimizer in &optimizers {
            let (task, config) = (task(), config(encoder, optimizer.clone()));
            let mut alone = Training::new(&task, &config, &Ranks::one());
            let reports = alone.steps(STEPS);
            // Seven ranks are more than the pictures of a batch.
            for count in [2, 3, 7] {
                let results = on_ranks(count, |ranks| {
                    let mut training = Training::new(&task, &config, &ranks);
                    (training.steps(STEPS), training.parameters())
                });
                let what = format!("{encoder:?}, {optimizer:?}, {count} ranks");
                assert_close(&what, &results[0].0, &reports);
                assert_close(&what, &results[0].1, &alone.parameters());
                assert!(results.iter().all(|result| *result == results[0]), "{what}");
            }
        }
    }
}

fn moment(state: &OptimizerState) -> Vec<f64> {
    read(&state.tensors[1].1, <[f64]>::to_vec).unwrap()
}

#[test]
fn the_optimizers_state_is_divided_and_a_training_continues_with_another_number_of_ranks() {
    let (task, config) = (task(), config(Encoder::Set, OptimizerConfig::default()));
    let mut unbroken = Training::new(&task, &config, &Ranks::one());
    unbroken.steps(2 * STEPS);

    // The checkpoint of two ranks is on rank 0.
    let saved = on_ranks(2, |ranks| {
        let mut training = Training::new(&task, &config, &ranks);
        training.steps(STEPS);
        let state = training.trainer.optimizer_state().unwrap();
        let flat = training.trainer.model().parameters().flat().unwrap();
        (state, flat)
    });
    let (state, flat) = &saved[0];
    assert_eq!(moment(state).len(), unbroken.parameters().len());
    assert!(saved[1].0.tensors.is_empty());

    for count in [1, 3] {
        let results = on_ranks(count, |ranks| {
            let mut training = Training::new(&task, &config, &ranks);
            training.trainer.model().parameters().set(flat).unwrap();
            training.trainer.restore(STEPS as u64, state).unwrap();
            training.steps(STEPS);
            training.parameters()
        });
        for parameters in results {
            assert_close(
                &format!("{count} ranks"),
                &parameters,
                &unbroken.parameters(),
            );
        }
    }
}
