//! Tests the paper's theory (supplement, Theorem 1.8) and its corrections on randomly initialized networks.

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::field::{BiasInit, FieldShape, Order, Siren, SirenConfig};

const OMEGA: f64 = 30.0;

/// Returns `n` evenly spaced points of `[-1 + shift, 1 + shift]`, `(n, 1)`.
fn line(n: usize, shift: f64) -> Tensor {
    let coords = (0..n).map(|i| shift - 1.0 + 2.0 * i as f64 / (n - 1) as f64);
    Tensor::from_iter(coords, &Device::Cpu)
        .unwrap()
        .reshape((n, 1))
        .unwrap()
}

/// Number of units whose preactivations are measured. It is large because each unit has one draw of its bias.
const UNITS: usize = 4096;

/// Returns the arguments of the sines of layer `depth + 1` of a network of this width, over `coords (n, 1)`.
///
/// The output layer of a SIREN is initialized like a hidden layer, so the arguments are the outputs times ω₀.
fn preactivations(width: usize, depth: usize, bias: BiasInit, coords: &Tensor) -> Vec<f64> {
    let config = SirenConfig {
        hidden_features: width.into(),
        hidden_layers: depth,
        bias,
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: 1,
        out_features: UNITS,
        samples_per_side: None,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let field = config
        .init(shape, &mut rng, DType::F64, &Device::Cpu)
        .unwrap();
    let value = field
        .evaluate(coords, &Order::Value)
        .unwrap()
        .value()
        .unwrap();
    let outputs = value.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    outputs.into_iter().map(|y| OMEGA * y).collect()
}

/// Computes the standard deviation.
fn spread(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// With zero biases `v' = 1 − e^(−2v)`, whose fixed point is 0.797: a standard deviation of 0.893, not 1.
#[test]
fn zero_biases_keep_the_standard_deviation_of_preactivations_at_0_893_through_fifty_layers() {
    let coords = line(100, 0.0);
    for depth in [10, 25, 50] {
        let std = spread(&preactivations(1024, depth, BiasInit::Zero, &coords));
        assert!((std - 0.893).abs() < 0.02, "depth {depth}: {std}");
    }
}

/// PyTorch's default biases add `ω₀²/(3n)` to the variance: at width 256 the standard deviation is 1.47, at 2048 about 1.
#[test]
fn the_authors_biases_widen_the_preactivations_as_the_variance_recursion_says() {
    let coords = line(100, 0.0);
    for (width, expected) in [(256usize, 1.469), (2048, 1.008)] {
        let added = OMEGA * OMEGA / (3.0 * width as f64);
        let mut variance = 1.0f64;
        for _ in 0..100 {
            variance = 1.0 - (-2.0 * variance).exp() + added;
        }
        assert!(
            (variance.sqrt() - expected).abs() < 2e-3,
            "recursion gives {variance}"
        );
        let std = spread(&preactivations(width, 8, BiasInit::Authors, &coords));
        assert!((std - expected).abs() < 0.05, "width {width}: {std}");
    }
}

/// The sine of a normal variable of large variance follows the arcsine law, with the distribution function `1/2 + asin(x)/π`. The
/// law is exact at the first layer, whose arguments span several periods, and nearly exact at depth.
#[test]
fn activations_follow_the_arcsine_law() {
    let distance = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let law = |x: f64| 0.5 + x.asin() / std::f64::consts::PI;
        let gap = |(i, x): (usize, &f64)| (law(*x) - (i as f64 + 0.5) / n).abs();
        values.iter().enumerate().map(gap).fold(0.0, f64::max)
    };
    let coords = line(100, 0.0);
    let sines = |z: Vec<f64>| z.into_iter().map(f64::sin).collect::<Vec<_>>();
    let deep = distance(sines(preactivations(256, 10, BiasInit::Authors, &coords)));
    assert!(deep < 0.02, "Kolmogorov-Smirnov distance {deep}");
    // With a standard deviation of 0.893 the arguments span less than a period, so the law is only approximate.
    let narrow = distance(sines(preactivations(1024, 10, BiasInit::Zero, &coords)));
    assert!(
        (0.02..0.12).contains(&narrow),
        "Kolmogorov-Smirnov distance {narrow}"
    );
}

#[test]
fn a_shift_of_the_input_by_a_thousand_keeps_the_standard_deviation_of_preactivations() {
    let here = spread(&preactivations(256, 6, BiasInit::Authors, &line(100, 0.0)));
    let there = spread(&preactivations(
        256,
        6,
        BiasInit::Authors,
        &line(100, 1000.0),
    ));
    assert!(
        (here / there - 1.0).abs() < 0.05,
        "{here} at 0, {there} at 1000"
    );
}

/// Returns a small sine network of two coordinates and two outputs.
fn field() -> Siren {
    let config = SirenConfig {
        hidden_features: 24.into(),
        hidden_layers: 2,
        first_omega_0: 4.0.into(),
        hidden_omega_0: 4.0,
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: 2,
        out_features: 2,
        samples_per_side: None,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    config
        .init(shape, &mut rng, DType::F64, &Device::Cpu)
        .unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Half the step gives a quarter of the error, so the finite differences converge to the computed derivatives.
#[test]
fn central_differences_converge_to_the_gradient_and_the_hessian_as_h_squared() {
    let field = field();
    let point = [0.3, -0.6];
    let value = |x: [f64; 2]| {
        let coords = Tensor::new(&[x], &Device::Cpu).unwrap();
        flat(
            &field
                .evaluate(&coords, &Order::Value)
                .unwrap()
                .value()
                .unwrap(),
        )[1]
    };
    let coords = Tensor::new(&[point], &Device::Cpu).unwrap();
    let jet = field.evaluate(&coords, &Order::hessian(2)).unwrap();
    let gradient = flat(&jet.gradient().unwrap())[2..].to_vec();
    let hessian = flat(&jet.traces().unwrap())[3..].to_vec();
    let moved = |dx: f64, dy: f64| value([point[0] + dx, point[1] + dy]);
    let differences = |h: f64| {
        let second = |a: f64, b: f64| (a - 2.0 * moved(0.0, 0.0) + b) / (h * h);
        let mixed = moved(h, h) - moved(h, -h) - moved(-h, h) + moved(-h, -h);
        [
            (moved(h, 0.0) - moved(-h, 0.0)) / (2.0 * h) - gradient[0],
            (moved(0.0, h) - moved(0.0, -h)) / (2.0 * h) - gradient[1],
            second(moved(h, 0.0), moved(-h, 0.0)) - hessian[0],
            mixed / (4.0 * h * h) - hessian[1],
            second(moved(0.0, h), moved(0.0, -h)) - hessian[2],
        ]
    };
    let (coarse, fine) = (differences(4e-3), differences(2e-3));
    for (which, (coarse, fine)) in coarse.iter().zip(&fine).enumerate() {
        let ratio = coarse / fine;
        assert!(
            (ratio - 4.0).abs() < 0.1,
            "derivative {which}: errors {coarse:e}, {fine:e}"
        );
    }
}

/// Computes the Bessel function `J_k(x)` by its power series.
fn bessel(k: i32, x: f64) -> f64 {
    let order = k.unsigned_abs();
    let mut term = (1..=order).fold(1.0, |product, i| product * x / 2.0 / f64::from(i));
    let mut sum = term;
    for m in 1..40 {
        term *= -(x / 2.0).powi(2) / (f64::from(m) * f64::from(m + order as i32));
        sum += term;
    }
    if k < 0 && order % 2 == 1 { -sum } else { sum }
}

/// `sin(Σ_j W_j sin(w_j x + φ_j) + b) = Σ_k Π_j J_{k_j}(W_j) sin(⟨k, w⟩x + ⟨k, φ⟩ + b)`, and no harmonic exceeds
/// `Π_j (|W_j|/2)^{|k_j|}/|k_j|!` (Novello et al. 2025, TUNER), so the hidden weights bound the bandwidth.
#[test]
fn harmonics_of_a_two_layer_siren_are_products_of_bessel_functions_within_the_tuner_bound() {
    let (weights, frequencies) = ([1.3, 0.7], [3.0, 64.0]);
    let (phases, bias) = ([0.4, -1.1], 0.25);
    let tensor =
        |values: &[f64], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
    let named = |name: &str| {
        Some(match name {
            "net.net.0.0.weight" => tensor(&frequencies, &[2, 1]),
            "net.net.0.0.bias" => tensor(&phases, &[2]),
            "net.net.1.0.weight" => tensor(&[weights[0], weights[1], 0.0, 0.0], &[2, 2]),
            "net.net.1.0.bias" => tensor(&[bias, 0.0], &[2]),
            "net.net.2.0.weight" => tensor(&[1.0, 0.0], &[1, 2]),
            _ => tensor(&[0.0], &[1]),
        })
    };
    let config = SirenConfig {
        hidden_features: 2.into(),
        hidden_layers: 1,
        first_omega_0: 1.0.into(),
        hidden_omega_0: 1.0,
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: 1,
        out_features: 1,
        samples_per_side: None,
    };
    let field = config.load(shape, named, DType::F64, &Device::Cpu).unwrap();
    let samples = 4096usize;
    let angle = |i: usize| std::f64::consts::TAU * i as f64 / samples as f64;
    let coords = Tensor::from_iter((0..samples).map(angle), &Device::Cpu).unwrap();
    let coords = coords.reshape((samples, 1)).unwrap();
    let values = flat(
        &field
            .evaluate(&coords, &Order::Value)
            .unwrap()
            .value()
            .unwrap(),
    );
    for (k1, k2) in [(0, 1), (1, 0), (3, 0), (2, 1), (-3, 1), (4, 2), (-1, 3)] {
        let frequency = f64::from(k1) * frequencies[0] + f64::from(k2) * frequencies[1];
        let harmonic = |f: fn(f64) -> f64| {
            let parts = values
                .iter()
                .enumerate()
                .map(|(i, y)| y * f(frequency * angle(i)));
            2.0 * parts.sum::<f64>() / samples as f64
        };
        let (measured_sin, measured_cos) = (harmonic(f64::sin), harmonic(f64::cos));
        // The terms of k and −k have the same frequency.
        let alpha = |sign: i32| bessel(sign * k1, weights[0]) * bessel(sign * k2, weights[1]);
        let phase = f64::from(k1) * phases[0] + f64::from(k2) * phases[1];
        let (plus, minus) = (phase + bias, -phase + bias);
        let sin = alpha(1) * plus.cos() - alpha(-1) * minus.cos();
        let cos = alpha(1) * plus.sin() + alpha(-1) * minus.sin();
        assert!(
            (measured_sin - sin).abs() < 1e-9,
            "({k1}, {k2}): {measured_sin} and {sin}"
        );
        assert!(
            (measured_cos - cos).abs() < 1e-9,
            "({k1}, {k2}): {measured_cos} and {cos}"
        );
        let factor = |w: f64, k: i32| {
            (1..=k.abs()).fold(1.0, |product, i| product * w.abs() / 2.0 / f64::from(i))
        };
        let bound = factor(weights[0], k1) * factor(weights[1], k2);
        assert!(alpha(1).abs() <= bound && measured_sin.hypot(measured_cos) <= 2.0 * bound);
    }
}
