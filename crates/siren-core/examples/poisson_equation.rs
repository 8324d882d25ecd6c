//! Solves `−Δu = f` on the square [−1, 1]², with `u = 0` on its border, by a first-order and a second-order optimizer, and compares the
//! fields with the exact solution `u = sin(πx) sin(πy) + ½ sin(2πx) sin(3πy)`.
//!
//! ```text
//! cargo run --release -p siren-core --example poisson_equation
//! ```

use std::f64::consts::PI;

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::field::{FieldShape, Order, Siren, SirenConfig};
use siren_core::objective::{Constraint, Context, Term, from_fn};
use siren_core::optimizer::{AdamConfig, GaussNewtonConfig, OptimizerConfig};
use siren_core::signal::{Sample, Stream, UniformSampler};
use siren_core::train::{ScheduleKind, TrainConfig, Trainer};

/// Points of the square in a step.
const SQUARE: usize = 1500;
/// Points of each side of the border.
const SIDE: usize = 100;
/// Weight of the border condition.
const BORDER: f64 = 100.0;
/// Evaluations of the error during a fit.
const EVALUATIONS: u64 = 10;

/// Waves of the solution: amplitude, and half-waves along each axis.
const WAVES: [(f64, f64, f64); 2] = [(1.0, 1.0, 1.0), (0.5, 2.0, 3.0)];

/// Returns `Σ factor(amplitude, a, b) sin(aπx) sin(bπy)` at points `(n, 2)`, as `(n, 1)`.
fn waves(coords: &Tensor, factor: impl Fn(f64, f64, f64) -> f64) -> Result<Tensor> {
    let wave = |&(amplitude, a, b): &(f64, f64, f64)| -> Result<Tensor> {
        let along = |axis: usize, count: f64| (coords.narrow(1, axis, 1)? * (count * PI))?.sin();
        Ok(((along(0, a)? * along(1, b)?)? * factor(amplitude, a, b))?)
    };
    Ok((wave(&WAVES[0])? + wave(&WAVES[1])?)?)
}

/// Returns the points of the border, the same in every step.
fn border(_step: u64) -> Result<Sample> {
    let at = |i: usize| {
        let along = -1.0 + 2.0 * (i % SIDE) as f64 / SIDE as f64;
        match i / SIDE {
            0 => [along, -1.0],
            1 => [1.0, along],
            2 => [-along, 1.0],
            _ => [-1.0, -along],
        }
    };
    let coords: Vec<f64> = (0..4 * SIDE).flat_map(at).collect();
    Sample::new(Tensor::from_vec(coords, (4 * SIDE, 2), &Device::Cpu)?)
}

fn constraints() -> [Constraint; 2] {
    let square = UniformSampler {
        size: SQUARE,
        extents: vec![1.0; 2],
        seed: 0,
        stream: Stream::named("square"),
        dtype: DType::F64,
        device: Device::Cpu,
    };
    let equation = |context: &Context<'_>| {
        let source = waves(context.sample.coords(), |amplitude, a, b| {
            amplitude * (a * a + b * b) * PI * PI
        })?;
        let residual = (context.jet.traces()?.squeeze(2)? + source)?;
        Ok(vec![Term::squares("equation", residual)?])
    };
    let zero = |context: &Context<'_>| Ok(vec![Term::squares("border", context.jet.value()?)?]);
    [
        Constraint::new("square", square, from_fn(Order::laplacian(2), equation)),
        Constraint::new("border", border, from_fn(Order::Value, zero)).weighted(BORDER),
    ]
}

/// Returns `‖Φ − u‖ / ‖u‖` on a grid.
fn relative_error(field: &Siren) -> Result<f64> {
    let side = 101;
    let at = |i: usize| -1.0 + 2.0 * i as f64 / (side - 1) as f64;
    let coords: Vec<f64> = (0..side * side)
        .flat_map(|i| [at(i % side), at(i / side)])
        .collect();
    let coords = Tensor::from_vec(coords, (side * side, 2), &Device::Cpu)?;
    let exact = waves(&coords, |amplitude, _, _| amplitude)?;
    let error = (field.evaluate(&coords, &Order::Value)?.value()? - &exact)?;
    let norm = |x: &Tensor| x.sqr()?.sum_all()?.to_scalar::<f64>();
    Ok((norm(&error)? / norm(&exact)?).sqrt())
}

/// Fits a field, and prints its error ten times.
fn fit(name: &str, train: &TrainConfig) -> Result<()> {
    let config = SirenConfig {
        hidden_features: 64.into(),
        hidden_layers: 2,
        first_omega_0: 10.0.into(),
        hidden_omega_0: 3.0,
        ..SirenConfig::default()
    };
    let mut rng = Stream::PARAMETERS.rng(0, 0);
    let field = config.init(FieldShape::new(2, 1), &mut rng, DType::F64, &Device::Cpu)?;
    let mut trainer = Trainer::new(field, train)?;
    let constraints = constraints();
    while trainer.step_count() < train.steps {
        let loss = trainer.step(&constraints)?.loss;
        let step = trainer.step_count();
        if step.is_multiple_of(train.steps / EVALUATIONS) {
            let error = relative_error(trainer.model())?;
            println!("{name}: {step} steps, loss {loss:.2e}, relative error {error:.2e}");
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let second = TrainConfig {
        steps: 50,
        // Errors of single precision are above those of this method, and so is its usual damping.
        optimizer: OptimizerConfig::GaussNewton(GaussNewtonConfig {
            damping: 1e-6,
            least_damping: 1e-10,
            decrease: 0.3,
            momentum: 0.7,
            ..GaussNewtonConfig::default()
        }),
        ..TrainConfig::default()
    };
    fit("Gauss-Newton", &second)?;
    let first = TrainConfig {
        steps: 10_000,
        learning_rate: 1e-3,
        schedule: ScheduleKind::Cosine,
        optimizer: OptimizerConfig::Adam(AdamConfig::default()),
        ..TrainConfig::default()
    };
    fit("Adam", &first)
}
