//! Mosaics: their derivatives, their smoothness across borders, their training.

mod rest;
mod training;

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::field::{
    Activation, FieldShape, MosaicConfig, Order, Siren, SirenConfig, Trace, Width, differentiate,
};

/// Returns the config of a mosaic of small tiles.
fn config(sides: &[usize], extents: &[f64]) -> SirenConfig {
    SirenConfig {
        hidden_features: 9.into(),
        hidden_layers: 1,
        first_omega_0: 3.0.into(),
        hidden_omega_0: 3.0,
        mosaic: Some(MosaicConfig {
            tile: vec![6],
            parameters: None,
            overlap: 2.5,
            sides: sides.to_vec(),
            extents: extents.to_vec(),
        }),
        ..SirenConfig::default()
    }
}

fn field(config: &SirenConfig, channels: usize, dtype: DType) -> Siren {
    let dims = config.mosaic.as_ref().unwrap().sides.len();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let shape = FieldShape::new(dims, channels);
    config.init(shape, &mut rng, dtype, &Device::Cpu).unwrap()
}

fn tensor(points: &[f64], dims: usize, dtype: DType) -> Tensor {
    let coords = Tensor::from_slice(points, (points.len() / dims, dims), &Device::Cpu);
    coords.unwrap().to_dtype(dtype).unwrap()
}

/// Returns points in the domain, many of them in overlaps.
fn points(count: usize, extents: &[f64]) -> Vec<f64> {
    let point = |i: usize| {
        let coordinate = move |(axis, extent): (usize, &f64)| {
            extent * (0.61 * (axis + 1) as f64 * (i + 3) as f64).sin()
        };
        extents
            .iter()
            .enumerate()
            .map(coordinate)
            .collect::<Vec<f64>>()
    };
    (0..count).flat_map(point).collect()
}

fn elements(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    flat.to_vec1().unwrap()
}

/// Returns the Hessian's upper triangle after value and gradient: all second derivatives.
fn jet(field: &Siren, point: &[f64]) -> Vec<f64> {
    let dims = point.len();
    let jet = field.evaluate(&tensor(point, dims, DType::F64), &Order::hessian(dims));
    elements(jet.unwrap().packed())
}

/// Returns the largest difference of the derivatives in jets along `axis` from central differences with the step `h`.
fn largest_error(field: &Siren, point: &[f64], axis: usize, h: f64) -> f64 {
    let dims = point.len();
    let at = |by: f64| {
        let mut moved = point.to_vec();
        moved[axis] += by;
        jet(field, &moved)
    };
    let (here, above, below) = (at(0.0), at(h), at(-h));
    let difference = |component: usize| (above[component] - below[component]) / (2.0 * h);
    let mut worst = (here[1 + axis] - difference(0)).abs();
    let mut entry = 1 + dims;
    for i in 0..dims {
        for j in i..dims {
            if i == axis {
                worst = worst.max((here[entry] - difference(1 + j)).abs());
            }
            entry += 1;
        }
    }
    worst
}

#[test]
fn derivatives_agree_with_central_differences_whose_error_falls_as_the_square_of_the_step() {
    for (sides, extents) in [
        (&[40][..], &[1.0][..]),
        (&[14, 20], &[0.7, 1.0]),
        (&[9, 12, 13], &[1.0, 1.0, 1.0]),
    ] {
        let field = field(&config(sides, extents), 1, DType::F64);
        let errors = |h: f64| {
            let points = points(40, extents);
            let points = points.chunks(sides.len());
            let of_point = |point: &[f64]| {
                let axes = 0..point.len();
                axes.map(|axis| largest_error(&field, point, axis, h))
                    .fold(0.0, f64::max)
            };
            points.map(of_point).sum::<f64>()
        };
        let (coarse, fine) = (errors(2e-4), errors(1e-4));
        let ratio = coarse / fine;
        assert!((3.4..4.6).contains(&ratio), "{sides:?}: {coarse} {fine}");
    }
}

