//! Compares the fused operation with its oracle: the same network in candle's own operations, with automatic differentiation.

#![expect(
    clippy::disallowed_methods,
    reason = "compares gradients of losses that no trainer has"
)]

mod compare;

use candle_core::{DType, Device, Tensor};
use compare::largest_error;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::field::{
    Activation, Encoding, FieldShape, FourierEncoding, Gradients, Jet, NerfEncoding, Order,
    RbfEncoding, Siren, SirenConfig, Trace,
};

fn encodings() -> [Encoding; 4] {
    [
        Encoding::Identity,
        Encoding::Nerf(NerfEncoding {
            frequencies: Some(2),
        }),
        Encoding::Fourier(FourierEncoding {
            features: 3,
            scale: 0.5,
        }),
        Encoding::Rbf(RbfEncoding {
            centers: 5,
            sigma: 1.5,
        }),
    ]
}

/// Returns every order for `dims` coordinates, including a trace of a matrix with off-diagonal entries.
fn orders(dims: usize) -> Vec<Order> {
    let skewed: Vec<f64> = (0..dims * dims)
        .map(|at| if at / dims == at % dims { 0.5 } else { -0.7 })
        .collect();
    let odd = Order::Traces([Trace::new(dims, &skewed).unwrap()].into());
    vec![
        Order::Value,
        Order::Gradient,
        Order::laplacian(dims),
        Order::hessian(dims),
        odd,
    ]
}

