//! Trainings that several ranks share, as threads of one process.

use candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, Order, Siren, SirenConfig};
use siren_core::objective::{
    Constraint, Context, FieldValues, Functional, FunctionalTerm, Objective, Term, ValueMse,
};
use siren_core::optimizer::{LbfgsConfig, MuonConfig, OptimizerConfig};
use siren_core::ranks::{Ranks, links};
use siren_core::signal::{Sample, Stream, SubsetSampler, SubsetSampling, WholeSampler};
use siren_core::train::{StepReport, TrainConfig, Trainer};
use siren_core::{Error, Result};

/// Runs a function on every rank, and returns the results in order.
fn on_ranks<T: Send>(count: usize, run: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    let run = &run;
    std::thread::scope(|scope| {
        let ranks = links(count).into_iter().map(Ranks::new);
        let threads: Vec<_> = ranks.map(|own| scope.spawn(move || run(own))).collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn config() -> SirenConfig {
    SirenConfig {
        hidden_features: 16.into(),
        hidden_layers: 1,
        first_omega_0: 10.0.into(),
        learn_omega: true,
        ..SirenConfig::default()
    }
}

fn field(dtype: DType) -> Siren {
    let mut rng = Stream::PARAMETERS.rng(3, 0);
    let shape = FieldShape::new(2, 1);
    config().init(shape, &mut rng, dtype, &Device::Cpu).unwrap()
}

/// Returns points of a square with the values of a wave: enough of them for many chunks.
fn sample(points: usize, dtype: DType) -> Sample {
    let mut rng = Stream::named("points").rng(5, 0);
    let coords = siren_core::field::uniform(1.0, 2 * points, &mut rng);
    let coords = Tensor::from_vec(coords, (points, 2), &Device::Cpu).unwrap();
    let values = (coords.sum_keepdim(1).unwrap() * 4.0)
        .unwrap()
        .sin()
        .unwrap();
    let place = |tensor: &Tensor| tensor.to_dtype(dtype).unwrap();
    Sample::with_targets(place(&coords), place(&values)).unwrap()
}

/// Everything of a training that a user sees, as bits.
#[derive(Debug, PartialEq)]
struct Fitted {
    parameters: Vec<u64>,
    reports: Vec<Vec<u64>>,
}

/// Steps a training on a rank.
fn fitted(mut trainer: Trainer, constraints: &[Constraint], steps: usize) -> Result<Fitted> {
    let bits = |report: StepReport| {
        let terms = report.terms.iter().map(|term| term.mean);
        let all = [report.loss, report.gradient_norm].into_iter().chain(terms);
        all.map(f64::to_bits).collect()
    };
    let reports = (0..steps).map(|_| trainer.step(constraints).map(bits));
    let reports = reports.collect::<Result<_>>()?;
    let flat = trainer.model().parameters().flat()?.to_dtype(DType::F64)?;
    Ok(Fitted {
        parameters: flat
            .to_vec1::<f64>()?
            .into_iter()
            .map(f64::to_bits)
            .collect(),
        reports,
    })
}

/// Asserts that a training gives the same bits on every rank of any number of them.
fn assert_same_bits(what: &str, train: impl Fn(&Ranks) -> Fitted + Sync) {
    let alone = train(&Ranks::one());
    assert!(
        alone.reports.len() >= 3 && alone.reports[0] != alone.reports[2],
        "{what} does not train"
    );
    for count in [2, 3, 4, 5, 16, 19] {
        for (rank, fitted) in on_ranks(count, |ranks| train(&ranks))
            .into_iter()
            .enumerate()
        {
            assert!(fitted == alone, "{what}: rank {rank} of {count} differs");
        }
    }
}

#[test]
fn a_picture_has_the_same_bits_for_any_number_of_ranks() {
    for (dtype, optimizer) in [
        (DType::F32, OptimizerConfig::Muon(MuonConfig::default())),
        (DType::F32, OptimizerConfig::default()),
        (DType::F64, OptimizerConfig::default()),
    ] {
        let sample = sample(9000, dtype);
        let train = TrainConfig {
            steps: 4,
            clip_norm: Some(1e-3),
            optimizer: optimizer.clone(),
            ..TrainConfig::default()
        };
        assert_same_bits(&format!("{dtype:?} {optimizer:?}"), |ranks| {
            let sampler = SubsetSampler {
                from: sample.clone(),
                subset: SubsetSampling {
                    points: 7000,
                    replacement: false,
                },
                seed: 1,
                stream: Stream::named("pixels"),
            };
            let constraints = [Constraint::new("pixels", sampler, ValueMse)];
            let trainer = Trainer::new(field(dtype), &train).unwrap();
            fitted(trainer.among(ranks).unwrap(), &constraints, 4).unwrap()
        });
    }
}

/// `Δu = k u` with an unknown `k`, beside the values.
struct Equation(Order);

impl Objective for Equation {
    fn order(&self) -> &Order {
        &self.0
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let (u, laplacian) = (context.jet.value()?, context.jet.traces()?.squeeze(2)?);
        let residual = (laplacian - u.broadcast_mul(context.coefficient("k")?)?)?;
        let error = (u - context.sample.column("targets")?)?;
        Ok(vec![
            Term::new("value", error.sqr()?.sum(1)?),
            Term::new("equation", residual.sqr()?.sum(1)?).weighted(1e-3),
        ])
    }
}

#[test]
fn an_equation_with_a_learned_coefficient_and_learned_frequencies_has_the_same_bits() {
    for dtype in [DType::F32, DType::F64] {
        let train = TrainConfig {
            steps: 4,
            ..TrainConfig::default()
        };
        // Two constraints with different numbers of chunks: many, and one.
        let samples = [sample(3000, dtype), sample(20, dtype)];
        assert_same_bits(&format!("{dtype:?}"), |ranks| {
            let field = field(dtype).with_coefficients(&[("k", -3.0)]).unwrap();
            let constraint = |name, sample: &Sample| {
                let sampler = WholeSampler::new(sample.clone());
                Constraint::new(name, sampler, Equation(Order::laplacian(2)))
            };
            let constraints = [
                constraint("inside", &samples[0]),
                constraint("edge", &samples[1]),
            ];
            let trainer = Trainer::new(field, &train).unwrap();
            fitted(trainer.among(ranks).unwrap(), &constraints, 4).unwrap()
        });
    }
}

/// The square of the mean value.
struct SquaredMean;

impl Functional for SquaredMean {
    fn evaluate(&self, at: &FieldValues<'_>) -> Result<Vec<FunctionalTerm>> {
        let points = at.values.elem_count() as f64;
        let mean = (at.values.sum_all()? / points)?;
        let gradient = (at.values.ones_like()?.broadcast_mul(&mean)? * (2.0 / points))?;
        let value = mean.sqr()?.to_dtype(DType::F64)?.to_scalar()?;
        Ok(vec![FunctionalTerm::new("mean", value, gradient)])
    }
}

#[test]
fn functionals_and_line_searches_have_the_same_bits() {
    let sample = sample(5000, DType::F64);
    let train = TrainConfig {
        steps: 3,
        optimizer: OptimizerConfig::Lbfgs(LbfgsConfig::default()),
        ..TrainConfig::default()
    };
    assert_same_bits("L-BFGS", |ranks| {
        let sampler = || WholeSampler::new(sample.clone());
        let constraints = [
            Constraint::new("pixels", sampler(), ValueMse),
            Constraint::functional("mean", sampler(), SquaredMean),
        ];
        let trainer = Trainer::new(field(DType::F64), &train).unwrap();
        fitted(trainer.among(ranks).unwrap(), &constraints, 3).unwrap()
    });
}

/// An objective that fails on one rank.
struct Fragile(bool);

impl Objective for Fragile {
    fn order(&self) -> &Order {
        &Order::Value
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        if self.0 {
            return Err(Error::invalid("objective", "a disk", "one that is there"));
        }
        ValueMse.terms(context)
    }
}

#[test]
fn an_error_of_one_rank_ends_all_with_its_number() {
    let sample = sample(9000, DType::F32);
    let train = TrainConfig::default();
    let errors = on_ranks(4, |ranks| {
        let sampler = WholeSampler::new(sample.clone());
        let constraints = [Constraint::new(
            "pixels",
            sampler,
            Fragile(ranks.rank() == 2),
        )];
        let trainer = Trainer::new(field(DType::F32), &train).unwrap();
        let result = fitted(trainer.among(&ranks).unwrap(), &constraints, 3);
        result.unwrap_err().to_string()
    });
    let expected = "rank 2 of 4: `objective` is a disk, expected one that is there";
    assert_eq!(errors, vec![expected; 4]);
}

#[test]
fn a_training_that_diverges_says_so_on_all_ranks() {
    let sample = sample(9000, DType::F32);
    let train = TrainConfig {
        steps: 100,
        learning_rate: 1e30,
        ..TrainConfig::default()
    };
    let errors = on_ranks(3, |ranks| {
        let constraints = [Constraint::new(
            "pixels",
            WholeSampler::new(sample.clone()),
            ValueMse,
        )];
        let trainer = Trainer::new(field(DType::F32), &train).unwrap();
        fitted(trainer.among(&ranks).unwrap(), &constraints, 100).unwrap_err()
    });
    for error in errors {
        assert!(matches!(error, Error::Diverged { .. }), "{error}");
    }
}
