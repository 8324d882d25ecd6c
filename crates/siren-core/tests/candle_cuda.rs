//! Compares fields whose tensors are on a CUDA device of candle with the fused operation on the CPU in `f64`. The tests are ignored without the
//! feature `candle-cuda`, and need a device with it: `cargo test --release -p siren-core --features candle-cuda --test candle_cuda`.

mod compare;

use candle_core::{DType, Device, Tensor};
use compare::largest_error;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::field::{
    Activation, Encoding, FieldShape, FourierEncoding, Jet, NerfEncoding, Order, RbfEncoding,
    Siren, SirenConfig,
};
use siren_core::objective::{Constraint, ValueMse};
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};

const SHAPE: FieldShape = FieldShape {
    in_features: 2,
    out_features: 3,
    samples_per_side: None,
};

fn encodings() -> [Encoding; 4] {
    let (frequencies, features, scale) = (Some(2), 5, 0.5);
    let (centers, sigma) = (7, 1.5);
    [
        Encoding::Identity,
        Encoding::Nerf(NerfEncoding { frequencies }),
        Encoding::Fourier(FourierEncoding { features, scale }),
        Encoding::Rbf(RbfEncoding { centers, sigma }),
    ]
}

/// Returns the same network on the CPU in `f64` and on the device in `dtype`.
fn twins(config: &SirenConfig, dtype: DType, device: &Device) -> (Siren, Siren) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let drawn = config
        .init(SHAPE, &mut rng, DType::F32, &Device::Cpu)
        .unwrap();
    let named = drawn.named_tensors().unwrap();
    let find = |name: &str| {
        let found = named.iter().find(|(known, _)| known == name);
        found.map(|(_, tensor)| tensor.clone())
    };
    (
        config.load(SHAPE, find, DType::F64, &Device::Cpu).unwrap(),
        config.load(SHAPE, find, dtype, device).unwrap(),
    )
}

/// Returns coordinates `(points, 2)` in [−1, 1], on the CPU.
fn spread(points: usize) -> Tensor {
    let coords = (0..points * 2).map(|i| (1.7 * f64::from(i as u32) + 0.3).sin() as f32);
    let coords = Tensor::from_iter(coords, &Device::Cpu).unwrap();
    coords.reshape((points, 2)).unwrap()
}

/// Returns the packed jet, and the gradient of a smooth loss on all its components with respect to the parameters.
#[expect(
    clippy::disallowed_methods,
    reason = "the gradient of a loss that no trainer has"
)]
fn jet_and_gradient(field: &Siren, jet: &Jet) -> [Tensor; 2] {
    let packed = jet.packed().clone();
    let loss = (packed.sqr().unwrap() + &packed).unwrap();
    let gradients = loss.mean_all().unwrap().backward().unwrap();
    let gradient = gradients
        .get(field.parameters().var().unwrap())
        .unwrap()
        .clone();
    [packed, gradient]
}

/// Returns the largest relative errors of the jet and of the gradient over all orders of derivatives.
fn errors(config: &SirenConfig, points: usize, dtype: DType, device: &Device) -> [f64; 2] {
    let (exact, field) = twins(config, dtype, device);
    let coords = spread(points);
    let there = coords.to_dtype(dtype).unwrap().to_device(device).unwrap();
    let here = coords.to_dtype(DType::F64).unwrap();
    let mut worst = [0.0_f64; 2];
    for order in [
        Order::Value,
        Order::Gradient,
        Order::laplacian(2),
        Order::hessian(2),
    ] {
        let expected = jet_and_gradient(&exact, &exact.jet(&here, &order).unwrap());
        let got = jet_and_gradient(&field, &field.jet(&there, &order).unwrap());
        for (worst, (got, expected)) in worst.iter_mut().zip(got.iter().zip(&expected)) {
            let got = got.to_device(&Device::Cpu).unwrap();
            *worst = worst.max(largest_error(&got, expected));
        }
    }
    worst
}

