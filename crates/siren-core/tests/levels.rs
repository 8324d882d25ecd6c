//! Compares fast paths with their oracles: every SIMD level of this machine in single precision with double precision, which
//! shares neither matrix products nor functions with them; the gradient carried backward with the gradient carried forward;
//! fields evaluated as a batch with fields evaluated one at a time.

#![expect(
    clippy::disallowed_methods,
    reason = "compares gradients of losses that no trainer has"
)]

mod compare;

use candle_core::{DType, Device, Tensor, Var};
use compare::largest_error;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::field::{
    Activation, Encoding, FieldShape, FourierEncoding, Level, Order, RbfEncoding, Siren,
    SirenConfig,
};

/// Largest allowed error of jets, relative to the largest exact value.
const JETS: f64 = 2e-4;
/// Largest allowed error of the gradient with respect to the parameters, relative to its largest exact entry.
const GRADIENT: f64 = 2e-4;

#[derive(Clone, Copy, Debug)]
struct Case {
    activation: Activation,
    width: usize,
    dims: usize,
    channels: usize,
    points: usize,
}

impl Case {
    fn config(&self) -> SirenConfig {
        SirenConfig {
            activation: self.activation,
            hidden_features: self.width.into(),
            hidden_layers: 1,
            first_omega_0: 3.0.into(),
            hidden_omega_0: 3.0,
            ..SirenConfig::default()
        }
    }

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: self.dims,
            out_features: self.channels,
            samples_per_side: None,
        }
    }

    /// Returns coordinates `(points, dims)` in [−1, 1] that single precision represents exactly.
    fn coords(&self) -> Tensor {
        let coords = (0..self.points * self.dims).map(|i| (1.7 * i as f32 + 0.3).sin());
        let coords = Tensor::from_iter(coords, &Device::Cpu).unwrap();
        coords.reshape((self.points, self.dims)).unwrap()
    }

    fn orders(&self) -> [Order; 4] {
        [
            Order::Value,
            Order::Gradient,
            Order::laplacian(self.dims),
            Order::hessian(self.dims),
        ]
    }
}

fn drawn(config: &SirenConfig, shape: FieldShape, dtype: DType) -> Siren {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let field = config.init(shape, &mut rng, DType::F32, &Device::Cpu);
    let tensors = field.unwrap().named_tensors().unwrap();
    let find = |name: &str| {
        let found = tensors.iter().find(|(n, _)| n == name);
        found.map(|(_, tensor)| tensor.clone())
    };
    config.load(shape, find, dtype, &Device::Cpu).unwrap()
}

/// Returns the packed jets of `Siren::jet`, and the gradient of a loss on all their components with respect to the parameters.
fn jets_and_gradient(field: &Siren, coords: &Tensor, order: &Order) -> (Tensor, Tensor) {
    let coords = coords.to_dtype(field.parameters().dtype()).unwrap();
    let packed = field.jet(&coords, order).unwrap().packed().clone();
    let loss = (packed.sqr().unwrap() + &packed).unwrap().sum_all();
    let gradients = loss.unwrap().backward().unwrap();
    (
        packed,
        gradients
            .get(field.parameters().var().unwrap())
            .unwrap()
            .clone(),
    )
}

fn every_level_agrees(case: Case) {
    let exact = drawn(&case.config(), case.shape(), DType::F64);
    let coords = case.coords();
    for order in case.orders() {
        let expected = jets_and_gradient(&exact, &coords, &order);
        for level in Level::available() {
            let field = drawn(&case.config(), case.shape(), DType::F32);
            let field = field.at_level(level).unwrap();
            let got = jets_and_gradient(&field, &coords, &order);
            let jets = largest_error(&got.0, &expected.0);
            let gradient = largest_error(&got.1, &expected.1);
            let what = format!("{level}, {case:?}, {order:?}");
            assert!(jets < JETS, "jets off by {jets:e}: {what}");
            assert!(gradient < GRADIENT, "gradient off by {gradient:e}: {what}");
        }
    }
}

#[test]
fn every_level_agrees_with_double_precision_for_every_activation_order_and_odd_width() {
    for activation in Activation::ALL {
        for width in [1, 3, 17, 250, 257] {
            let (dims, channels, points) = (2, 1, 47);
            every_level_agrees(Case {
                activation,
                width,
                dims,
                channels,
                points,
            });
        }
    }
}

