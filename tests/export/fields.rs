//! Small fields of every activation and encoding.

use siren_core::candle_core::{DType, Device};
use siren_core::field::{
    Activation, Encoding, FieldShape, FourierEncoding, MosaicConfig, NerfEncoding, RbfEncoding,
    Siren, SirenConfig,
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
    /// Points `(n, d)` at which it is evaluated, row-major.
    pub points: Vec<f64>,
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

/// Returns the config of a small network.
fn small() -> SirenConfig {
    SirenConfig {
        hidden_features: 18.into(),
        hidden_layers: 2,
        first_omega_0: 12.0.into(),
        hidden_omega_0: 12.0,
        ..SirenConfig::default()
    }
}

fn encodings() -> [Encoding; 3] {
    [
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
    ]
}

/// Returns the tiles of a signal of `dims` coordinates: 3, 4 and 2 of them along the axes.
fn mosaic(dims: usize) -> MosaicConfig {
    MosaicConfig {
        tile: vec![6],
        parameters: None,
        overlap: 2.5,
        sides: [14, 20, 9][..dims].to_vec(),
        extents: [1.0, 0.7, 0.9][..dims].to_vec(),
    }
}

/// Returns a mosaic of one channel in `dims` coordinates.
pub fn mosaic_in(dims: usize) -> Example {
    let config = SirenConfig {
        hidden_features: 9.into(),
        hidden_layers: 1,
        mosaic: Some(mosaic(dims)),
        ..small()
    };
    example(&config, dims, 1)
}

fn example(config: &SirenConfig, inputs: usize, outputs: usize) -> Example {
    let field = field(config, inputs, outputs);
    let params = field.parameters().flat().unwrap();
    let params = params.to_dtype(DType::F64).unwrap();
    let kind = match &config.mosaic {
        Some(_) => "mosaic of ",
        None => "",
    };
    let mut points = points(inputs, 40);
    points.extend(points_of_tiles(&field));
    Example {
        name: format!("{kind}{:?} {:?}", config.activation, config.encoding),
        double: Siren::new(field.network().clone(), &params).unwrap(),
        field,
        points,
        tolerance: if config.activation == Activation::HSiren {
            1e-4
        } else {
            1e-5
        },
    }
}

/// Returns a field of each activation and of each encoding, and mosaics, of two coordinates and three channels.
pub fn examples() -> Vec<Example> {
    let by_activation = Activation::ALL.into_iter().map(|activation| SirenConfig {
        activation,
        ..small()
    });
    let with_encoding = |encoding| SirenConfig {
        encoding,
        ..small()
    };
    let learned = SirenConfig {
        learn_omega: true,
        ..small()
    };
    // Smaller, since compilers of shaders take seconds for the weights of twelve tiles.
    let with_tiles = |config: SirenConfig| SirenConfig {
        hidden_features: 10.into(),
        hidden_layers: 1,
        mosaic: Some(mosaic(2)),
        ..config
    };
    let mosaics = encodings().map(with_encoding).into_iter();
    let mosaics = mosaics.chain([small()]).map(with_tiles);
    let of_one_tile = SirenConfig {
        mosaic: Some(MosaicConfig {
            tile: vec![20],
            sides: vec![20, 20],
            ..mosaic(2)
        }),
        ..small()
    };
    by_activation
        .chain(encodings().map(with_encoding))
        .chain([learned])
        .chain(mosaics)
        .chain([of_one_tile])
        .map(|config| example(&config, 2, 3))
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

/// Returns a field of 1 to 3 coordinates with a look: a curve, a picture, or a clip; that of 3 channels is in color.
pub fn portable(field: &Siren) -> Portable<'_> {
    if field.in_features() == 2 && field.out_features() == 3 {
        return picture(field, 8, 8);
    }
    let directions = match field.in_features() {
        1 => vec![Direction::Right],
        2 => vec![Direction::Down, Direction::Right],
        _ => vec![Direction::Time, Direction::Down, Direction::Right],
    };
    let axes = directions.into_iter();
    let look = Look {
        values: match field.in_features() {
            1 => Values::Amplitude,
            _ => Values::Intensity,
        },
        axes: axes
            .map(|direction| Axis::of_samples("axis", direction, 1.0, 8))
            .collect(),
        tone: vec![[1.0, 0.0]; field.out_features()],
        channels: Vec::new(),
        weights: Vec::new(),
        notes: Vec::new(),
    };
    Portable { field, look }
}

/// Returns the text of an export.
pub fn text(portable: &Portable<'_>, format: Format) -> String {
    let bytes = encode(portable, WeightPrecision::Single, format).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Returns `count` points `(n, dims)` in [−1, 1]ᵈ, row-major, that fill the cube.
fn points(dims: usize, count: usize) -> Vec<f64> {
    let part = |i: usize, step: f64| 2.0 * (i as f64 * step).fract() - 1.0;
    let point = |i| [0.754_877_666, 0.569_840_291, 0.430_159_709].map(|step| part(i, step));
    let points = (0..count).flat_map(|i| point(i).into_iter().take(dims));
    points.map(single).collect()
}

/// Rounds a coordinate to one that single precision holds exactly.
fn single(coordinate: f64) -> f64 {
    f64::from(coordinate as f32)
}

/// Returns points `(n, d)` of a mosaic: all combinations of the ends of its axes, the middle of a tile, a border and places in its overlap.
fn points_of_tiles(field: &Siren) -> Vec<f64> {
    let mut points = vec![Vec::new()];
    let axes = field.network().tile_axes().unwrap_or_default();
    for axis in axes {
        let end = axis.start + axis.count as f64 * axis.length;
        let border = axis.start + axis.length;
        let places = [-0.5, -0.3, 0.0, 0.2, 0.5].map(|share| border + share * axis.overlap);
        let places = places.into_iter().chain([axis.center(0), axis.start, end]);
        let places: Vec<f64> = places.map(single).collect();
        let extended = points.iter().flat_map(|point: &Vec<f64>| {
            let with = |&place: &f64| [point.as_slice(), &[place]].concat();
            places.iter().map(with).collect::<Vec<_>>()
        });
        points = extended.collect();
    }
    points.concat()
}

#[test]
fn points_of_mosaics_lie_within_tiles_and_in_overlaps_of_two_and_four() {
    let example = mosaic_in(2);
    let axes = example.field.network().tile_axes().unwrap();
    assert_eq!(
        axes.iter().map(|axis| axis.count).collect::<Vec<_>>(),
        [3, 4]
    );
    let mut found = [0; 5];
    for point in example.points.chunks(2) {
        let tiles = axes.iter().zip(point).map(|(axis, x)| {
            let from_border = |border: usize| (x - axis.start - border as f64 * axis.length).abs();
            let is_shared = (1..axis.count).any(|border| 2.0 * from_border(border) < axis.overlap);
            1 + usize::from(is_shared)
        });
        found[tiles.product::<usize>()] += 1;
    }
    assert!(found[1] > 9 && found[2] > 9 && found[4] > 9, "{found:?}");
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
