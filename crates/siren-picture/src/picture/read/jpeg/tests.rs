use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageBuffer, Rgb};
use tempfile::TempDir;

use super::*;
use crate::picture::{ColorMode, Picture};

fn has_end_marker(bytes: &[u8]) -> bool {
    segments(bytes).any(|(marker, _)| marker == END_OF_IMAGE)
}

/// Encodes 80 x 60 pixels of high-frequency content.
fn jpeg(quality: u8, color: ExtendedColorType) -> Vec<u8> {
    let image = ImageBuffer::from_fn(80, 60, |x, y| {
        Rgb([0, 1, 2].map(|k| (x * x + y * (37 + k) + x * y * k).to_le_bytes()[0]))
    });
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, quality);
    let samples = match color {
        ExtendedColorType::L8 => DynamicImage::from(image).to_luma8().into_raw(),
        _ => image.into_raw(),
    };
    encoder.encode(&samples, 80, 60, color).unwrap();
    file
}

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read(folder.join(name)).unwrap()
}

fn opened(file: &[u8]) -> Result<Picture> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jpg");
    std::fs::write(&path, file).unwrap();
    Picture::open(&path, ColorMode::Auto)
}

#[test]
fn trailing_bytes_and_the_markers_of_a_thumbnail_are_ignored() {
    let whole = jpeg(75, ExtendedColorType::Rgb8);
    assert!(has_end_marker(&[&whole[..], b"trailer"].concat()));
    // An APP1 segment that contains a complete small JPEG file.
    let thumbnail = jpeg(10, ExtendedColorType::L8);
    let length = u16::try_from(thumbnail.len() + 2).unwrap().to_be_bytes();
    let file = [
        &[0xFF, 0xD8, 0xFF, 0xE1][..],
        &length,
        &thumbnail,
        &whole[2..],
    ]
    .concat();
    assert!(has_end_marker(&file));
    assert!(!has_end_marker(&file[..file.len() / 2]));
}

#[test]
fn a_jpeg_that_lacks_only_its_end_marker_is_read_completely() {
    for quality in [10, 75, 100] {
        for color in [ExtendedColorType::Rgb8, ExtendedColorType::L8] {
            let file = jpeg(quality, color);
            let whole = opened(&file).unwrap();
            let data = &file[..file.len() - 2];
            // No bytes, half of the marker, zeros, and fill bytes in place of the marker.
            for end in [&[][..], &[0xFF], &[0; 9], &[0xFF, 0xFF, 0xFF]] {
                assert_eq!(opened(&[data, end].concat()).unwrap(), whole, "{quality}");
            }
        }
    }
    let file = golden("progressive.jpg");
    let whole = opened(&file).unwrap();
    assert_eq!(opened(&file[..file.len() - 2]).unwrap(), whole);
}

#[test]
fn a_jpeg_that_lacks_pixels_is_refused_with_the_row_where_it_ends() {
    let file = jpeg(90, ExtendedColorType::Rgb8);
    for missing in [5, 20, 100, file.len() / 4, file.len() / 2] {
        let cut = &file[..file.len() - missing];
        let message = opened(cut).unwrap_err().to_string();
        let position = format!("end at byte {}, in row ", cut.len());
        assert!(
            message.contains(&position) && message.contains("of 60"),
            "{message}"
        );
        assert!(message.contains("cut short"), "{message}");
    }
    let row = |missing: usize| -> usize {
        let message = opened(&file[..file.len() - missing])
            .unwrap_err()
            .to_string();
        let after = message.split_once("in row ").unwrap().1;
        after.split_once(' ').unwrap().0.parse().unwrap()
    };
    assert!((49..=60).contains(&row(20)) && row(file.len() / 2) < 40);
}

#[test]
fn a_progressive_jpeg_that_lacks_a_scan_is_refused() {
    let file = golden("progressive.jpg");
    let scans = file
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair == &[0xFF, START_OF_SCAN]);
    let scans: Vec<usize> = scans.map(|(at, _)| at).collect();
    assert!(scans.len() > 4);
    for &scan in &scans[1..] {
        let message = opened(&file[..scan]).unwrap_err().to_string();
        assert!(message.contains("before the last scan"), "{message}");
    }
    // Truncated in the middle of the last scan.
    let message = opened(&file[..file.len() - 12]).unwrap_err().to_string();
    assert!(message.contains("cut short"), "{message}");
}

#[test]
fn a_cmyk_jpeg_is_converted_to_rgb() {
    let picture = opened(&golden("cmyk.jpg")).unwrap();
    assert_eq!(
        (picture.height, picture.width, picture.channels),
        (8, 16, 3)
    );
    // The left half is 80 % cyan under 20 % black, the right half 40 % yellow.
    for (at, expected) in [(0, [0.16, 0.8, 0.8]), (15, [1.0, 1.0, 0.6])] {
        for (value, expected) in picture.values.iter().skip(3 * at).zip(expected) {
            assert!((value - expected).abs() < 0.012, "{value} {expected}");
        }
    }
}
