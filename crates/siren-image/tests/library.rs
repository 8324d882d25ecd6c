//! The crate as a library: pictures in memory, both precisions, masks, and fields in files.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use siren_core::Error;
use siren_core::field::Omega;
use siren_core::objective::Constraint;
use siren_core::signal::{Sampling, SubsetSampling};
use siren_core::train::{Fit, FitConfig, Task};
use siren_image::config::{ImageObjectiveConfig, ImageSignalConfig, Observed, Prior};
use siren_image::{Image, Picture, PictureField, Quantity, Size};

const SIZE: Size = Size {
    height: 12,
    width: 16,
};

/// Returns a smooth RGB picture.
fn picture() -> Picture {
    let color = |at: usize| {
        let (row, column) = ((at / SIZE.width) as f32, (at % SIZE.width) as f32);
        let wave = |phase: f32| 0.5 + 0.4 * (0.5 * row - 0.3 * column + phase).sin();
        [wave(0.0), wave(1.0), wave(2.0)]
    };
    let values = (0..SIZE.height * SIZE.width).flat_map(color);
    Picture::from_values(SIZE, 3, values.collect()).unwrap()
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

#[test]
fn a_picture_in_memory_is_fitted_and_rendered_in_both_precisions() {
    let folder = tempfile::tempdir().unwrap();
    for dtype in [DType::F32, DType::F64] {
        let image = Image::from_picture(picture()).unwrap();
        let mut fit = Fit::on(&image, &config(300), dtype, &Device::Cpu).unwrap();
        fit.run().unwrap();
        let psnr_db = image.psnr_db(fit.model()).unwrap();
        assert!(psnr_db > 35.0, "{dtype:?}: {psnr_db} dB");
        let metrics = fit.evaluate().unwrap();
        assert!((metrics[0].value - psnr_db).abs() < 1e-12);
        let field = image.field(fit.into_model()).unwrap();
        assert_eq!(field.siren().parameters().dtype(), dtype);
        let rendering = field.render(SIZE).unwrap();
        let largest = rendering.error_x10(image.picture()).unwrap().values;
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
        let pixel = again.pixel(3.0, 4.0).unwrap();
        assert_eq!(Some(pixel), rendering.pixel(3, 4));
    }
}

#[test]
fn points_made_when_they_are_drawn_are_those_of_the_kept_sample() {
    let part = ImageSignalConfig {
        observed: Observed::Fraction(0.5),
        ..ImageSignalConfig::default()
    };
    for signal in [ImageSignalConfig::default(), part] {
        let signal = ImageSignalConfig {
            sampling: Sampling::Subset(SubsetSampling {
                points: 40,
                replacement: false,
            }),
            ..signal
        };
        let image = Image::new(picture(), &signal, &ImageObjectiveConfig::default(), 3).unwrap();
        for dtype in [DType::F32, DType::F64] {
            let constraints = image.constraints(dtype, &Device::Cpu).unwrap();
            let sampler = &constraints[0].sampler;
            let drawn = sampler.draw(5).unwrap();
            let selection = sampler.selection(5).unwrap().unwrap();
            let kept = selection.from.select(&selection.indices).unwrap();
            let bits = |tensor: &Tensor| -> Vec<u64> {
                let values = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
                let values = values.to_vec1::<f64>().unwrap();
                values.into_iter().map(f64::to_bits).collect()
            };
            assert_eq!(bits(drawn.coords()), bits(kept.coords()));
            let targets = drawn.targets().unwrap();
            assert_eq!(bits(targets), bits(kept.targets().unwrap()));
        }
    }
}

#[test]
fn samples_in_double_precision_have_targets_and_coordinates_of_double_precision() {
    let image = Image::from_picture(picture()).unwrap();
    let constraints: Vec<Constraint> = image.constraints(DType::F64, &Device::Cpu).unwrap();
    let sample = constraints[0].sampler.draw(0).unwrap();
    let targets = sample.targets().unwrap().to_vec2::<f64>().unwrap();
    let coords = sample.coords().to_vec2::<f64>().unwrap();
    for (at, (target, coord)) in targets.iter().zip(coords).enumerate() {
        let (row, column) = (at / SIZE.width, at % SIZE.width);
        for (target, value) in target
            .iter()
            .zip(image.picture().pixel(row, column).unwrap())
        {
            let expected = 2.0 * f64::from(value) - 1.0;
            assert!((target - expected).abs() < 1e-15);
        }
        assert!((coord[0] - (2.0 * row as f64 / 11.0 - 1.0)).abs() < 1e-15);
        assert!((coord[1] - (2.0 * column as f64 / 15.0 - 1.0)).abs() < 1e-15);
    }
}

#[test]
fn a_prior_in_double_precision_takes_steps() {
    let objective = ImageObjectiveConfig {
        prior: Prior::Hessian(1e-5),
        ..ImageObjectiveConfig::default()
    };
    let image = Image::new(picture(), &ImageSignalConfig::default(), &objective, 0).unwrap();
    let mut fit = Fit::on(&image, &config(3), DType::F64, &Device::Cpu).unwrap();
    let mut losses = Vec::new();
    fit.run_with(|_, report| {
        losses.push(report.loss);
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    assert_eq!(losses.len(), 3);
    assert!(losses[2] < losses[0], "{losses:?}");
}

#[test]
fn a_mask_in_memory_holds_pixels_out_and_a_wrong_one_is_an_error() {
    let pixels = SIZE.height * SIZE.width;
    let masked = |mask: Vec<bool>| Image::from_picture(picture()).unwrap().with_mask(mask);
    let image = masked((0..pixels).map(|at| at % 3 == 0).collect()).unwrap();
    let sample = image.constraints(DType::F32, &Device::Cpu).unwrap()[0]
        .sampler
        .draw(0)
        .unwrap();
    assert_eq!(sample.len(), pixels / 3);
    let fit = Fit::new(&image, &config(1)).unwrap();
    let metrics = fit.evaluate().unwrap();
    assert!(metrics.iter().any(|m| m.metric.name == "psnr_held_out_db"));
    let short = masked(vec![true; 5]).err().unwrap();
    assert!(matches!(short, Error::Shape { .. }), "{short}");
    let empty = masked(vec![false; pixels]).err().unwrap();
    assert!(empty.to_string().contains("at least one pixel"), "{empty}");
}

#[test]
fn pictures_and_fields_that_do_not_fit_are_errors() {
    let broken = Picture {
        values: vec![f32::NAN; SIZE.height * SIZE.width * 3].into(),
        ..picture()
    };
    let error = Image::from_picture(broken).err().unwrap();
    assert!(error.to_string().contains("row 0, column 0"), "{error}");
    let short = Picture {
        width: 17,
        ..picture()
    };
    assert!(Image::from_picture(short).is_err());
    let image = Image::from_picture(picture()).unwrap();
    let gray = Image::from_picture(picture().luma()).unwrap();
    let fit = Fit::new(&gray, &config(1)).unwrap();
    let error = image.psnr_db(fit.model()).unwrap_err();
    assert!(error.to_string().contains("3 channels"), "{error}");
}
