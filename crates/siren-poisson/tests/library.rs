//! The crate as a library: pictures in memory, both precisions, blends, anchors, and fields in files.

use candle_core::{DType, Device};
use siren_core::Error;
use siren_core::field::Omega;
use siren_core::train::{Fit, FitConfig, Task};
use siren_poisson::config::{PoissonObjectiveConfig, PoissonSignalConfig, Stencil};
use siren_poisson::{Overlay, Picture, PictureField, Poisson, Quantity, Size};

const SIZE: Size = Size {
    height: 12,
    width: 16,
};

/// Returns a smooth gray picture.
fn picture(phase: f32) -> Picture {
    let gray = |at: usize| {
        let (row, column) = ((at / SIZE.width) as f32, (at % SIZE.width) as f32);
        0.5 + 0.4 * (0.5 * row - 0.3 * column + phase).sin()
    };
    let values = (0..SIZE.height * SIZE.width).map(gray);
    Picture::from_values(SIZE, 1, values.collect()).unwrap()
}

fn config(steps: u64) -> FitConfig {
    let mut config = FitConfig::default();
    config.field.hidden_features = 32.into();
    config.field.hidden_layers = 1;
    config.field.first_omega_0 = Omega::Given(5.0);
    config.train.steps = steps;
    config.train.learning_rate = 2e-3;
    config
}

fn with_stencil(stencil: Stencil) -> PoissonSignalConfig {
    PoissonSignalConfig {
        stencil,
        ..PoissonSignalConfig::default()
    }
}

#[test]
fn a_picture_is_recovered_from_its_gradient_in_both_precisions() {
    let folder = tempfile::tempdir().unwrap();
    for dtype in [DType::F32, DType::F64] {
        let poisson = Poisson::from_picture(picture(0.0)).unwrap();
        let mut fit = Fit::on(&poisson, &config(300), dtype, &Device::Cpu).unwrap();
        fit.run().unwrap();
        let psnr_db = poisson.psnr_db(fit.model()).unwrap();
        assert!(psnr_db > 30.0, "{dtype:?}: {psnr_db} dB");
        let metrics = fit.evaluate().unwrap();
        // Values alone and values with derivatives are two computations, which round differently in single precision.
        let rounding = if dtype == DType::F64 { 1e-12 } else { 1e-4 };
        assert!((metrics[0].value - psnr_db).abs() < rounding);
        let field = poisson.field(fit.into_model()).unwrap();
        assert_eq!(field.siren().parameters().dtype(), dtype);
        let rendering = field.render(SIZE).unwrap();
        let largest = rendering.error_x10(poisson.picture()).unwrap().values;
        let largest = largest.iter().fold(0.0, f32::max) / 10.0;
        assert!(largest < 0.1, "{dtype:?}: {largest}");
        for quantity in [Quantity::Gradient, Quantity::Laplacian] {
            let rendering = field.render_quantity(quantity, SIZE).unwrap();
            rendering.validate().unwrap();
        }
        let path = folder.path().join("field.safetensors");
        field.save(&path).unwrap();
        let again = PictureField::open(&path).unwrap();
        assert_eq!(again.render(SIZE).unwrap(), rendering);
    }
}

#[test]
fn samples_in_double_precision_are_not_rounded_to_single_precision() {
    for stencil in [Stencil::Spectral, Stencil::Sobel] {
        let objective = PoissonObjectiveConfig::default();
        let poisson = Poisson::new(picture(0.0), &with_stencil(stencil), &objective, 0).unwrap();
        let sample = poisson.constraints(DType::F64, &Device::Cpu).unwrap()[0]
            .sampler
            .draw(0)
            .unwrap();
        for tensor in [sample.coords(), sample.targets().unwrap()] {
            assert_eq!(tensor.dtype(), DType::F64);
            let elements = tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let is_rounded = |x: &&f64| (f64::from(**x as f32) - **x).abs() < f64::MIN_POSITIVE;
            let rounded = elements.iter().filter(is_rounded).count();
            assert!(rounded < elements.len() / 2, "{stencil:?}: {rounded}");
        }
    }
}

#[test]
fn two_pictures_in_memory_are_blended_by_weight() {
    let pixels = SIZE.height * SIZE.width;
    let objective = PoissonObjectiveConfig::default();
    let blend = |weight: f64| {
        let second = Overlay {
            picture: picture(1.5),
            weights: vec![weight; pixels],
        };
        Poisson::blend(
            picture(0.0),
            &second,
            &PoissonSignalConfig::default(),
            &objective,
            0,
        )
    };
    let mean = |picture: &Picture| picture.values.iter().sum::<f32>() / pixels as f32;
    for (weight, phase) in [(0.0, 0.0), (1.0, 1.5)] {
        let blended = blend(weight).unwrap();
        let expected = picture(phase);
        let offset = mean(blended.picture()) - mean(&expected);
        for (a, b) in blended.picture().values.iter().zip(expected.values.iter()) {
            assert!((a - offset - b).abs() < 1e-4, "{weight}: {a} {b}");
        }
    }
    assert!(matches!(blend(1.5), Err(Error::InvalidValue { .. })));
}

#[test]
fn anchors_in_memory_are_a_second_constraint() {
    let pixels = SIZE.height * SIZE.width;
    let poisson = || Poisson::from_picture(picture(0.0)).unwrap();
    let mask: Vec<bool> = (0..pixels).map(|at| at < 5).collect();
    let anchored = poisson().with_anchors(&mask, 2.0).unwrap();
    let constraints = anchored.constraints(DType::F32, &Device::Cpu).unwrap();
    assert_eq!(constraints[1].sampler.draw(0).unwrap().len(), 5);
    assert!(poisson().with_anchors(&mask[1..], 2.0).is_err());
    assert!(poisson().with_anchors(&mask, f64::NAN).is_err());
    assert!(poisson().with_anchors(&vec![false; pixels], 2.0).is_err());
}

#[test]
fn pictures_and_fields_that_do_not_fit_are_errors() {
    let flat = Picture::from_values(SIZE, 1, vec![0.5; SIZE.height * SIZE.width]).unwrap();
    let error = Poisson::from_picture(flat).err().unwrap();
    assert!(error.to_string().contains("same color"), "{error}");
    let broken = Picture {
        values: vec![f32::NAN; SIZE.height * SIZE.width].into(),
        ..picture(0.0)
    };
    let error = Poisson::from_picture(broken).err().unwrap();
    assert!(error.to_string().contains("row 0, column 0"), "{error}");
    let gray = picture(0.0).values;
    let colors = gray.iter().flat_map(|y| [y, y, 1.0 - y]);
    let colors = Picture::from_values(SIZE, 3, colors.collect()).unwrap();
    let colors = Poisson::from_picture(colors).unwrap();
    let gray = Poisson::from_picture(picture(0.0)).unwrap();
    let fit = Fit::new(&gray, &config(1)).unwrap();
    let error = colors.psnr_db(fit.model()).unwrap_err();
    assert!(error.to_string().contains("3 channels"), "{error}");
}
