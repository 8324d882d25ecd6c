//! Initial parameters, drawn from the config's seed and nothing else.
//!
//! | activation | weights of a layer with `fan_in` inputs |
//! |---|---|
//! | sine, first layer | U(±1/`fan_in`) |
//! | sine, other layers, output layer | U(±√(6/`fan_in`)/ω₀) with the hidden ω₀ |
//! | relu, softplus | N(0, 2/`fan_in`) (Kaiming) |
//! | tanh, sigmoid | N(0, 2/(`fan_in` + `fan_out`)) (Xavier) |
//! | selu | N(0, 1/`fan_in`) |
//! | elu | N(0, 1.5505188080679277/`fan_in`) |
//!
//! from the paper (§3.2, Theorem 1.8 of its supplement) and the authors' code. Their code leaves the biases at PyTorch's
//! default U(±1/√`fan_in`), which spreads the preactivations wider than the paper's theorem says; both rules are offered.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::activation::Activation;
use super::config::{BiasInit, SirenConfig};

/// The authors' gain for elu, as a variance.
const ELU_VARIANCE: f64 = 1.550_518_808_067_927_7;

/// Row-major `(fan_out, fan_in)` weights of layer `index`.
pub(super) fn weights(
    config: &SirenConfig,
    index: usize,
    (fan_in, fan_out): (usize, usize),
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    let n = fan_in as f64;
    let count = fan_in * fan_out;
    match config.activation {
        Activation::Sine if index == 0 => uniform(1.0 / n, count, rng),
        Activation::Sine => uniform((6.0 / n).sqrt() / config.hidden_omega_0, count, rng),
        Activation::Relu | Activation::Softplus => normal((2.0 / n).sqrt(), count, rng),
        Activation::Tanh | Activation::Sigmoid => {
            normal((2.0 / (n + fan_out as f64)).sqrt(), count, rng)
        }
        Activation::Selu => normal((1.0 / n).sqrt(), count, rng),
        Activation::Elu => normal((ELU_VARIANCE / n).sqrt(), count, rng),
    }
}

/// `fan_out` biases of a layer with `fan_in` inputs.
pub(super) fn biases(
    rule: BiasInit,
    (fan_in, fan_out): (usize, usize),
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    match rule {
        BiasInit::Authors => uniform(1.0 / (fan_in as f64).sqrt(), fan_out, rng),
        BiasInit::Zero => vec![0.0; fan_out],
    }
}

/// `count` draws from U(−bound, bound).
pub(super) fn uniform(bound: f64, count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..count)
        .map(|_| bound * rng.random_range(-1.0..1.0))
        .collect()
}

/// `count` draws from N(0, std²).
pub(super) fn normal(std: f64, count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let z: f64 = StandardNormal.sample(rng);
            std * z
        })
        .collect()
}
