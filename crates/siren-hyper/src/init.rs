//! Initial parameters of the networks of this crate: names, shapes and roles of the entries, and their distributions.

use rand_chacha::ChaCha8Rng;
use siren_core::field::Role;
pub(crate) use siren_core::field::{normal, uniform};

/// Draws this number of initial values of an entry.
pub(crate) type Draw = Box<dyn Fn(&mut ChaCha8Rng, usize) -> Vec<f64>>;

/// An entry of the flat parameters, and how its initial values are drawn.
pub(crate) struct EntryInit {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) role: Role,
    pub(crate) draw: Draw,
}

impl EntryInit {
    /// Returns the entry `layer.weight`.
    pub(crate) fn weight(layer: &str, shape: &[usize], role: Role, draw: Draw) -> Self {
        Self {
            name: format!("{layer}.weight"),
            shape: shape.to_vec(),
            role,
            draw,
        }
    }

    /// Returns the entry `layer.bias`.
    pub(crate) fn bias(layer: &str, shape: &[usize], draw: Draw) -> Self {
        Self {
            name: format!("{layer}.bias"),
            shape: shape.to_vec(),
            role: Role::Bias,
            draw,
        }
    }

    /// Returns the number of values. It may exceed `usize`, because no limit has been checked yet.
    pub(crate) fn len(&self) -> u128 {
        self.shape.iter().map(|&side| side as u128).product()
    }
}

/// Name and sizes of a fully connected layer.
pub(crate) struct LayerSize {
    pub(crate) name: String,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl LayerSize {
    pub(crate) fn new(name: String, inputs: usize, outputs: usize) -> Self {
        Self {
            name,
            inputs,
            outputs,
        }
    }
}

/// Draws from U(±1/√`fan_in`), PyTorch's default for weights and biases.
pub(crate) fn torch(fan_in: usize) -> Draw {
    let bound = 1.0 / (fan_in as f64).sqrt();
    Box::new(move |rng, len| uniform(bound, len, rng))
}

/// Draws from N(0, 2/`fan_in`) (Kaiming), multiplied by `scale`.
pub(crate) fn kaiming(fan_in: usize, scale: f64) -> Draw {
    let deviation = scale * (2.0 / fan_in as f64).sqrt();
    Box::new(move |rng, len| normal(deviation, len, rng))
}

/// Sets all values to `value`.
pub(crate) fn constant(value: f64) -> Draw {
    Box::new(move |_, len| vec![value; len])
}
