use tempfile::TempDir;

use super::*;
use crate::picture::{ColorMode, Picture};

const BITS: u16 = 258;
const PREDICTOR: u16 = 317;
const PHOTOMETRIC: u16 = 262;
const ORIENTATION: u16 = 274;
const SAMPLES: u16 = 277;
const PLANAR: u16 = 284;
const EXTRA: u16 = 338;
const FORMAT: u16 = 339;

const WHITE_IS_ZERO: &[u16] = &[0];
const BLACK_IS_ZERO: &[u16] = &[1];
const RGB: &[u16] = &[2];
const CMYK: &[u16] = &[5];
const FLOAT: &[u16] = &[3];

type Tags<'a> = &'a [(u16, &'a [u16])];

/// Encodes an uncompressed little-endian TIFF file with one strip per plane.
fn tiff(height: u16, width: u16, tags: Tags, data: &[u8]) -> Vec<u8> {
    let first_value = |tag| {
        tags.iter()
            .find(|(other, _)| *other == tag)
            .map_or(1, |(_, v)| v[0])
    };
    let planes = if first_value(PLANAR) == 2 {
        first_value(SAMPLES)
    } else {
        1
    };
    let strip_bytes = data.len() as u16 / planes;
    let strips: Vec<u16> = (0..planes)
        .map(|plane| 1024 + plane * strip_bytes)
        .collect();
    let counts = vec![strip_bytes; usize::from(planes)];
    let required: Tags = &[
        (256, &[width]),
        (257, &[height]),
        (259, &[1]),
        (273, &strips),
        (278, &[height]),
        (279, &counts),
    ];
    let all = [required, tags].concat().into_iter();
    let all = all.map(|(tag, values)| (tag, Numbers::Short(values.to_vec())));
    container(all.collect(), 1024, data)
}

/// Values of a tag.
pub(in crate::picture::read) enum Numbers {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

/// Encodes a little-endian TIFF file of one directory, whose data begin at byte `start`.
pub(in crate::picture::read) fn container(
    mut tags: Vec<(u16, Numbers)>,
    start: usize,
    data: &[u8],
) -> Vec<u8> {
    tags.sort_by_key(|(tag, _)| *tag);
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((tags.len() as u16).to_le_bytes());
    let mut long_values: Vec<u8> = Vec::new();
    for (tag, values) in &tags {
        let (kind, count, mut bytes): (u16, usize, Vec<u8>) = match values {
            Numbers::Short(values) => {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes());
                (3, values.len(), bytes.collect())
            }
            Numbers::Long(values) => {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes());
                (4, values.len(), bytes.collect())
            }
        };
        if bytes.len() > 4 {
            let at = 512 + long_values.len() as u32;
            long_values.extend(std::mem::replace(&mut bytes, at.to_le_bytes().to_vec()));
        }
        bytes.resize(4, 0);
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend((count as u32).to_le_bytes());
        file.extend(bytes);
    }
    file.extend([0; 4]);
    file.resize(512, 0);
    file.extend(long_values);
    file.resize(start, 0);
    file.extend(data);
    file
}

fn opened(file: &[u8]) -> Result<Picture> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tif");
    std::fs::write(&path, file).unwrap();
    Picture::open(&path, ColorMode::Auto)
}

/// Encodes a picture of one row and reads it back.
fn row(width: u16, tags: Tags, data: &[u8]) -> Result<Vec<f32>> {
    Ok(opened(&tiff(1, width, tags, data))?
        .values
        .to_floats()
        .into_owned())
}

