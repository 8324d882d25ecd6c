//! Initialization of the parameters. All draws come from the generator that is passed in.
//!
//! | activation | weights of a layer with `fan_in` inputs |
//! |---|---|
//! | sine, finer, `h_siren`, first layer | U(±1/`fan_in`) |
//! | sine, finer, `h_siren`, other layers, output layer | U(±√(6/`fan_in`)/ω₀) with the hidden ω₀ |
//! | gaussian, wire, sinc | U(±1/√`fan_in`) (PyTorch's default) |
//! | relu, softplus, silu | N(0, 2/`fan_in`) (Kaiming) |
//! | tanh, sigmoid | N(0, 2/(`fan_in` + `fan_out`)) (Xavier) |
//! | selu | N(0, 1/`fan_in`) |
//! | elu | N(0, 1.5505188080679277/`fan_in`) |
//!
//! The rules are those of the paper (§3.2, Theorem 1.8 of its supplement) and of the authors' code. The code leaves the biases at PyTorch's
//! default U(±1/√`fan_in`), which gives the preactivations a larger variance than the paper's theorem states; the config offers both rules.
//! `weight_noise` adds N(0, (S/ω₀)²) to the weights of the first two layers of the activations in the first two rows.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use siren_kernel::Pointwise;
use siren_kernel::network::Dense;

use super::activation::WeightRule;
use super::config::{BiasInit, SirenConfig, WeightInit};

/// Draws the weights `(fan_out, fan_in)` of layer `index`, row-major. `before` is the pointwise function of the previous layer, `None` for
/// the first.
pub(super) fn weights(
    config: &SirenConfig,
    index: usize,
    layer: &Dense,
    before: Option<Pointwise>,
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    let mut weights = match config.init {
        WeightInit::Authors => by_authors(config, index, layer, rng),
        WeightInit::Vi3nr => {
            let mean_square = before.map_or(COORDINATE_MEAN_SQUARE, |before| {
                mean_squares(before, balanced_deviation(before))[0]
            });
            // The linear output layer keeps the variance at any deviation, so its preactivations get deviation 1.
            let target = match layer.pointwise {
                Pointwise::Linear => 1.0,
                hidden => balanced_deviation(hidden),
            };
            let std = target / (layer.fan_in as f64 * mean_square).sqrt();
            normal(std, layer.fan_in * layer.fan_out, rng)
        }
    };
    if layer.pointwise != Pointwise::Linear {
        for weight in &mut weights {
            *weight *= config.weight_scale;
        }
    }
    weights
}

/// Draws weights by the rule of the activation's authors.
fn by_authors(config: &SirenConfig, index: usize, layer: &Dense, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (fan_in, fan_out) = (layer.fan_in, layer.fan_out);
    let n = fan_in as f64;
    let count = fan_in * fan_out;
    match config.activation.weight_rule() {
        WeightRule::Sine => {
            let mut weights = if index == 0 {
                uniform(1.0 / n, count, rng)
            } else {
                uniform((6.0 / n).sqrt() / config.hidden_omega_0, count, rng)
            };
            if let Some(std) = noise(config, index) {
                let noise = normal(std, count, rng);
                weights.iter_mut().zip(noise).for_each(|(w, x)| *w += x);
            }
            weights
        }
        WeightRule::Uniform => uniform(1.0 / n.sqrt(), count, rng),
        WeightRule::Normal { gain } => normal((gain / n).sqrt(), count, rng),
        WeightRule::Xavier => normal((2.0 / (n + fan_out as f64)).sqrt(), count, rng),
    }
}

/// Returns the standard deviation of the noise on the weights of layer `index`, if the config asks for noise there.
fn noise(config: &SirenConfig, index: usize) -> Option<f64> {
    let scale = *config.weight_noise?.given()?.get(index)?;
    let omega = match index {
        0 => config.first_omega_0.given()?,
        _ => config.hidden_omega_0,
    };
    Some(scale / omega)
}

/// `E[x²]` of coordinates drawn from U(±1).
const COORDINATE_MEAN_SQUARE: f64 = 1.0 / 3.0;

/// Returns the standard deviation s of a preactivation z ~ N(0, s²) at which `s² E[σ'(z)²] = E[σ(z)²]`, or comes nearest to it.
///
/// Weights of variance `s² / (n E[σ²])` then keep the variance of the preactivations from layer to layer and, since `n Var(W) E[σ'²] = 1`,
/// that of the gradients. Source: VI³NR, §4; its authors search a grid with samples of z, this function searches a grid with quadrature.
fn balanced_deviation(pointwise: Pointwise) -> f64 {
    let imbalance = |s: f64| {
        let [value, slope] = mean_squares(pointwise, s);
        (s * s * slope / value).ln().abs()
    };
    let grid = (0..=120).map(|i| 10f64.powf(f64::from(i) / 30.0 - 3.0));
    let nearest = grid.min_by(|a, b| imbalance(*a).total_cmp(&imbalance(*b)));
    nearest.unwrap_or(1.0)
}

