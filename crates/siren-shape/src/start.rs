//! The start of a fit as the signed distance of a sphere.
//!
//! A network of sines with the paper's initialization oscillates at the scale of its ω₀. A fit to the surface of a shape leaves these oscillations
//! in the volume, where `‖∇Φ‖ = 1` holds for a zigzag as well as for a distance. So the start has two parts: the network is made smooth, then it is
//! fitted to a sphere.

use std::collections::HashMap;

use candle_core::{D, Tensor};
use siren_core::Result;
use siren_core::field::{Activation, Encoding, Order, Siren};
use siren_core::objective::{Constraint, Term, from_fn};
use siren_core::signal::{Stream, UniformSampler};
use siren_core::train::{ScheduleKind, TrainConfig, Trainer};

use crate::config::SphereStart;

/// Share of the units of the first layer that remain connected.
const CONNECTED: f64 = 0.25;
/// Angular frequency of the connected units, per unit of a coordinate: at most this on each axis.
const LOW_FREQUENCY: f64 = 1.0;
/// Factor of the weights from the other units.
const DETACHED: f64 = 5e-4;

/// Makes a network of sines smooth: a quarter of the units of its first layer become slow, and the weights from the others, which keep their
/// frequencies, become small, so that the fit can take them up where the shape has detail. The multi-frequency initialization of Ben-Shabat
/// et al. 2022 does the same to their network.
///
/// Other networks, and those with an encoding, are returned as they are.
///
/// # Errors
/// Only from candle.
pub(crate) fn smoothed(field: Siren) -> Result<Siren> {
    let network = field.network();
    let config = network.config().clone();
    if config.activation != Activation::Sine
        || config.encoding != Encoding::Identity
        || config.hidden_layers == 0
    {
        return Ok(field);
    }
    let (Some(units), Some(first_omega)) =
        (config.hidden_features.given(), config.first_omega_0.given())
    else {
        return Ok(field);
    };
    let connected = ((CONNECTED * units as f64) as usize).max(1);
    // The paper draws these weights from U(±1/3).
    let slow = 3.0 * LOW_FREQUENCY / first_omega;
    let factors = |connected_ones: f64, others: f64| -> Vec<f64> {
        let factor = |unit| {
            if unit < connected {
                connected_ones
            } else {
                others
            }
        };
        (0..units).map(factor).collect()
    };
    let mut tensors: HashMap<String, Tensor> = field.named_tensors()?.into_iter().collect();
    let mut scale = |name: &str, factors: Vec<f64>, shape: (usize, usize)| -> Result<()> {
        if let Some(tensor) = tensors.get_mut(name) {
            let factors = Tensor::from_vec(factors, shape, tensor.device())?;
            *tensor = tensor.broadcast_mul(&factors.to_dtype(tensor.dtype())?)?;
        }
        Ok(())
    };
    scale("net.net.0.0.weight", factors(slow, 1.0), (units, 1))?;
    scale("net.net.1.0.weight", factors(1.0, DETACHED), (1, units))?;
    let (dtype, device) = (field.parameters().dtype(), field.parameters().device());
    let find = |name: &str| tensors.get(name).cloned();
    let smooth = config.load(network.shape(), find, dtype, device)?;
    smooth.on(network.engine())
}

/// Makes a network smooth and fits it to `‖x‖ − r` in the cube of half side `extent`, by the mean squared errors of its values and of its gradient
/// `x/‖x‖`.
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
    let mut trainer = Trainer::new(smoothed(field)?, &config)?;
    trainer.run(&constraints)?;
    Ok(trainer.into_model())
}

#[cfg(test)]
mod tests {
    use siren_core::field::{FieldShape, SirenConfig};

    use super::*;

    #[test]
    fn the_field_becomes_the_signed_distance_of_a_sphere() {
        let shape = FieldShape::new(3, 1);
        let config = SirenConfig {
            hidden_features: 32.into(),
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
        for (value, point) in field
            .values(points.as_flattened())
            .unwrap()
            .into_iter()
            .zip(points)
        {
            let expected = point.iter().map(|x| x * x).sum::<f64>().sqrt() - 0.5;
            assert!(
                (value - expected).abs() < 0.1,
                "{point:?}: {value} {expected}"
            );
        }
    }
}
