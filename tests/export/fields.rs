//! Small fields of every activation and encoding.

use siren_core::candle_core::{DType, Device};
use siren_core::field::{
    Activation, Encoding, FieldShape, FourierEncoding, NerfEncoding, RbfEncoding, Siren,
    SirenConfig,
};
use siren_core::signal::Stream;
use siren_run::portable::{
    Axis, Direction, Format, Look, Portable, Values, WeightPrecision, encode,
};

/// A field with its name in messages.
pub struct Example {
    pub name: String,
    pub field: Siren,
    /// The same field in double precision, the reference.
    pub double: Siren,
    /// Largest error in single precision, relative to the largest value. The sinh of H-SIREN amplifies the rounding of its argument.
    pub tolerance: f64,
}

/// Returns a field in single precision.
pub fn field(config: &SirenConfig, inputs: usize, outputs: usize) -> Siren {
    let mut rng = Stream::PARAMETERS.rng(5, 0);
    let shape = FieldShape::new(inputs, outputs);
    config
        .init(shape, &mut rng, DType::F32, &Device::Cpu)
        .unwrap()
}

/// Returns a field of each activation, and of each encoding.
pub fn examples() -> Vec<Example> {
    let small = || SirenConfig {
        hidden_features: 18,
        hidden_layers: 2,
        first_omega_0: 12.0.into(),
        hidden_omega_0: 12.0,
        ..SirenConfig::default()
    };
    let by_activation = Activation::ALL.into_iter().map(|activation| SirenConfig {
        activation,
        ..small()
    });
    let encodings = [
        Encoding::Nerf(NerfEncoding {
            frequencies: Some(4),
        }),
        Encoding::Fourier(FourierEncoding {
            features: 9,
            scale: 1.0,
        }),
        Encoding::Rbf(RbfEncoding {
            centers: 21,
            sigma: 3.0,
        }),
    ];
    let by_encoding = encodings.into_iter().map(|encoding| SirenConfig {
        encoding,
        ..small()
    });
    let learned = SirenConfig {
        learn_omega: true,
        ..small()
    };
    by_activation
        .chain(by_encoding)
        .chain([learned])
        .map(|config| {
            let field = field(&config, 2, 3);
            let params = field.parameters().flat().unwrap();
            let params = params.to_dtype(DType::F64).unwrap();
            Example {
                name: format!("{:?} {:?}", config.activation, config.encoding),
                double: Siren::new(field.network().clone(), &params).unwrap(),
                field,
                tolerance: if config.activation == Activation::HSiren {
                    1e-4
                } else {
                    1e-5
                },
            }
        })
        .collect()
}

/// Returns a field as a color picture of `height` × `width` pixels.
pub fn picture(field: &Siren, height: usize, width: usize) -> Portable<'_> {
    let look = Look {
        values: Values::Intensity,
        axes: vec![
            Axis::of_samples("row", Direction::Down, 1.0, height),
            Axis::of_samples("column", Direction::Right, 1.0, width),
        ],
        tone: vec![[0.5, 0.5]; 3],
        channels: Vec::new(),
        weights: vec![0.3, 0.6, 0.1],
        notes: Vec::new(),
    };
    Portable { field, look }
}

/// Returns the text of an export.
pub fn text(portable: &Portable<'_>, format: Format) -> String {
    let bytes = encode(portable, WeightPrecision::Single, format).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Returns `count` points `(n, 2)` in [−1, 1]², row-major, that fill the square.
pub fn points(count: usize) -> Vec<f64> {
    let part = |i: usize, step: f64| 2.0 * (i as f64 * step).fract() - 1.0;
    let pair = |i| [part(i, 0.754_877_666), part(i, 0.569_840_291)];
    // Coordinates that single precision holds exactly.
    let points = (0..count).flat_map(pair);
    points.map(|x| f64::from(x as f32)).collect()
}

/// Asserts that values agree to `tolerance` times the largest of them, or 1.
#[track_caller]
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * largest,
            "{what}: element {at} is {a}, expected {b} (largest {largest})"
        );
    }
}