#[test]
fn value_gradient_and_laplacian_have_no_jump_at_the_ends_and_in_the_middle_of_an_overlap() {
    let field = field(&config(&[30], &[1.0]), 1, DType::F64);
    let spacing = 2.0 / 29.0;
    let length = (2.0 + spacing) / 5.0;
    for border in 1..5 {
        let middle = -1.0 - 0.5 * spacing + f64::from(border) * length;
        for place in [-1.25 * spacing, 0.0, 1.25 * spacing] {
            let step = |h: f64| {
                let (above, below) = (
                    jet(&field, &[middle + place + h]),
                    jet(&field, &[middle + place - h]),
                );
                let differences = above.iter().zip(&below).map(|(a, b)| (a - b).abs());
                differences.collect::<Vec<f64>>()
            };
            for (order, (coarse, fine)) in step(1e-6).into_iter().zip(step(1e-8)).enumerate() {
                assert!(
                    fine < 0.05 * coarse + 1e-9,
                    "order {order}: {coarse} {fine}"
                );
            }
        }
    }
}

/// Returns the field that the network of one tile is in the tile's own coordinates.
fn tile_of(field: &Siren, config: &SirenConfig, tile: usize) -> Siren {
    let single = SirenConfig {
        mosaic: None,
        ..config.clone()
    };
    let tensors = field.named_tensors().unwrap();
    let find = |name: &str| {
        let (_, all) = tensors.iter().find(|(found, _)| found == name)?;
        all.get(tile).ok()
    };
    let shape = FieldShape::new(field.in_features(), field.out_features());
    single.load(shape, find, DType::F64, &Device::Cpu).unwrap()
}

#[test]
fn away_from_overlaps_a_mosaic_is_the_network_of_a_tile_in_its_own_coordinates() {
    let config = config(&[12, 18], &[0.6, 1.0]);
    let field = field(&config, 2, DType::F64);
    let (rows, columns) = (12.0, 18.0);
    // The middle of tile (1, 2) of 2 × 3, a little off.
    let [spacing_y, spacing_x] = [1.2 / 11.0, 2.0 / 17.0];
    let center = [
        -0.6 - 0.5 * spacing_y + 0.75 * rows * spacing_y,
        -1.0 - 0.5 * spacing_x + (5.0 / 6.0) * columns * spacing_x,
    ];
    let scales = [2.0 / (8.5 * spacing_y), 2.0 / (8.5 * spacing_x)];
    let offset = [0.9 * spacing_y, -1.1 * spacing_x];
    let found = jet(&field, &[center[0] + offset[0], center[1] + offset[1]]);
    let local = [offset[0] * scales[0], offset[1] * scales[1]];
    let expected = jet(&tile_of(&field, &config, 5), &local);
    let factors = [
        1.0,
        scales[0],
        scales[1],
        scales[0] * scales[0],
        scales[0] * scales[1],
        scales[1] * scales[1],
    ];
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let expected = expected * factors[index % 6];
        let error = (found - expected).abs();
        assert!(
            error < 1e-11 * (1.0 + expected.abs()),
            "{index}: {found} {expected}"
        );
    }
}

/// Returns a loss of all components of jets, weighted differently.
fn loss(field: &Siren, coords: &Tensor, order: &Order) -> Tensor {
    let jet = field.jet(coords, order).unwrap();
    let packed = jet.packed().flatten_all().unwrap();
    let weights = (0..packed.elem_count()).map(|i| 0.5 + (i % 7) as f64);
    let weights = Tensor::from_iter(weights, &Device::Cpu).unwrap();
    let weights = weights.to_dtype(packed.dtype()).unwrap();
    (packed.sqr().unwrap() * weights)
        .unwrap()
        .sum_all()
        .unwrap()
}

