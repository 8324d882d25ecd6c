//! The start of a fit as the signed distance of a sphere.

use candle_core::D;
use siren_core::Result;
use siren_core::field::{Order, Siren};
use siren_core::objective::{Constraint, Term, from_fn};
use siren_core::signal::{Stream, UniformSampler};
use siren_core::train::{ScheduleKind, TrainConfig, Trainer};

use crate::config::SphereStart;

/// Fits a field to `‖x‖ − r` in the cube of half side `extent`, by the mean squared errors of its values and of its gradient `x/‖x‖`. By values
/// alone, the fine oscillations of a network with a high ω₀ would remain in the gradient.
///
/// # Errors
/// [`Error::Diverged`](siren_core::Error::Diverged) if the learning rate is too high.
pub(crate) fn sphere(field: Siren, start: SphereStart, extent: f64, seed: u64) -> Result<Siren> {
    let config = TrainConfig {
        steps: start.steps,
        learning_rate: start.learning_rate,
        schedule: ScheduleKind::Cosine,
        ..TrainConfig::default()
    };
    let sampler = UniformSampler {
        size: start.points,
        extents: vec![extent; 3],
        seed,
        stream: Stream::named("shape.start"),
        dtype: field.parameters().dtype(),
        device: field.parameters().device().clone(),
    };
    let radius = start.radius;
    let objective = from_fn(Order::Gradient, move |context| {
        let coords = context.sample.coords();
        let length = coords.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        let direction = coords.broadcast_div(&length)?;
        let value = (context.jet.value()? - (length - radius)?)?;
        let gradient = (context.jet.gradient()?.squeeze(1)? - direction)?;
        Ok(vec![
            Term::new("value_mse", value.sqr()?.sum(D::Minus1)?),
            Term::new("gradient_mse", gradient.sqr()?.sum(D::Minus1)?),
        ])
    });
    let constraints = [Constraint::new("start", sampler, objective)];
    let mut trainer = Trainer::new(field, &config)?;
    trainer.run(&constraints)?;
    Ok(trainer.into_model())
}

#[cfg(test)]
mod tests {
    use siren_core::field::{FieldShape, SirenConfig};

    use super::*;

    #[test]
    fn the_field_becomes_the_signed_distance_of_a_sphere() {
        let shape = FieldShape {
            in_features: 3,
            out_features: 1,
            samples_per_side: None,
        };
        let config = SirenConfig {
            hidden_features: 32,
            hidden_layers: 1,
            ..SirenConfig::default()
        };
        let start = SphereStart {
            steps: 300,
            points: 1000,
            learning_rate: 2e-3,
            ..SphereStart::default()
        };
        let field = sphere(config.init_seeded(shape, 3).unwrap(), start, 1.1, 3).unwrap();
        let points = [[0.0, 0.0, 0.1], [0.3, 0.4, 0.0], [0.6, -0.6, 0.6]];
        for (value, point) in field.values(points.as_flattened()).unwrap().into_iter().zip(points) {
            let expected = point.iter().map(|x| x * x).sum::<f64>().sqrt() - 0.5;
            assert!((value - expected).abs() < 0.1, "{point:?}: {value} {expected}");
        }
    }
}