/// Returns `E[σ(z)²]` and `E[σ'(z)²]` for z ~ N(0, s²) by the trapezoidal rule, which converges fast for smooth integrands that decay.
fn mean_squares(pointwise: Pointwise, s: f64) -> [f64; 2] {
    /// Largest |z| / s of a node.
    const REACH: f64 = 8.0;
    const NODES: usize = 4001;
    let node = |i: usize| REACH * (2.0 * i as f64 / (NODES - 1) as f64 - 1.0);
    let z: Vec<f64> = (0..NODES).map(|i| s * node(i)).collect();
    let [mut value, mut slope] = [vec![0.0; NODES], vec![0.0; NODES]];
    pointwise.derivatives(pulp::Scalar, &z, 0, &mut [&mut value, &mut slope]);
    let weights: Vec<f64> = (0..NODES).map(|i| (-0.5 * node(i).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    [value, slope].map(|row| {
        let squares = row.iter().zip(&weights).map(|(x, weight)| weight * x * x);
        squares.sum::<f64>() / total
    })
}

/// Draws the biases `(fan_out,)` of layer `index`.
pub(super) fn biases(
    config: &SirenConfig,
    index: usize,
    layer: &Dense,
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    let (fan_in, fan_out) = (layer.fan_in, layer.fan_out);
    match (config.bias, config.first_bias) {
        (_, Some(bound)) if index == 0 => uniform(bound, fan_out, rng),
        (BiasInit::Authors, _) => uniform(1.0 / (fan_in as f64).sqrt(), fan_out, rng),
        (BiasInit::Zero, _) => vec![0.0; fan_out],
    }
}

/// Draws `count` numbers from U(−bound, bound).
#[must_use]
pub fn uniform(bound: f64, count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..count)
        .map(|_| bound * rng.random_range(-1.0..1.0))
        .collect()
}

/// Draws `count` numbers from N(0, std²).
#[must_use]
pub fn normal(std: f64, count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let z: f64 = StandardNormal.sample(rng);
            std * z
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Activation;
    use crate::field::WeightNoise;
    use rand::SeedableRng;

    fn square(width: usize, pointwise: Pointwise) -> Dense {
        Dense {
            fan_in: width,
            fan_out: width,
            weight: 0..0,
            bias: 0..0,
            frequency: None,
            pointwise,
        }
    }

    #[test]
    fn weight_noise_adds_its_variance_to_the_first_two_layers_only() {
        const WIDTH: usize = 300;
        let quiet = SirenConfig::default();
        let noisy = SirenConfig {
            weight_noise: Some(WeightNoise::Scales([60.0, 3.0])),
            ..quiet.clone()
        };
        for (index, scale) in [(0, 60.0), (1, 3.0), (2, 0.0)] {
            let variance = |config: &SirenConfig| {
                let mut rng = ChaCha8Rng::seed_from_u64(4);
                let weights = by_authors(config, index, &square(WIDTH, Pointwise::Silu), &mut rng);
                weights.iter().map(|w| w * w).sum::<f64>() / weights.len() as f64
            };
            let added = variance(&noisy) - variance(&quiet);
            let expected = (scale / 30.0_f64).powi(2);
            assert!(
                (added - expected).abs() <= 0.02 * expected,
                "{index}: {added}"
            );
        }
    }

    #[test]
    fn quadrature_agrees_with_the_exact_moments_of_a_sine() {
        // E[sin² ωz] = (1 − e^(−2ω²s²)) / 2, and the slope's is ω² (1 + e^(−2ω²s²)) / 2.
        let (omega, s) = (3.0, 0.4);
        let decay = f64::exp(-2.0 * omega * omega * s * s);
        let [value, slope] = mean_squares(Pointwise::Sine { omega }, s);
        assert!((value - (1.0 - decay) / 2.0).abs() < 1e-9);
        assert!((slope - omega * omega * (1.0 + decay) / 2.0).abs() < 1e-8);
    }

    /// Compares the standard deviation of the preactivations of each layer with the deviation that the rule aims at.
    #[test]
    fn vi3nr_keeps_the_deviation_of_preactivations_for_every_activation() {
        const WIDTH: usize = 400;
        for activation in Activation::ALL {
            let config = SirenConfig {
                activation,
                init: WeightInit::Vi3nr,
                hidden_features: WIDTH.into(),
                ..SirenConfig::default()
            };
            let pointwise = activation.hidden_pointwise(config.hidden_omega_0);
            let deviation = balanced_deviation(pointwise);
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let mut z = normal(deviation, WIDTH, &mut rng);
            for depth in 1..4 {
                let mut h = vec![0.0; WIDTH];
                pointwise.derivatives(pulp::Scalar, &z, 0, &mut [&mut h]);
                let layer = square(WIDTH, pointwise);
                let weights = weights(&config, depth, &layer, Some(pointwise), &mut rng);
                let row = |row: &[f64]| row.iter().zip(&h).map(|(w, h)| w * h).sum::<f64>();
                z = weights.chunks(WIDTH).map(row).collect();
                let spread = z.iter().map(|z| z * z).sum::<f64>() / WIDTH as f64;
                let ratio = spread.sqrt() / deviation;
                assert!(
                    (0.6..1.6).contains(&ratio),
                    "{activation:?}, layer {depth}: {ratio}"
                );
            }
        }
    }
}