#[track_caller]
fn assert_close(values: &[f32], expected: &[f32]) {
    assert_eq!(values.len(), expected.len(), "{values:?}");
    for (value, expected) in values.iter().zip(expected) {
        assert!((value - expected).abs() < 1e-6, "{values:?}");
    }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn words(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn premultiplied_colors_are_not_multiplied_by_alpha_again() {
    let rgba: Tags = &[(BITS, &[8; 4]), (PHOTOMETRIC, RGB), (SAMPLES, &[4])];
    let with_extra = |extra| [rgba, &[(EXTRA, extra)][..]].concat();
    // An opaque, a half transparent and a transparent pixel.
    let data = [255, 0, 51, 255, 102, 0, 51, 102, 0, 0, 0, 0];
    let premultiplied = [1.0, 0.0, 0.2, 1.0, 0.6, 0.8, 1.0, 1.0, 1.0];
    let straight = [1.0, 0.0, 0.2, 0.76, 0.6, 0.68, 1.0, 1.0, 1.0];
    assert_close(&row(3, &with_extra(&[1]), &data).unwrap(), &premultiplied);
    assert_close(&row(3, &with_extra(&[2]), &data).unwrap(), &straight);
    // Without the tag `ExtraSamples`.
    assert_close(&row(3, rgba, &data).unwrap(), &straight);
    // An extra sample of unspecified meaning is not alpha.
    let unstated = [1.0, 0.0, 0.2, 0.4, 0.0, 0.2, 0.0, 0.0, 0.0];
    assert_close(&row(3, &with_extra(&[0]), &data).unwrap(), &unstated);
    let planes = [255, 102, 0, 0, 0, 0, 51, 51, 0, 255, 102, 0];
    let planar = [&with_extra(&[1])[..], &[(PLANAR, &[2])]].concat();
    assert_close(&row(3, &planar, &planes).unwrap(), &premultiplied);
}

#[test]
fn premultiplied_alpha_is_read_in_gray_16_bit_and_float_pictures() {
    let tags = |bits: &'static [u16], photometric, samples, format| {
        [
            (BITS, bits),
            (PHOTOMETRIC, photometric),
            (SAMPLES, samples),
            (EXTRA, &[1]),
            (FORMAT, format),
        ]
    };
    let gray8 = tags(&[8; 2], BLACK_IS_ZERO, &[2], &[1; 2]);
    assert_close(&row(2, &gray8, &[51, 102, 51, 255]).unwrap(), &[0.8, 0.2]);
    let rgb16 = tags(&[16; 4], RGB, &[4], &[1; 4]);
    let data = words(&[13_107, 0, 26_214, 26_214]);
    assert_close(&row(1, &rgb16, &data).unwrap(), &[0.8, 0.6, 1.0]);
    let float = tags(&[32; 4], RGB, &[4], &[3; 4]);
    let data = floats(&[0.2, 0.0, 0.4, 0.4]);
    assert_close(&row(1, &float, &data).unwrap(), &[0.8, 0.6, 1.0]);
    // A color above its alpha would exceed white, and is clamped.
    assert_close(&row(1, &gray8, &[255, 102]).unwrap(), &[1.0]);
}

#[test]
fn a_mask_is_black_where_it_is_transparent() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mask.tif");
    for (extra, data) in [
        (1, [255, 255, 51, 51, 0, 0]),
        (2, [255, 255, 255, 51, 255, 0]),
    ] {
        let tags: Tags = &[
            (BITS, &[8; 2]),
            (PHOTOMETRIC, BLACK_IS_ZERO),
            (SAMPLES, &[2]),
            (EXTRA, &[extra]),
        ];
        std::fs::write(&path, tiff(1, 3, tags, &data)).unwrap();
        assert_close(
            &Picture::open_mask(&path).unwrap().values.to_floats(),
            &[1.0, 0.2, 0.0],
        );
    }
}

#[test]
fn every_sample_format_spans_zero_to_one() {
    let gray = |bits, format, data: &[u8]| {
        let tags: Tags = &[
            (BITS, &[bits]),
            (PHOTOMETRIC, BLACK_IS_ZERO),
            (FORMAT, &[format]),
        ];
        row(3, tags, data).unwrap()
    };
    assert_close(&gray(1, 1, &[0b0110_0000]), &[0.0, 1.0, 1.0]);
    assert_close(&gray(2, 1, &[0b0001_1100]), &[0.0, 1.0 / 3.0, 1.0]);
    assert_close(&gray(4, 1, &[0x03, 0xF0]), &[0.0, 0.2, 1.0]);
    assert_close(&gray(8, 1, &[0, 51, 255]), &[0.0, 0.2, 1.0]);
    assert_close(&gray(16, 1, &words(&[0, 13_107, 65_535])), &[0.0, 0.2, 1.0]);
    // 0, 0.25 and 1 as half floats.
    assert_close(
        &gray(16, 3, &words(&[0, 0x3400, 0x3C00])),
        &[0.0, 0.25, 1.0],
    );
    assert_close(&gray(32, 3, &floats(&[0.0, 0.2, 1.0])), &[0.0, 0.2, 1.0]);
    let doubles: Vec<u8> = [0.0, 0.2, 1.0_f64]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    assert_close(&gray(64, 3, &doubles), &[0.0, 0.2, 1.0]);
    let inverted: Tags = &[(BITS, &[8]), (PHOTOMETRIC, WHITE_IS_ZERO)];
    assert_close(&row(2, inverted, &[0, 204]).unwrap(), &[1.0, 0.2]);
    let cmyk: Tags = &[(BITS, &[8; 4]), (PHOTOMETRIC, CMYK), (SAMPLES, &[4])];
    assert_close(&row(1, cmyk, &[0, 51, 255, 51]).unwrap(), &[0.8, 0.64, 0.0]);
}