#[test]
fn gradients_with_respect_to_parameters_are_those_of_finite_differences() {
    let trace = Trace::new(2, &[1.0, 0.3, 0.3, -2.0]).unwrap();
    for order in [
        Order::Value,
        Order::Gradient,
        Order::Traces([trace, Trace::laplacian(2)].into()),
    ] {
        let config = config(&[12, 13], &[1.0, 1.0]);
        let field = field(&config, 2, DType::F64);
        let coords = tensor(&points(60, &[1.0, 1.0]), 2, DType::F64);
        let store = differentiate(&loss(&field, &coords, &order)).unwrap();
        let var = field.parameters().var().unwrap().clone();
        let gradient = elements(store.get(&var).unwrap());
        let start = elements(var.as_tensor());
        for index in (0..start.len()).step_by(start.len() / 23) {
            let at = |h: f64| {
                let mut moved = start.clone();
                moved[index] += h;
                let moved = Tensor::from_slice(&moved, start.len(), &Device::Cpu).unwrap();
                field.parameters().set(&moved).unwrap();
                elements(&loss(&field, &coords, &order).reshape(1).unwrap())[0]
            };
            let h = 1e-5;
            let expected = (at(h) - at(-h)) / (2.0 * h);
            let error = (gradient[index] - expected).abs();
            assert!(
                error < 1e-5 * (1.0 + expected.abs()),
                "{order:?} {index}: {error}"
            );
        }
    }
}

#[test]
fn single_precision_agrees_with_double_precision() {
    let config = SirenConfig {
        activation: Activation::Sine,
        ..config(&[20, 24], &[0.8, 1.0])
    };
    let double = field(&config, 3, DType::F64);
    let single = field(&config, 3, DType::F32);
    let order = Order::laplacian(2);
    let points = points(700, &[0.8, 1.0]);
    let of = |field: &Siren, dtype| {
        elements(
            field
                .evaluate(&tensor(&points, 2, dtype), &order)
                .unwrap()
                .packed(),
        )
    };
    let (expected, found) = (of(&double, DType::F64), of(&single, DType::F32));
    for component in 0..4 {
        let part = |all: &[f64]| {
            all.iter()
                .skip(component)
                .step_by(4)
                .copied()
                .collect::<Vec<_>>()
        };
        let (expected, found) = (part(&expected), part(&found));
        let scale = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let errors = expected.iter().zip(&found).map(|(a, b)| (a - b).abs());
        let worst = errors.fold(0.0, f64::max);
        assert!(
            worst < 2e-4 * scale,
            "component {component}: {worst} of {scale}"
        );
    }
}

/// Returns the biases of the last layer, tile by tile.
fn last_biases(field: &Siren) -> Vec<f64> {
    let (_, last) = field.named_tensors().unwrap().pop().unwrap();
    elements(&last)
}

#[test]
fn last_biases_are_set_to_the_means_of_the_targets_of_each_tile_that_has_any() {
    let config = config(&[12, 12], &[1.0, 1.0]);
    let field = field(&config, 2, DType::F64);
    let drawn = last_biases(&field);
    assert_eq!(drawn.len(), 4 * 2);
    let before = elements(&field.parameters().flat().unwrap());
    // Two points of the first tile alone, and one in the middle between the third and the fourth.
    let coords = tensor(&[-0.7, -0.7, -0.5, -0.8, 0.6, 0.0], 2, DType::F64);
    let targets = tensor(&[0.25, -1.0, 0.75, 0.0, 0.5, 0.125], 2, DType::F64);
    field.set_last_bias_to_mean(&coords, &targets).unwrap();
    let found = last_biases(&field);
    assert_eq!(found[..2], [0.5, -0.5]);
    assert_eq!(found[2..4], drawn[2..4]);
    for (found, expected) in found[4..].iter().zip([0.5, 0.125, 0.5, 0.125]) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
    let after = elements(&field.parameters().flat().unwrap());
    assert_eq!(after[..after.len() - 8], before[..before.len() - 8]);
    for wrong in [
        tensor(&[1.0; 3], 1, DType::F64),
        tensor(&[1.0; 4], 2, DType::F64),
    ] {
        assert!(field.set_last_bias_to_mean(&coords, &wrong).is_err());
    }
}