#[test]
#[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
fn every_activation_and_encoding_agrees_with_the_cpu_at_every_order() {
    let device = Device::new_cuda(0).expect("a CUDA device");
    for activation in Activation::ALL {
        for encoding in encodings() {
            let config = SirenConfig {
                activation,
                encoding,
                first_omega_0: 3.0.into(),
                hidden_omega_0: 3.0,
                hidden_features: 17,
                hidden_layers: 2,
                ..SirenConfig::default()
            };
            let [jet, gradient] = errors(&config, 67, DType::F64, &device);
            println!(
                "f64 {activation:?} {:?}: {jet:.1e} {gradient:.1e}",
                config.encoding
            );
            assert!(
                jet < 1e-11 && gradient < 1e-11,
                "{config:?}: {jet:e} {gradient:e}"
            );
        }
    }
}

#[test]
#[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
fn single_precision_agrees_with_the_cpu_at_the_papers_width() {
    let device = Device::new_cuda(0).expect("a CUDA device");
    for (hidden_features, learn_omega) in [(64, false), (256, false), (256, true)] {
        let config = SirenConfig {
            hidden_features,
            learn_omega,
            ..SirenConfig::default()
        };
        let [jet, gradient] = errors(&config, 2000, DType::F32, &device);
        println!("f32 width {hidden_features}: {jet:.1e} {gradient:.1e}");
        assert!(
            jet < 1e-4 && gradient < 1e-4,
            "{config:?}: {jet:e} {gradient:e}"
        );
    }
}

#[test]
#[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
fn evaluation_in_several_chunks_agrees_with_the_cpu() {
    let device = Device::new_cuda(0).expect("a CUDA device");
    let config = SirenConfig {
        hidden_features: 1024,
        hidden_layers: 1,
        ..SirenConfig::default()
    };
    let (exact, field) = twins(&config, DType::F32, &device);
    let points = 2 * field.network().chunk_points(&Order::Value) + 5;
    let coords = spread(points);
    let there = coords.to_device(&device).unwrap();
    let got = field.evaluate(&there, &Order::Value).unwrap();
    let here = coords.to_dtype(DType::F64).unwrap();
    let expected = exact.evaluate(&here, &Order::Value).unwrap();
    let got = got.packed().to_device(&Device::Cpu).unwrap();
    let error = largest_error(&got, expected.packed());
    assert!(error < 1e-5, "{error:e}");
}

/// Returns the gradient of a mean squared error over `points` points, and the parameters after five training steps.
fn trained(field: Siren, points: usize) -> [Tensor; 2] {
    let device = field.parameters().device().clone();
    let coords = spread(points).to_device(&device).unwrap();
    let targets = (0..points * 3).map(|i| (0.01 * f64::from(i as u32)).cos() as f32);
    let targets = Tensor::from_iter(targets, &device).unwrap();
    let sample = Sample::with_targets(coords, targets.reshape((points, 3)).unwrap());
    let sampler = WholeSampler::new(sample.unwrap());
    let constraints = [Constraint::new("points", sampler, ValueMse)];
    let mut trainer = Trainer::new(field, &TrainConfig::default()).unwrap();
    let gradient = trainer
        .loss_and_gradient(&constraints)
        .unwrap()
        .gradient
        .tensor()
        .unwrap();
    for _ in 0..5 {
        trainer.step(&constraints).unwrap();
    }
    let parameters = trainer.model().parameters().flat().unwrap();
    [gradient, parameters].map(|tensor| tensor.to_device(&Device::Cpu).unwrap())
}

#[test]
#[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
fn steps_of_several_chunks_agree_with_the_cpu_and_give_the_same_bits_every_time() {
    let device = Device::new_cuda(0).expect("a CUDA device");
    let config = SirenConfig {
        hidden_features: 1024,
        hidden_layers: 1,
        ..SirenConfig::default()
    };
    let there = || twins(&config, DType::F32, &device).1;
    let points = 4 * there().network().chunk_points(&Order::Value) - 5;
    let here = twins(&config, DType::F32, &Device::Cpu).1;
    let expected = trained(here, points);
    let first = trained(there(), points);
    for (got, expected) in first.iter().zip(&expected) {
        let error = largest_error(got, expected);
        println!("{points} points: {error:.1e}");
        assert!(error < 1e-3, "{error:e}");
    }
    for _ in 0..10 {
        let again = trained(there(), points);
        for (got, expected) in again.iter().zip(&first) {
            let [got, expected] = [got, expected].map(|tensor| tensor.to_vec1::<f32>().unwrap());
            assert_eq!(got, expected);
        }
    }
}
