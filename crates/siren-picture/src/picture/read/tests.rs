use std::path::PathBuf;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{Frame, ImageBuffer, ImageEncoder, Luma, LumaA, Rgb, Rgba, RgbaImage};
use tempfile::TempDir;

use super::*;
use crate::picture::ColorMode;

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// 160 x 120 pixels with enough detail to fill some kilobytes.
fn detailed() -> DynamicImage {
    DynamicImage::ImageRgb8(ImageBuffer::from_fn(160, 120, |x, y| {
        Rgb([0, 1, 2].map(|k| (x * x + y * (37 + k) + x * y * k).to_le_bytes()[0]))
    }))
}

fn png(color: png::ColorType, depth: png::BitDepth, width: u32, data: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, 1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![0, 0, 0, 9, 9, 9, 255, 255, 255, 200, 200, 200]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    file
}

fn message(path: &Path) -> String {
    let error = Picture::open(path, ColorMode::Auto).unwrap_err();
    assert!(matches!(error, Error::Signal { .. }), "{error}");
    error.to_string()
}

#[test]
fn gray_files_stay_gray_and_color_files_stay_color() {
    let folder = tempfile::tempdir().unwrap();
    let gray = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(3, 2, Luma([51])));
    let color = DynamicImage::ImageRgb8(ImageBuffer::from_pixel(3, 2, Rgb([51; 3])));
    for (image, channels) in [(gray, 1), (color, 3)] {
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Tiff,
            ImageFormat::Pnm,
        ] {
            // The name lies about the format.
            let path = write(&folder, "a.gif", &encoded(&image, format));
            let open = |color| Picture::open(&path, color).unwrap();
            assert_eq!(open(ColorMode::Auto).channels, channels, "{format:?}");
            for (color, count) in [(ColorMode::Gray, 1), (ColorMode::Rgb, 3)] {
                let picture = open(color);
                assert_eq!(
                    (picture.height, picture.width, picture.channels),
                    (2, 3, count)
                );
                assert_eq!(picture.values.len(), 6 * count);
                assert!(picture.values.iter().all(|v| (v - 0.2).abs() < 0.005));
            }
        }
    }
}

#[test]
fn every_bit_depth_spans_zero_to_one() {
    use png::{BitDepth, ColorType};
    let folder = tempfile::tempdir().unwrap();
    for (depth, data, expected) in [
        (BitDepth::One, vec![0b0100_0000], vec![0.0, 1.0]),
        (BitDepth::Two, vec![0b0110_0000], vec![1.0 / 3.0, 2.0 / 3.0]),
        (BitDepth::Four, vec![0x3F], vec![0.2, 1.0]),
        (BitDepth::Eight, vec![51, 255], vec![0.2, 1.0]),
        (
            BitDepth::Sixteen,
            vec![0x80, 1, 0xFF, 0xFF],
            vec![32769.0 / 65535.0, 1.0],
        ),
    ] {
        let path = write(
            &folder,
            "a.png",
            &png(ColorType::Grayscale, depth, 2, &data),
        );
        let picture = Picture::open(&path, ColorMode::Auto).unwrap();
        assert_eq!(
            (picture.channels, picture.values),
            (1, expected),
            "{depth:?}"
        );
    }
    let indexed = png(ColorType::Indexed, BitDepth::Two, 2, &[0b1011_0000]);
    let picture = Picture::open(&write(&folder, "a.png", &indexed), ColorMode::Auto).unwrap();
    let dim = 200.0 / 255.0;
    assert_eq!(picture.values, [1.0, 1.0, 1.0, dim, dim, dim]);
}

#[test]
fn alpha_is_flattened_over_white() {
    let folder = tempfile::tempdir().unwrap();
    let rgba = ImageBuffer::from_fn(2, 1, |x, _| Rgba([255, 0, 51, [51, 0][x as usize]]));
    let gray = ImageBuffer::from_fn(2, 1, |x, _| LumaA([0_u16, [13107, 65535][x as usize]]));
    for (image, expected) in [
        (
            DynamicImage::ImageRgba8(rgba),
            vec![1.0, 0.8, 0.84, 1.0, 1.0, 1.0],
        ),
        (DynamicImage::ImageLumaA16(gray), vec![0.8, 0.0]),
    ] {
        let path = write(&folder, "a.png", &encoded(&image, ImageFormat::Png));
        let picture = Picture::open(&path, ColorMode::Auto).unwrap();
        assert_eq!(picture.values.len(), expected.len());
        for (value, expected) in picture.values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{value} {expected}");
        }
    }
}

