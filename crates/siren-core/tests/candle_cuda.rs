//! Compares fields whose tensors are on a CUDA device of candle with the fused operation on the CPU in `f64`. The tests are ignored without the
//! feature `candle-cuda`, and need a device with it: `cargo test --release -p siren-core --features candle-cuda --test candle_cuda`.
//!
//! Those of the module `engine` run without a card too, under the stand-in for the driver: see `cargo run -p siren-ptx --example driver_folder`.
//! The others are too large for it, or use cuBLAS.

mod compare;

use candle_core::{DType, Device, Tensor, Var};
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
fn jet_and_gradient(params: &Var, jet: &Jet) -> [Tensor; 2] {
    let packed = jet.packed().clone();
    let loss = (packed.sqr().unwrap() + &packed).unwrap();
    let gradients = loss.mean_all().unwrap().backward().unwrap();
    let gradient = gradients.get(params).unwrap().clone();
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
        let expected = jet_and_gradient(
            exact.parameters().var().unwrap(),
            &exact.jet(&here, &order).unwrap(),
        );
        let got = jet_and_gradient(
            field.parameters().var().unwrap(),
            &field.jet(&there, &order).unwrap(),
        );
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
                hidden_features: 17.into(),
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
            hidden_features: hidden_features.into(),
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
        hidden_features: 1024.into(),
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

/// Returns the gradient of a mean squared error over `points` points, and the parameters after some training steps.
fn trained(field: Siren, points: usize, steps: usize) -> [Tensor; 2] {
    let device = field.parameters().device().clone();
    let coords = spread(points).to_device(&device).unwrap();
    let targets = (0..points * 3).map(|i| (0.01 * f64::from(i as u32)).cos() as f32);
    let targets = Tensor::from_iter(targets, &device).unwrap();
    let sample = Sample::with_targets(coords, targets.reshape((points, 3)).unwrap());
    let sampler = WholeSampler::new(sample.unwrap());
    let constraints = [Constraint::new("points", sampler, ValueMse)];
    let mut trainer = Trainer::new(field, &TrainConfig::default()).unwrap();
    let gradient = trainer.loss_and_gradient(&constraints).unwrap().gradient;
    let gradient = gradient.tensor().unwrap();
    for _ in 0..steps {
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
        hidden_features: 1024.into(),
        hidden_layers: 1,
        ..SirenConfig::default()
    };
    let there = || twins(&config, DType::F32, &device).1;
    let points = 4 * there().network().chunk_points(&Order::Value) - 5;
    let here = twins(&config, DType::F32, &Device::Cpu).1;
    let expected = trained(here, points, 5);
    let first = trained(there(), points, 5);
    for (got, expected) in first.iter().zip(&expected) {
        let error = largest_error(got, expected);
        println!("{points} points: {error:.1e}");
        assert!(error < 1e-3, "{error:e}");
    }
    for _ in 0..10 {
        let again = trained(there(), points, 5);
        for (got, expected) in again.iter().zip(&first) {
            let [got, expected] = [got, expected].map(|tensor| tensor.to_vec1::<f32>().unwrap());
            assert_eq!(got, expected);
        }
    }
}

/// Networks of `f32` by the kernels of `siren-cuda` (feature `cuda`).
mod engine {
    use super::*;

    const POINTS: usize = 43;

    fn config() -> SirenConfig {
        SirenConfig {
            first_omega_0: 3.0.into(),
            hidden_omega_0: 3.0,
            hidden_features: 24.into(),
            hidden_layers: 1,
            ..SirenConfig::default()
        }
    }

    #[test]
    #[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
    fn jets_and_gradients_of_every_encoding_agree_with_the_cpu() {
        let device = Device::new_cuda(0).expect("a CUDA device");
        for encoding in encodings() {
            let config = SirenConfig {
                encoding,
                ..config()
            };
            let [jet, gradient] = errors(&config, POINTS, DType::F32, &device);
            println!("f32 {:?}: {jet:.1e} {gradient:.1e}", config.encoding);
            assert!(
                jet < 1e-5 && gradient < 1e-5,
                "{config:?}: {jet:e} {gradient:e}"
            );
        }
    }

    #[test]
    #[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
    fn learned_frequencies_have_a_gradient_too() {
        let device = Device::new_cuda(0).expect("a CUDA device");
        let config = SirenConfig {
            learn_omega: true,
            ..config()
        };
        let [jet, gradient] = errors(&config, POINTS, DType::F32, &device);
        assert!(jet < 1e-5 && gradient < 1e-5, "{jet:e} {gradient:e}");
    }

    #[test]
    #[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
    fn three_steps_of_adam_agree_with_the_cpu() {
        let device = Device::new_cuda(0).expect("a CUDA device");
        let (_, there) = twins(&config(), DType::F32, &device);
        let (_, here) = twins(&config(), DType::F32, &Device::Cpu);
        let before = here.parameters().flat().unwrap();
        let got = trained(there, POINTS, 3);
        let expected = trained(here, POINTS, 3);
        assert!(largest_error(&expected[1], &before) > 1e-4);
        for (got, expected) in got.iter().zip(&expected) {
            let error = largest_error(got, expected);
            println!("three steps: {error:.1e}");
            assert!(error < 1e-5, "{error:e}");
        }
    }

    #[test]
    #[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
    fn a_batch_of_fields_agrees_with_the_cpu() {
        let device = Device::new_cuda(0).expect("a CUDA device");
        let (_, there) = twins(&config(), DType::F32, &device);
        let (_, here) = twins(&config(), DType::F32, &Device::Cpu);
        let parameters = here.parameters().len();
        let params = (spread(3 * parameters / 2 + 1) * 0.2).unwrap();
        let params = params.flatten_all().unwrap().narrow(0, 0, 3 * parameters);
        let params = params.unwrap().reshape((3, parameters)).unwrap();
        let coords = spread(3 * POINTS).reshape((3, POINTS, 2)).unwrap();
        let [got, expected] = [&there, &here].map(|field| {
            let to = |tensor: &Tensor| tensor.to_device(field.parameters().device()).unwrap();
            let params = Var::from_tensor(&to(&params)).unwrap();
            let network = field.network();
            let jet = network.batch_jet(&params, &to(&coords), &Order::Gradient);
            jet_and_gradient(&params, &jet.unwrap())
        });
        for (got, expected) in got.iter().zip(&expected) {
            let error = largest_error(&got.to_device(&Device::Cpu).unwrap(), expected);
            assert!(error < 1e-5, "{error:e}");
        }
    }

    #[test]
    #[cfg_attr(not(feature = "candle-cuda"), ignore = "needs a CUDA device")]
    fn no_points_have_no_jets() {
        let device = Device::new_cuda(0).expect("a CUDA device");
        let (_, field) = twins(&config(), DType::F32, &device);
        let none = spread(1).narrow(0, 0, 0).unwrap().to_device(&device);
        let jet = field.jet(&none.unwrap(), &Order::Gradient).unwrap();
        assert_eq!(jet.packed().dims(), [0, 3, 3]);
    }
}