#[test]
fn float_samples_are_unchanged_in_0_to_1_or_divided_by_255_if_whole() {
    let gray: Tags = &[(BITS, &[32]), (PHOTOMETRIC, BLACK_IS_ZERO), (FORMAT, FLOAT)];
    let read = |values: &[f32]| row(values.len() as u16, gray, &floats(values)).unwrap();
    for values in [[0.0, 0.2, 1.0], [0.2, 0.3, 0.4], [0.0, 1.0, 1.0], [0.0; 3]] {
        assert_close(&read(&values), &values);
    }
    assert_close(&read(&[0.0, 51.0, 255.0]), &[0.0, 0.2, 1.0]);
    assert_close(&read(&[0.0, 1.0, 2.0]), &[0.0, 1.0 / 255.0, 2.0 / 255.0]);
    // Values outside [0, 1] by less than half a level of 8 bits.
    assert_close(&read(&[-0.001, 0.5, 1.001]), &[0.0, 0.5, 1.0]);
    let rgba: Tags = &[
        (BITS, &[32; 4]),
        (PHOTOMETRIC, RGB),
        (SAMPLES, &[4]),
        (EXTRA, &[2]),
        (FORMAT, &[3; 4]),
    ];
    // Colors up to 255, and alpha up to 1 or up to 255.
    for alpha in [0.6, 153.0] {
        let data = floats(&[255.0, 0.0, 51.0, alpha]);
        assert_close(&row(1, rgba, &data).unwrap(), &[1.0, 0.4, 0.52]);
    }
}

#[test]
fn floats_of_another_range_are_refused_and_the_suggested_scaling_is_accepted() {
    let gray: Tags = &[(BITS, &[32]), (PHOTOMETRIC, BLACK_IS_ZERO), (FORMAT, FLOAT)];
    for (values, words) in [
        ([-1.0, 0.0, 1.0], ["from -1 to 1,", "(v + 1) / 2,"]),
        ([0.0, 3.0, 12.5], ["from 0 to 12.5,", "(v + 0) / 12.5,"]),
        ([0.0, 99.5, 255.0], ["from 0 to 255,", "(v + 0) / 255,"]),
        ([0.0, 256.0, 512.0], ["from 0 to 512,", "(v + 0) / 512,"]),
        (
            [-128.0, 0.0, 128.0],
            ["from -128 to 128,", "(v + 128) / 256,"],
        ),
    ] {
        let message = row(3, gray, &floats(&values)).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{message}");
        }
        let formula = message.split_once("(v + ").unwrap().1;
        let (shift, rest) = formula.split_once(") / ").unwrap();
        let (shift, span) = (shift, rest.split_once(", and").unwrap().0);
        let (shift, span): (f32, f32) = (shift.parse().unwrap(), span.parse().unwrap());
        let scaled = values.map(|v| (v + shift) / span);
        assert_close(&row(3, gray, &floats(&scaled)).unwrap(), &scaled);
    }
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let message = row(3, gray, &floats(&[0.5, bad, bad]))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("2 float samples") && message.contains("NaN"),
            "{message}"
        );
    }
}

