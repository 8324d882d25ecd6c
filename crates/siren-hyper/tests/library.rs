//! Use from Rust with pictures in memory: training in either precision, and reconstruction of new pictures.

mod faces;

use candle_core::{DType, Device};
use faces::SIDE;
use siren_core::train::{Fit, FitConfig, Model};
use siren_hyper::config::{
    Encoder, HyperModelConfig, HyperObjectiveConfig, HyperSignalConfig, SplitConfig,
};
use siren_hyper::{
    Dataset, Drawing, Hyper, HyperNetwork, ObservedPixels, Picture, Split, interpolate, scene,
};

fn task() -> Hyper {
    faces::task(4)
}

fn config(encoder: Encoder) -> FitConfig<HyperModelConfig> {
    let mut config = faces::config(encoder);
    config.model.fit_steps = 3;
    config.train.steps = 3;
    config
}

fn trained(encoder: Encoder, dtype: DType) -> HyperNetwork {
    let task = task();
    let mut config = config(encoder);
    task.resolve_codes(&mut config.model).unwrap();
    let mut fit = Fit::on(&task, &config, dtype, &Device::Cpu).unwrap();
    fit.run().unwrap();
    assert!(fit.evaluate().unwrap()[0].value.is_finite());
    fit.into_model()
}

/// Reconstructs a new face from 20 pixels.
fn codes(model: &HyperNetwork, face: u64) -> candle_core::Tensor {
    let observed = ObservedPixels::Random { count: 20, seed: 0 };
    let contexts = model.context_of(&scene::face(face, 30), &observed).unwrap();
    model
        .latents(&contexts, &HyperObjectiveConfig::default())
        .unwrap()
}

#[test]
fn models_are_trained_and_drawn_in_double_precision_as_in_single_precision() {
    for encoder in [
        Encoder::Set,
        Encoder::Conv,
        Encoder::PartialConv,
        Encoder::AutoDecoder,
    ] {
        let [single, double] = [DType::F32, DType::F64].map(|dtype| trained(encoder, dtype));
        assert_eq!(double.parameters().dtype(), DType::F64);
        let values = |model: &HyperNetwork| -> Vec<f64> {
            let flat = model.parameters().flat().unwrap();
            flat.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
        };
        // Three steps of Adam at 1e-4 move a parameter by 3e-4 at most, in either direction.
        for (single, double) in values(&single).iter().zip(values(&double)) {
            assert!(
                (single - double).abs() < 7e-4,
                "{encoder:?}: {single}, {double}"
            );
        }
        let drawing = Drawing {
            side: 2 * SIDE,
            extent: 1.0,
        };
        let [single, double] = [single, double].map(|model| {
            let pictures = model.draw(&codes(&model, 100), drawing).unwrap();
            assert_eq!((pictures.len(), pictures[0].height), (1, 2 * SIDE));
            pictures[0].values.clone()
        });
        for (single, double) in single.iter().zip(double.iter()) {
            assert!(
                (single - double).abs() < 0.05,
                "{encoder:?}: {single}, {double}"
            );
        }
    }
}

#[test]
fn interpolation_begins_and_ends_with_the_given_codes() {
    let model = trained(Encoder::Set, DType::F32);
    let [from, to] = [100, 101].map(|face| codes(&model, face).get(0).unwrap());
    let strip = interpolate(&from, &to, 5).unwrap();
    let rows: Vec<Vec<f32>> = strip.to_vec2().unwrap();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0], from.to_vec1::<f32>().unwrap());
    assert_eq!(rows[4], to.to_vec1::<f32>().unwrap());
    assert!(interpolate(&from, &to, 1).is_err());
}

#[test]
fn only_the_observed_pixels_of_a_new_picture_matter() {
    let model = trained(Encoder::Set, DType::F32);
    // The upper half is observed.
    let mask = Picture {
        height: SIDE,
        width: SIDE,
        channels: 1,
        values: (0..SIDE * SIDE)
            .map(|pixel| f32::from(u8::from(pixel < SIDE * SIDE / 2)))
            .collect(),
    };
    let face = scene::face(100, SIDE);
    let mut values = face.values.to_floats().into_owned();
    values[3 * SIDE * SIDE / 2..].fill(0.0);
    let changed = Picture {
        values: values.into(),
        ..face
    };
    let code = |picture: &Picture, observed: &ObservedPixels| -> Vec<Vec<f32>> {
        let contexts = model.context_of(picture, observed).unwrap();
        model.predict(&contexts).unwrap().latents.to_vec2().unwrap()
    };
    let half = ObservedPixels::Mask(mask.clone());
    assert_eq!(code(&face, &half), code(&changed, &half));
    let all = ObservedPixels::All;
    assert_ne!(code(&face, &all), code(&changed, &all));
}

#[test]
fn selections_and_drawings_out_of_range_are_refused() {
    let model = trained(Encoder::Set, DType::F32);
    let face = scene::face(100, SIDE);
    let black = Picture {
        values: vec![0.0; 3 * SIDE * SIDE].into(),
        ..face.clone()
    };
    for (observed, words) in [
        (ObservedPixels::Random { count: 65, seed: 0 }, "1 to 64"),
        (ObservedPixels::Random { count: 0, seed: 0 }, "1 to 64"),
        (ObservedPixels::Mask(black), "brighter than half"),
    ] {
        let message = model.context_of(&face, &observed).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    let codes = codes(&model, 100);
    for (side, extent, words) in [
        (0, 1.0, "drawing.side"),
        (5000, 1.0, "at most 4096"),
        (8, 0.0, "drawing.extent"),
        (8, f64::NAN, "above 0"),
    ] {
        let drawing = Drawing { side, extent };
        let message = model.draw(&codes, drawing).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_context_larger_than_the_pictures_is_refused() {
    let faces: Vec<_> = (0..12).map(|index| scene::face(index, SIDE)).collect();
    let split = Split::random(faces.len(), &SplitConfig::default()).unwrap();
    let dataset = Dataset::new(&faces, split).unwrap();
    // The default context has up to 199 pixels, a picture 64.
    let signal = HyperSignalConfig::default();
    let error = Hyper::new(dataset, &signal, &HyperObjectiveConfig::default(), 0).err();
    let message = error.unwrap().to_string();
    assert!(message.contains("at most the 64"), "{message}");
}