fn drawn(config: &SirenConfig, (dims, channels): (usize, usize), seed: u64) -> Siren {
    let shape = FieldShape {
        in_features: dims,
        out_features: channels,
        samples_per_side: None,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    config
        .init(shape, &mut rng, DType::F64, &Device::Cpu)
        .unwrap()
}

fn points(n: usize, dims: usize) -> Tensor {
    let coords = (0..n * dims).map(|i| (1.7 * i as f64 + 0.3).sin());
    Tensor::from_iter(coords, &Device::Cpu)
        .unwrap()
        .reshape((n, dims))
        .unwrap()
}

/// Returns the packed jet, and the gradient of a smooth loss on all its components with respect to the parameters.
fn jets_and_gradient(field: &Siren, jet: &Jet) -> (Tensor, Tensor) {
    let packed = jet.packed().clone();
    let loss = (packed.sqr().unwrap() + &packed)
        .unwrap()
        .sum_all()
        .unwrap();
    let gradients = loss.backward().unwrap();
    (
        packed,
        gradients
            .get(field.parameters().var().unwrap())
            .unwrap()
            .clone(),
    )
}

/// Returns the same network in single precision.
fn single(config: &SirenConfig, field: &Siren) -> Siren {
    let named = field.named_tensors().unwrap();
    let find = |name: &str| {
        let found = named.iter().find(|(n, _)| n == name);
        found.map(|(_, tensor)| tensor.clone())
    };
    let shape = FieldShape {
        in_features: field.in_features(),
        out_features: field.out_features(),
        samples_per_side: None,
    };
    config.load(shape, find, DType::F32, &Device::Cpu).unwrap()
}

/// Compares single with double precision, which uses another path through the kernel (no packed panels, the sine of the standard
/// library). Rounding can move a point to the other side of a kink of an activation, so only smooth activations are compared.
fn single_precision_agrees(config: &SirenConfig, field: &Siren, coords: &Tensor) {
    let smooth = [
        Activation::Sine,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
    ];
    if !smooth.contains(&config.activation) {
        return;
    }
    let single = single(config, field);
    let rough = coords.to_dtype(DType::F32).unwrap();
    let exact = rough.to_dtype(DType::F64).unwrap();
    for order in orders(field.in_features()) {
        let got = jets_and_gradient(&single, &single.jet(&rough, &order).unwrap());
        let expected = jets_and_gradient(field, &field.jet(&exact, &order).unwrap());
        let jets = largest_error(&got.0, &expected.0);
        let gradient = largest_error(&got.1, &expected.1);
        assert!(jets < 2e-4, "jets off by {jets:e}: {config:?}, {order:?}");
        assert!(
            gradient < 2e-4,
            "gradient off by {gradient:e}: {config:?}, {order:?}"
        );
    }
}

fn both_agree(config: &SirenConfig, (dims, channels): (usize, usize), n: usize, seed: u64) {
    let field = drawn(config, (dims, channels), seed);
    let coords = points(n, dims);
    for order in orders(dims) {
        let fused = jets_and_gradient(&field, &field.jet(&coords, &order).unwrap());
        let oracle = field.snapshot().unwrap().composed();
        let composed = jets_and_gradient(&oracle, &oracle.jet(&coords, &order).unwrap());
        let case = || format!("{config:?}, {dims} → {channels}, n = {n}, {order:?}");
        let jets = largest_error(&fused.0, &composed.0);
        assert!(jets < 1e-11, "jets off by {jets:e}: {}", case());
        let gradient = largest_error(&fused.1, &composed.1);
        assert!(gradient < 1e-11, "gradient off by {gradient:e}: {}", case());
    }
    single_precision_agrees(config, &field, &coords);
}

#[test]
fn every_activation_and_encoding_agrees_with_candle_at_every_order() {
    for activation in Activation::ALL {
        for encoding in encodings() {
            let config = SirenConfig {
                activation,
                encoding,
                first_omega_0: 3.0.into(),
                hidden_omega_0: 3.0,
                hidden_features: 9.into(),
                hidden_layers: 2,
                ..SirenConfig::default()
            };
            both_agree(&config, (2, 2), 11, 5);
        }
    }
}

/// The features fill whole vectors of every SIMD level and leave a remainder.
#[test]
fn wide_encodings_agree_with_candle() {
    let fourier = FourierEncoding {
        features: 37,
        scale: 0.5,
    };
    let rbf = RbfEncoding {
        centers: 53,
        sigma: 0.7,
    };
    let nerf = NerfEncoding {
        frequencies: Some(4),
    };
    for encoding in [
        Encoding::Fourier(fourier),
        Encoding::Rbf(rbf),
        Encoding::Nerf(nerf),
    ] {
        let config = SirenConfig {
            encoding,
            first_omega_0: 0.5.into(),
            hidden_omega_0: 2.0,
            hidden_features: 20.into(),
            hidden_layers: 1,
            ..SirenConfig::default()
        };
        both_agree(&config, (3, 2), 70, 5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn odd_shapes_agree_with_candle(
        (width, layers) in (1usize..40, 0usize..4),
        (dims, channels) in (1usize..4, 1usize..4),
        n in 1usize..500,
        kind in 0usize..28,
        seed in 0u64..1000,
    ) {
        let config = SirenConfig {
            activation: Activation::ALL[kind % Activation::ALL.len()],
            encoding: encodings()[kind / 7].clone(),
            first_omega_0: 2.0.into(),
            hidden_omega_0: 2.0,
            hidden_features: width.into(),
            hidden_layers: layers,
            ..SirenConfig::default()
        };
        both_agree(&config, (dims, channels), n, seed);
    }
}

/// Returns a network whose learned frequencies differ from their initial values.
fn with_learned_frequencies(activation: Activation) -> (SirenConfig, Siren) {
    let config = SirenConfig {
        activation,
        learn_omega: true,
        first_omega_0: 3.0.into(),
        hidden_omega_0: 3.0,
        hidden_features: 9.into(),
        hidden_layers: 2,
        ..SirenConfig::default()
    };
    let named = drawn(&config, (2, 2), 5).named_tensors().unwrap();
    let find = |name: &str| {
        let (_, tensor) = named.iter().find(|(n, _)| n == name)?;
        if name.ends_with(".frequency") {
            let moved = 0.7 + 0.2 * f64::from(name.as_bytes()[8] - b'0');
            return Some((tensor * moved).unwrap());
        }
        Some(tensor.clone())
    };
    let shape = FieldShape {
        in_features: 2,
        out_features: 2,
        samples_per_side: None,
    };
    let field = config.load(shape, find, DType::F64, &Device::Cpu).unwrap();
    (config, field)
}

#[test]
fn learned_frequencies_agree_with_candle_for_jets_accumulated_gradients_and_batches() {
    for activation in [Activation::Sine, Activation::Sinc] {
        let (_, field) = with_learned_frequencies(activation);
        let names = field
            .parameters()
            .layout()
            .entries()
            .iter()
            .map(|entry| &entry.name);
        assert_eq!(names.filter(|n| n.ends_with(".1.frequency")).count(), 3);
        let coords = points(11, 2);
        for order in orders(2) {
            let oracle = field.snapshot().unwrap().composed();
            let composed = jets_and_gradient(&oracle, &oracle.jet(&coords, &order).unwrap());
            let fused = jets_and_gradient(&field, &field.jet(&coords, &order).unwrap());
            assert!(largest_error(&fused.0, &composed.0) < 1e-11, "{order:?}");
            assert!(largest_error(&fused.1, &composed.1) < 1e-11, "{order:?}");

            let prepared = field.prepare(Gradients::Tracked).unwrap();
            let mut sum = prepared.accumulator().unwrap();
            let jet = sum.jet(&coords, &order).unwrap();
            let loss = (jet.packed().sqr().unwrap() + jet.packed()).unwrap();
            let gradients = loss.sum_all().unwrap().backward().unwrap();
            sum.collect(&gradients).unwrap();
            assert!(largest_error(&sum.finish().unwrap().tensor().unwrap(), &composed.1) < 1e-11);

            let batch = field.parameters().var().unwrap().unsqueeze(0).unwrap();
            let jet = field
                .network()
                .batch_jet(&batch, &coords.unsqueeze(0).unwrap(), &order);
            let batched = jets_and_gradient(&field, &jet.unwrap());
            assert!(largest_error(&batched.0.squeeze(0).unwrap(), &composed.0) < 1e-11);
            assert!(largest_error(&batched.1, &composed.1) < 1e-11, "{order:?}");
        }
    }
}

#[test]
fn a_network_with_learned_frequencies_starts_equal_to_one_without_them() {
    let plain = SirenConfig::default();
    let learned = SirenConfig {
        learn_omega: true,
        ..plain.clone()
    };
    let coords = points(20, 2);
    let value = |config: &SirenConfig| {
        let field = drawn(config, (2, 1), 3);
        let jet = field.evaluate(&coords, &Order::Value).unwrap();
        jet.packed().clone()
    };
    assert!(largest_error(&value(&learned), &value(&plain)) <= 0.0);
}

#[test]
fn single_precision_agrees_with_double_on_the_papers_network() {
    let field = drawn(&SirenConfig::default(), (2, 1), 1);
    let single = single(&SirenConfig::default(), &field);
    let coords = points(1000, 2);
    let rough = coords.to_dtype(DType::F32).unwrap();
    let exact_at_rough = rough.to_dtype(DType::F64).unwrap();
    for (order, bound) in [
        (Order::Value, 1e-5),
        (Order::Gradient, 1e-4),
        (Order::laplacian(2), 1e-4),
    ] {
        let got = single.evaluate(&rough, &order).unwrap();
        let expected = field.evaluate(&exact_at_rough, &order).unwrap();
        let error = largest_error(got.packed(), expected.packed());
        assert!(error < bound, "{order:?}: {error:e}");
    }
}

#[test]
fn evaluating_builds_no_graph_and_equals_the_differentiable_jet() {
    let field = drawn(&SirenConfig::default(), (2, 1), 1);
    let coords = points(9000, 2);
    let evaluated = field.evaluate(&coords, &Order::Gradient).unwrap();
    let jet = field.jet(&coords, &Order::Gradient).unwrap();
    assert!(largest_error(evaluated.packed(), jet.packed()) <= 0.0);
    let loss = evaluated.packed().sum_all().unwrap();
    assert!(
        loss.backward()
            .unwrap()
            .get(field.parameters().var().unwrap())
            .is_none()
    );
}

#[test]
fn a_second_backward_pass_over_one_graph_gives_the_same_gradient() {
    let field = drawn(&SirenConfig::default(), (2, 1), 1);
    let loss = field
        .jet(&points(50, 2), &Order::Value)
        .unwrap()
        .value()
        .unwrap()
        .sqr()
        .unwrap();
    let loss = loss.sum_all().unwrap();
    let gradient = || {
        loss.backward()
            .unwrap()
            .get(field.parameters().var().unwrap())
            .unwrap()
            .clone()
    };
    assert!(largest_error(&gradient(), &gradient()) <= 0.0);
}

#[test]
fn shape_mismatches_are_errors_that_show_both_shapes() {
    let field = drawn(&SirenConfig::default(), (2, 1), 1);
    let message =
        |coords: &Tensor, order: &Order| field.jet(coords, order).unwrap_err().to_string();
    let wrong = message(&points(4, 3), &Order::Value);
    assert!(
        wrong.contains("(n, 2)") && wrong.contains("[4, 3]"),
        "{wrong}"
    );
    let wrong = message(&points(4, 2), &Order::laplacian(3));
    assert!(
        wrong.contains("2 × 2") && wrong.contains("3 × 3"),
        "{wrong}"
    );
    assert!(
        field
            .jet(&points(4, 2), &Order::Value)
            .unwrap()
            .gradient()
            .is_err()
    );
    assert!(
        Trace::new(2, &[1.0, 2.0, 3.0, 4.0]).is_err(),
        "an asymmetric matrix"
    );
}