#[test]
fn signed_and_32_bit_integers_are_refused_with_their_range() {
    for (bits, format, data, words) in [
        (
            32,
            1,
            &[1, 0, 0, 0, 44, 1, 0, 0][..],
            "32-bit integer samples from 1 to 300,",
        ),
        (32, 2, &[255, 255, 255, 255, 7, 0, 0, 0], "from -1 to 7,"),
        (
            16,
            2,
            &[0, 128, 255, 127],
            "16-bit integer samples from -32768 to 32767,",
        ),
        (8, 2, &[128, 127], "8-bit integer samples from -128 to 127,"),
    ] {
        let tags: Tags = &[
            (BITS, &[bits]),
            (PHOTOMETRIC, BLACK_IS_ZERO),
            (FORMAT, &[format]),
        ];
        let message = row(2, tags, data).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn samples_of_unknown_meaning_are_refused() {
    let eight: &[u16] = &[8; 5];
    for (photometric, samples, extra, words) in [
        (
            2,
            5,
            &[(EXTRA, &[0, 2][..])][..],
            "does not directly follow the colors",
        ),
        (
            2,
            4,
            &[(EXTRA, &[0]), (PREDICTOR, &[2])],
            "4 samples per pixel, stored with a predictor",
        ),
        (1, 2, &[], "2 samples per pixel of unknown meaning"),
        (
            1,
            2,
            &[(EXTRA, &[0])],
            "2 samples per pixel of unknown meaning",
        ),
        (
            1,
            3,
            &[(EXTRA, &[0, 0])],
            "3 samples per pixel of unknown meaning",
        ),
        (3, 1, &[], "convert the picture to an 8- or 16-bit PNG"),
    ] {
        let bits = &eight[..usize::from(samples)];
        let tags: Tags = &[
            (BITS, bits),
            (PHOTOMETRIC, &[photometric]),
            (SAMPLES, &[samples]),
        ];
        let message = row(1, &[tags, extra].concat(), &[0; 5][..usize::from(samples)]);
        let message = message.unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        assert!(message.contains("PNG"), "{message}");
    }
}

#[test]
fn every_orientation_tag_is_applied() {
    // The upright picture is 1 2 / 3 4 / 5 6, row by row, stored in each of the eight orientations.
    for (orientation, (height, width), stored) in [
        (1, (3, 2), [1, 2, 3, 4, 5, 6]),
        (2, (3, 2), [2, 1, 4, 3, 6, 5]),
        (3, (3, 2), [6, 5, 4, 3, 2, 1]),
        (4, (3, 2), [5, 6, 3, 4, 1, 2]),
        (5, (2, 3), [1, 3, 5, 2, 4, 6]),
        (6, (2, 3), [2, 4, 6, 1, 3, 5]),
        (7, (2, 3), [6, 4, 2, 5, 3, 1]),
        (8, (2, 3), [5, 3, 1, 6, 4, 2]),
    ] {
        let tags: Tags = &[
            (BITS, &[8]),
            (PHOTOMETRIC, BLACK_IS_ZERO),
            (ORIENTATION, &[orientation]),
        ];
        let picture = opened(&tiff(height, width, tags, &stored)).unwrap();
        assert_eq!((picture.height, picture.width), (3, 2), "{orientation}");
        let expected = [1, 2, 3, 4, 5, 6_u8].map(|v| f32::from(v) / 255.0);
        assert_eq!(*picture.values.to_floats(), expected, "{orientation}");
    }
}

#[test]
fn predicted_lzw_files_and_big_tiff_files_are_read() {
    use tiff::encoder::{Compression, Predictor, TiffEncoder, colortype::RGB16};
    let samples: Vec<u16> = (0..45).map(|at| at * 1456).collect();
    let expected: Vec<f32> = samples.iter().map(|&v| f32::from(v) / 65535.0).collect();
    let mut files = [const { Vec::new() }; 2];
    let [small, big] = &mut files;
    let mut encoder = TiffEncoder::new(Cursor::new(small))
        .unwrap()
        .with_compression(Compression::Lzw)
        .with_predictor(Predictor::Horizontal);
    encoder.write_image::<RGB16>(5, 3, &samples).unwrap();
    let mut encoder = TiffEncoder::new_big(Cursor::new(big)).unwrap();
    encoder.write_image::<RGB16>(5, 3, &samples).unwrap();
    for file in files {
        let picture = opened(&file).unwrap();
        let size = (picture.height, picture.width, picture.channels);
        assert_eq!((size, picture.values), ((3, 5, 3), expected.clone().into()));
    }
}