#[test]
fn the_first_frame_of_a_gif_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new(&mut file);
    for shade in [255, 0] {
        let frame = RgbaImage::from_pixel(4, 3, Rgba([shade, 0, 0, 255]));
        encoder.encode_frame(Frame::new(frame)).unwrap();
    }
    drop(encoder);
    let picture = Picture::open(&write(&folder, "a.gif", &file), ColorMode::Auto).unwrap();
    assert_eq!((picture.height, picture.width, picture.channels), (3, 4, 3));
    assert_eq!(picture.values[..3], [1.0, 0.0, 0.0]);
}

#[test]
fn exif_orientation_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    // Little endian TIFF header; one entry: orientation (0x112), short, 6 = rotate by 90 degrees clockwise.
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
    exif.extend([0; 4]);
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 100);
    encoder.set_exif_metadata(exif).unwrap();
    let image = ImageBuffer::from_fn(16, 8, |x, _| Luma([if x < 8 { 255_u8 } else { 0 }]));
    image.write_with_encoder(encoder).unwrap();
    let picture = Picture::open(&write(&folder, "a.jpg", &file), ColorMode::Auto).unwrap();
    assert_eq!((picture.height, picture.width), (16, 8));
    assert!(picture.values[..64].iter().all(|&v| v > 0.98));
    assert!(picture.values[64..].iter().all(|&v| v < 0.02));
}

#[test]
fn a_cut_file_is_an_error_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::Gif,
        ImageFormat::Pnm,
    ] {
        let whole = encoded(&detailed(), format);
        let name = format!("a.{}", format.extensions_str()[0]);
        Picture::open(&write(&folder, &name, &whole), ColorMode::Auto).unwrap();
        for percent in [5, 30, 60, 95] {
            let cut = &whole[..whole.len() * percent / 100];
            let text = message(&write(&folder, &name, cut));
            let advice = ["again", "PNG"].iter().any(|word| text.contains(word));
            assert!(advice, "{percent}%: {text}");
        }
    }
}

#[test]
fn bytes_after_the_end_of_a_jpeg_do_not_matter_and_a_thumbnail_is_not_its_end() {
    let whole = encoded(&detailed(), ImageFormat::Jpeg);
    assert!(jpeg_ends(&[&whole[..], b"trailer"].concat()));
    // An APP1 segment that holds a complete small JPEG.
    let thumbnail = encoded(&detailed().thumbnail(16, 16), ImageFormat::Jpeg);
    let length = u16::try_from(thumbnail.len() + 2).unwrap().to_be_bytes();
    let start = [
        &[0xFF, 0xD8, 0xFF, 0xE1][..],
        &length,
        &thumbnail,
        &whole[2..],
    ]
    .concat();
    assert!(jpeg_ends(&start));
    assert!(!jpeg_ends(&start[..start.len() / 2]));
}

#[test]
fn a_gigantic_header_is_refused_before_decoding() {
    let folder = tempfile::tempdir().unwrap();
    let mut big = png(png::ColorType::Grayscale, png::BitDepth::Eight, 2, &[0; 2]);
    for (width, height) in [(60_000_u32, 60_000_u32), (16_385, 1), (16_000, 16_000)] {
        big[16..20].copy_from_slice(&width.to_be_bytes());
        big[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&big[12..29]).to_be_bytes();
        big[29..33].copy_from_slice(&checksum);
        let text = message(&write(&folder, "a.png", &big));
        assert!(text.contains(&format!("{height}x{width} pixels")), "{text}");
    }
    for header in ["P5 60000 60000 255\n", "P4 60000 60000\n"] {
        let text = message(&write(&folder, "a.pnm", header.as_bytes()));
        assert!(text.contains("60000x60000"), "{text}");
    }
    let mut gif = encoded(&detailed(), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    assert!(message(&write(&folder, "a.gif", &gif)).contains("65535x65535"));
    gif[6..10].copy_from_slice(&[0; 4]);
    message(&write(&folder, "a.gif", &gif));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn what_is_no_picture_is_named_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Picture::open(&folder.path().join("no.png"), ColorMode::Auto).unwrap_err();
    assert!(
        matches!(missing, Error::Io { action: "open", .. }),
        "{missing}"
    );
    assert!(message(folder.path()).contains("folder"));
    assert!(message(&write(&folder, "a.png", b"")).contains("empty"));
    let text = message(&write(&folder, "a.png", b"Dear diary, today"));
    assert!(text.contains("PNG, JPEG, WebP"), "{text}");
    for start in [
        &b"\0\0\0\x1cftypavif"[..],
        b"v/1\x01",
        b"#?RADIANCE\n",
        b"\x89PNG\r\n\x1a\n",
    ] {
        message(&write(&folder, "a.png", start));
    }
}