#[test]
fn a_saved_mosaic_is_the_same_field_with_tensors_stacked_by_tile() {
    let config = config(&[12, 18], &[1.0, 1.0]);
    let field = field(&config, 1, DType::F32);
    let tensors = field.named_tensors().unwrap();
    let shape = |name: &str| {
        let (_, tensor) = tensors.iter().find(|(found, _)| found == name).unwrap();
        tensor.dims().to_vec()
    };
    assert_eq!(shape("net.net.0.0.weight"), [6, 9, 2]);
    assert_eq!(shape("net.net.2.0.bias"), [6, 1]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosaic.safetensors");
    field.save(&path).unwrap();
    let opened = Siren::open(&path).unwrap();
    let points = points(50, &[1.0, 1.0]);
    assert_eq!(
        opened.values(&points).unwrap(),
        field.values(&points).unwrap()
    );
    assert_eq!(opened.network().config(), field.network().config());
}

#[test]
fn mosaics_that_do_not_fit_are_refused_with_the_key() {
    let refused = |change: fn(&mut MosaicConfig)| {
        let mut config = config(&[12, 18], &[1.0, 1.0]);
        change(config.mosaic.as_mut().unwrap());
        let error = config.init_seeded(FieldShape::new(2, 1), 0).unwrap_err();
        error.to_string()
    };
    for (message, start) in [
        (refused(|m| m.tile = vec![13]), "`field.mosaic.tile` is 13"),
        (refused(|m| m.tile = vec![1]), "`field.mosaic.tile` is 1"),
        (refused(|m| m.tile = vec![6, 6, 6]), "`field.mosaic` is"),
        (
            refused(|m| m.tile = vec![]),
            "`field.mosaic.tile` is unknown",
        ),
        (refused(|m| m.overlap = 6.0), "`field.mosaic.overlap` is 6"),
        (
            refused(|m| m.overlap = f64::NAN),
            "`field.mosaic.overlap` is NaN",
        ),
        (refused(|m| m.sides = vec![12]), "`field.mosaic.sides` is"),
        (
            refused(|m| (m.sides, m.extents) = (vec![], vec![])),
            "`field.mosaic.sides` is unknown",
        ),
    ] {
        assert!(message.starts_with(start), "{message}");
    }
    let below_one_network = SirenConfig {
        mosaic: Some(MosaicConfig {
            parameters: Some(20),
            ..MosaicConfig::default()
        }),
        ..config(&[12, 18], &[1.0, 1.0])
    };
    let mut on_a_grid = below_one_network.clone();
    let mosaic = on_a_grid.mosaic.as_mut().unwrap();
    (mosaic.sides, mosaic.extents) = (vec![60, 80], vec![1.0, 1.0]);
    let laid = on_a_grid.lay_tiles(FieldShape::new(2, 3), None);
    let message = laid.unwrap_err().to_string();
    assert!(
        message.contains("`field.mosaic.parameters` is 20"),
        "{message}"
    );
    let unresolved = below_one_network.init_seeded(FieldShape::new(2, 3), 0);
    let message = unresolved.unwrap_err().to_string();
    assert!(
        message.contains("`field.mosaic.tile` is unknown"),
        "{message}"
    );
}

#[test]
fn auto_gives_the_smallest_tiles_whose_networks_stay_within_the_number_of_parameters() {
    let of = |sides: &[usize], parameters: Option<usize>| {
        let mut config = SirenConfig {
            hidden_features: 32.into(),
            hidden_layers: 2,
            mosaic: Some(MosaicConfig {
                parameters,
                sides: sides.to_vec(),
                extents: vec![1.0; sides.len()],
                ..MosaicConfig::default()
            }),
            ..SirenConfig::default()
        };
        let shape = FieldShape::new(sides.len(), 3);
        config.lay_tiles(shape, None).unwrap();
        let field = config.init_seeded(shape, 0).unwrap();
        (field.network().tiles(), field.parameters().len())
    };
    // 3 × 32 + 2 × 32 × 33 + 3 × 33 = 2,307 parameters a tile in two dimensions.
    assert_eq!(of(&[512, 768], None), (13 * 19, 247 * 2307));
    assert_eq!(of(&[512, 768], Some(2307)), (1, 2307));
    assert_eq!(of(&[512, 1], None), (1, 2307));
    let (tiles, parameters) = of(&[40, 100, 120], Some(1_000_000));
    assert!(
        tiles > 350 && parameters <= 1_000_000,
        "{tiles} {parameters}"
    );
}

#[test]
fn auto_is_the_narrowest_width_whose_tiles_have_samples_enough_to_learn_from() {
    let width = |sides: &[usize], parameters, tile: &[usize], per_step| {
        let mut config = SirenConfig {
            hidden_features: Width::Auto,
            hidden_layers: 2,
            mosaic: Some(MosaicConfig {
                tile: tile.to_vec(),
                parameters,
                sides: sides.to_vec(),
                extents: vec![1.0; sides.len()],
                ..MosaicConfig::default()
            }),
            ..SirenConfig::default()
        };
        config.validate().unwrap();
        let shape = FieldShape::new(sides.len(), 3);
        let before = config.init_seeded(shape, 0).unwrap_err().to_string();
        assert!(before.contains("lay_tiles"), "{before}");
        config.lay_tiles(shape, per_step).unwrap();
        config.init_seeded(shape, 0).unwrap();
        config.hidden_features.given().unwrap()
    };
    let picture = [512, 768];
    // Networks have 187, 643 and 2,307 parameters: 1.5 for a sample are tiles of 468 samples at a width of 16.
    assert_eq!(width(&picture, None, &[], Some(98_304)), 32);
    assert_eq!(width(&picture, None, &[], None), 32);
    assert_eq!(width(&picture, Some(150_000), &[], Some(98_304)), 16);
    assert_eq!(width(&picture, Some(50_000), &[], Some(98_304)), 8);
    // Samples of a step are too few for many tiles.
    assert_eq!(width(&picture, Some(50_000), &[], Some(9_830)), 32);
    assert_eq!(
        width(&[250, 272, 640], Some(400_000), &[], Some(65_536)),
        32
    );
    // A signal that is too small for a tile is one network, unless fewer parameters are asked for.
    assert_eq!(width(&[16, 16], None, &[], None), 32);
    assert_eq!(width(&[16, 16], Some(1000), &[], Some(64)), 16);
    // Given tiles have the widest networks that the number of parameters allows.
    assert_eq!(width(&picture, None, &[40], None), 32);
    assert_eq!(width(&picture, None, &[24], None), 16);
    assert_eq!(width(&picture, Some(60_000), &[40], None), 8);
}

#[test]
fn a_width_is_computed_for_tiles_alone() {
    let one_network = SirenConfig {
        hidden_features: Width::Auto,
        ..SirenConfig::default()
    };
    let message = one_network.validate().unwrap_err().to_string();
    for word in ["`field.hidden_features` is auto", "field.mosaic"] {
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_picture_of_one_pixel_is_a_mosaic_of_one_tile() {
    let one_pixel = SirenConfig {
        mosaic: Some(MosaicConfig {
            sides: vec![1, 1],
            extents: vec![0.0, 0.0],
            tile: vec![64],
            ..MosaicConfig::default()
        }),
        ..SirenConfig::default()
    };
    let field = one_pixel.init_seeded(FieldShape::new(2, 1), 0).unwrap();
    assert_eq!(field.network().tiles(), 1);
}
