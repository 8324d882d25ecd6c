//! A test-only example of an objective: an oscillator `u'' = −k u` of unknown stiffness `k`, from values and slopes.

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::field::{FieldShape, Order, SirenConfig};
use siren_core::objective::{Constraint, Context, Objective, Term};
use siren_core::signal::{Sample, Stream, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};

/// Stiffness of the oscillator that is observed.
const STIFFNESS: f64 = 9.0;

/// Squared errors of the columns `value` and `slope`, and of the equation, whose weight rises during the training and from the middle of the
/// domain to its ends.
struct Oscillator(Order);

impl Objective for Oscillator {
    fn order(&self) -> &Order {
        &self.0
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let (jet, sample) = (context.jet, context.sample);
        let (u, u_t, u_tt) = (
            jet.value()?,
            jet.gradient()?.squeeze(2)?,
            jet.traces()?.squeeze(2)?,
        );
        let stiffness = context.coefficient("stiffness")?;
        let residual = (u_tt + u.broadcast_mul(stiffness)?)?;
        let place = (sample.coords().sqr()? + 1.0)?;
        let per_point = |error: Tensor| -> Result<Tensor> { Ok(error.sqr()?.sum(1)?) };
        Ok(vec![
            Term::new("value", per_point((u - sample.column("value")?)?)?),
            Term::new("slope", per_point((u_t - sample.column("slope")?)?)?)
                .weighted(1.0 / STIFFNESS),
            Term::new("equation", per_point((residual * place)?)?)
                .weighted(1e-2 * context.progress),
        ])
    }
}

#[test]
fn an_objective_sees_coordinates_named_columns_the_step_and_a_coefficient_that_it_learns() {
    let config = SirenConfig {
        hidden_features: 24.into(),
        hidden_layers: 1,
        first_omega_0: 4.0.into(),
        hidden_omega_0: 4.0,
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: 1,
        out_features: 1,
        samples_per_side: None,
    };
    let mut rng = Stream::PARAMETERS.rng(0, 0);
    let field = config
        .init(shape, &mut rng, DType::F64, &Device::Cpu)
        .unwrap();
    let field = field.with_coefficients(&[("stiffness", 6.0)]).unwrap();

    let t = Tensor::arange(-100.0, 101.0, &Device::Cpu).unwrap();
    let t = (t / 100.0).unwrap().reshape(((), 1)).unwrap();
    let phase = (&t * STIFFNESS.sqrt()).unwrap();
    let sample = Sample::new(t)
        .and_then(|sample| sample.with_column("value", phase.sin()?))
        .and_then(|sample| sample.with_column("slope", (phase.cos()? * STIFFNESS.sqrt())?))
        .unwrap();
    let oscillator = Oscillator(Order::laplacian(1));
    let constraints = [Constraint::new(
        "oscillator",
        WholeSampler::new(sample),
        oscillator,
    )];
    let train = TrainConfig {
        steps: 1500,
        learning_rate: 5e-3,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(field, &train).unwrap();
    for _ in 0..train.steps {
        trainer.step(&constraints).unwrap();
    }
    let found = trainer.model().coefficient("stiffness").unwrap();
    assert!((found - STIFFNESS).abs() < 0.02 * STIFFNESS, "{found}");
    let names = trainer.step(&constraints).unwrap().terms;
    let names: Vec<&str> = names.iter().map(|term| term.name.as_str()).collect();
    assert_eq!(names, ["value", "slope", "equation"]);
}