#[test]
fn every_level_agrees_with_double_precision_for_odd_numbers_of_points_axes_and_channels() {
    for points in [1, 47, 4097] {
        for (dims, channels) in [(1, 1), (1, 2), (2, 3), (3, 1), (4, 17)] {
            every_level_agrees(Case {
                activation: Activation::Sine,
                width: 17,
                dims,
                channels,
                points,
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_level_agrees_with_double_precision_on_random_shapes(
        width in 1_usize..300, dims in 1_usize..4, channels in 1_usize..5, points in 1_usize..200,
    ) {
        every_level_agrees(Case { activation: Activation::Sine, width, dims, channels, points });
    }
}

#[test]
fn an_unavailable_level_is_an_error_that_lists_the_available_levels() {
    let case = Case {
        activation: Activation::Sine,
        width: 4,
        dims: 2,
        channels: 1,
        points: 1,
    };
    let absent = [Level::Neon, Level::Avx2, Level::Avx512]
        .into_iter()
        .find(|level| !level.is_available());
    let Some(absent) = absent else { return };
    let field = drawn(&case.config(), case.shape(), DType::F32);
    let error = field.at_level(absent).err().unwrap().to_string();
    assert!(error.contains("scalar"), "{error}");
    assert!(error.contains(&absent.to_string()), "{error}");
}

/// Returns the value, the spatial gradient, and the gradient with respect to the parameters of a loss on these two alone.
fn on_the_gradient(field: &Siren, coords: &Tensor, order: &Order) -> [Tensor; 3] {
    let jet = field.jet(coords, order).unwrap();
    let (value, gradient) = (jet.value().unwrap(), jet.gradient().unwrap());
    let sum = |tensor: &Tensor| tensor.sqr().unwrap().sum_all().unwrap();
    let loss = (sum(&value) + sum(&(&gradient + 0.3).unwrap())).unwrap();
    let gradients = loss.backward().unwrap();
    let in_params = gradients
        .get(field.parameters().var().unwrap())
        .unwrap()
        .clone();
    [value, gradient, in_params]
}

#[test]
fn the_gradient_carried_backward_equals_the_gradient_carried_forward() {
    let encodings = [
        Encoding::Identity,
        Encoding::Fourier(FourierEncoding {
            features: 5,
            scale: 0.5,
        }),
        Encoding::Rbf(RbfEncoding {
            centers: 5,
            sigma: 1.5,
        }),
    ];
    for activation in Activation::ALL {
        for encoding in &encodings {
            for (dims, width, hidden_layers) in [(2, 33, 2), (3, 7, 0), (4, 64, 1)] {
                let case = Case {
                    activation,
                    width,
                    dims,
                    channels: 1,
                    points: 201,
                };
                let config = SirenConfig {
                    encoding: encoding.clone(),
                    hidden_layers,
                    ..case.config()
                };
                let field = drawn(&config, case.shape(), DType::F64);
                let coords = case.coords().to_dtype(DType::F64).unwrap();
                // Derivatives of a jet with a trace are always carried forward.
                let forward = on_the_gradient(&field, &coords, &Order::laplacian(dims));
                let backward = on_the_gradient(&field, &coords, &Order::Gradient);
                for (what, (a, b)) in forward.iter().zip(&backward).enumerate() {
                    let error = largest_error(b, a);
                    assert!(error < 1e-12, "{what} off by {error:e}: {config:?}");
                }
            }
        }
    }
}

#[test]
fn a_batch_of_fields_equals_its_fields_one_at_a_time() {
    // Wide fields keep preactivations between their passes.
    let sizes = [(1, 5000, 19), (3, 47, 19), (5, 1, 19), (2, 0, 19)];
    let wide = [(2, 300, 131), (1, 2500, 131), (2, 0, 131)];
    for (signals, points, width) in sizes.into_iter().chain(wide) {
        let case = Case {
            activation: Activation::Sine,
            width,
            dims: 2,
            channels: 1,
            points: signals * points,
        };
        let field = drawn(&case.config(), case.shape(), DType::F64);
        let coords = case.coords().to_dtype(DType::F64).unwrap();
        let coords = coords.reshape((signals, points, 2)).unwrap();
        let own = field.parameters().flat().unwrap();
        let rows = (0..signals).map(|signal| (&own * (1.0 + 0.1 * signal as f64)).unwrap());
        let rows: Vec<Tensor> = rows.collect();
        let batch = Var::from_tensor(&Tensor::stack(&rows, 0).unwrap()).unwrap();
        for order in case.orders() {
            let jets = field
                .network()
                .batch_jet(batch.as_tensor(), &coords, &order)
                .unwrap();
            assert_eq!(jets.value().unwrap().dims(), [signals, points, 1]);
            let loss = jets.packed().sqr().unwrap().sum_all().unwrap();
            let gradients = loss.backward().unwrap();
            let d_batch = gradients.get(&batch).unwrap();
            for (signal, row) in rows.iter().enumerate().filter(|_| points > 0) {
                field.parameters().set(row).unwrap();
                let coords = coords.get(signal).unwrap();
                let jet = field.jet(&coords, &order).unwrap();
                let loss = jet.packed().sqr().unwrap().sum_all().unwrap();
                let gradients = loss.backward().unwrap();
                let expected = gradients.get(field.parameters().var().unwrap()).unwrap();
                let got = jets.packed().get(signal).unwrap();
                assert!(largest_error(&got, jet.packed()) < 1e-13, "{order:?}");
                let error = largest_error(&d_batch.get(signal).unwrap(), expected);
                assert!(error < 1e-12, "gradient off by {error:e}: {order:?}");
            }
        }
    }
}

#[test]
fn the_fused_square_error_of_a_batch_equals_the_error_computed_from_its_values() {
    for (signals, points, learn_omega) in [(1, 5000, false), (3, 47, false), (3, 47, true)] {
        let case = Case {
            activation: Activation::Sine,
            width: 19,
            dims: 2,
            channels: 3,
            points: signals * points,
        };
        let config = SirenConfig {
            learn_omega,
            ..case.config()
        };
        let field = drawn(&config, case.shape(), DType::F64);
        let coords = case.coords().to_dtype(DType::F64).unwrap();
        let coords = coords.reshape((signals, points, 2)).unwrap();
        let targets = Tensor::cat(&[&coords, &coords.narrow(2, 0, 1).unwrap()], 2).unwrap();
        let own = field.parameters().flat().unwrap();
        let rows = (0..signals).map(|signal| (&own * (1.0 + 0.1 * signal as f64)).unwrap());
        let rows: Vec<Tensor> = rows.collect();
        let batch = Var::from_tensor(&Tensor::stack(&rows, 0).unwrap()).unwrap();
        let fused = field
            .network()
            .batch_square_error(batch.as_tensor(), &coords, &targets)
            .unwrap();
        let jets = field
            .network()
            .batch_jet(batch.as_tensor(), &coords, &Order::Value)
            .unwrap();
        let difference = (jets.value().unwrap() - &targets).unwrap();
        let expected = difference.sqr().unwrap().mean_all().unwrap();
        let expected = [expected, batch.sqr().unwrap().mean_all().unwrap()];
        for (fused, expected) in fused.iter().zip(&expected) {
            assert!(largest_error(fused, expected) < 1e-13);
        }
        for weights in [[1.0, 0.0], [0.3, 2.0]] {
            let fused = field
                .network()
                .batch_square_error(batch.as_tensor(), &coords, &targets)
                .unwrap();
            let [fused, expected] = [&fused, &expected].map(|[error, square]| {
                let sum = (error * weights[0]).unwrap() + (square * weights[1]).unwrap();
                let store = sum.unwrap().backward().unwrap();
                store.get(&batch).unwrap().clone()
            });
            let error = largest_error(&fused, &expected);
            assert!(error < 1e-12, "gradient off by {error:e}");
        }
        let short = targets.narrow(2, 0, 2).unwrap();
        let error = field
            .network()
            .batch_square_error(batch.as_tensor(), &coords, &short)
            .err()
            .unwrap();
        assert!(error.to_string().contains("targets of a batch"), "{error}");
    }
}

#[test]
fn the_gradient_of_a_batch_has_the_same_bits_for_any_number_of_threads() {
    let case = Case {
        activation: Activation::Sine,
        width: 64,
        dims: 2,
        channels: 3,
        points: 2 * 5000,
    };
    let field = drawn(&case.config(), case.shape(), DType::F32);
    let coords = case.coords().reshape((2, 5000, 2)).unwrap();
    let own = field.parameters().flat().unwrap();
    let batch = Var::from_tensor(&Tensor::stack(&[&own, &own], 0).unwrap()).unwrap();
    let gradient = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let jets = field
                .network()
                .batch_jet(batch.as_tensor(), &coords, &Order::Value);
            let loss = jets.unwrap().packed().sqr().unwrap().sum_all().unwrap();
            let gradients = loss.backward().unwrap();
            gradients.get(&batch).unwrap().to_vec2::<f32>().unwrap()
        })
    };
    assert_eq!(gradient(1), gradient(3));
}

#[test]
fn a_batch_of_parameters_of_the_wrong_shape_is_an_error_that_shows_the_shape_of_the_coordinates() {
    let case = Case {
        activation: Activation::Sine,
        width: 4,
        dims: 2,
        channels: 1,
        points: 6,
    };
    let field = drawn(&case.config(), case.shape(), DType::F32);
    let coords = case.coords().reshape((2, 3, 2)).unwrap();
    let params = Tensor::zeros(
        (3, field.parameters().layout().len()),
        DType::F32,
        &Device::Cpu,
    )
    .unwrap();
    let error = field
        .network()
        .batch_jet(&params, &coords, &Order::Value)
        .err()
        .unwrap();
    assert!(error.to_string().contains("[2, 3, 2]"), "{error}");
}
