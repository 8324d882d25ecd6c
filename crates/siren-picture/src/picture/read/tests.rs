use std::path::PathBuf;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{Frame, ImageBuffer, ImageEncoder, Luma, LumaA, Rgb, Rgba, RgbaImage};
use tempfile::TempDir;

use super::*;
use crate::picture::{ColorMode, Values};

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

/// Returns 160 x 120 pixels of high-frequency content, which need several kilobytes in every format.
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

fn error_message(path: &Path) -> String {
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
            // The extension does not match the format.
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
fn a_picture_that_does_not_fit_into_the_free_memory_is_refused_before_it_is_decoded() {
    let path = Path::new("large.png");
    check_memory(path, 300 << 20, || 300 << 20).unwrap();
    check_memory(path, 1 << 20, || panic!("asked for a small picture")).unwrap();
    let message = check_memory(path, 300 << 20, || 299 << 20).unwrap_err();
    let expected = "needs 300 MiB of memory, of which 299 MiB are free; reduce its size first";
    assert!(message.to_string().contains(expected), "{message}");
}

#[test]
fn samples_are_kept_as_they_are_stored_unless_something_is_transparent() {
    let folder = tempfile::tempdir().unwrap();
    let opened = |image: DynamicImage, format| {
        let path = write(&folder, "a", &encoded(&image, format));
        Picture::open(&path, ColorMode::Auto).unwrap().values
    };
    let rgba = |alpha| {
        let pixel = move |x, _| Rgba([x as u8, 7, 9, alpha]);
        DynamicImage::ImageRgba8(ImageBuffer::from_fn(2, 1, pixel))
    };
    let gray = ImageBuffer::from_fn(2, 1, |x, _| Luma([x as u16 * 300 + 1]));
    let gray = DynamicImage::ImageLuma16(gray);
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let opaque = opened(rgba(255), format);
        assert!(matches!(&opaque, Values::Bytes(bytes) if *bytes == [0, 7, 9, 1, 7, 9]));
        assert!(matches!(opened(rgba(254), format), Values::Floats(_)));
        let words = opened(gray.clone(), format);
        assert!(matches!(&words, Values::Words(words) if *words == [1, 301]));
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
            (1, expected.into()),
            "{depth:?}"
        );
    }
    let indexed = png(ColorType::Indexed, BitDepth::Two, 2, &[0b1011_0000]);
    let picture = Picture::open(write(&folder, "a.png", &indexed), ColorMode::Auto).unwrap();
    let dim = 200.0 / 255.0;
    assert_eq!(*picture.values.to_floats(), [1.0, 1.0, 1.0, dim, dim, dim]);
}

#[test]
fn transparent_pixels_are_composited_over_white() {
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
fn transparent_colors_of_a_png_are_composited_over_white_or_black() {
    use png::{BitDepth, ColorType};
    let folder = tempfile::tempdir().unwrap();
    for (color, depth, data, transparent, expected) in [
        // A palette with shade 0 of alpha 0.2, and shade 9 of alpha 1.
        (
            ColorType::Indexed,
            BitDepth::Two,
            &[0b0001_0000][..],
            &[51][..],
            [0.8, 9.0 / 255.0],
        ),
        (
            ColorType::Grayscale,
            BitDepth::Eight,
            &[51, 52],
            &[0, 51],
            [1.0, 52.0 / 255.0],
        ),
        (
            ColorType::Grayscale,
            BitDepth::Sixteen,
            &[1, 2, 0xFF, 0xFF],
            &[1, 2],
            [1.0, 1.0],
        ),
        (
            ColorType::Rgb,
            BitDepth::Eight,
            &[5, 5, 5, 0, 0, 0],
            &[0, 5, 0, 5, 0, 5],
            [1.0, 0.0],
        ),
    ] {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.set_palette(vec![0, 0, 0, 9, 9, 9]);
        encoder.set_trns(transparent.to_vec());
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        let path = write(&folder, "a.png", &file);
        let over_white = Picture::open(&path, ColorMode::Gray).unwrap();
        for (value, expected) in over_white.values.iter().zip(expected) {
            assert!(
                (value - expected).abs() < 1e-6,
                "{color:?} {depth:?} {value}"
            );
        }
        let over_black = Picture::open_mask(&path).unwrap();
        assert!(over_black.values.at(0) < 1e-6, "{color:?} {depth:?}");
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
    let path = write(&folder, "a.gif", &file);
    let read = read(&path, Background::White).unwrap();
    let picture = read.picture;
    assert_eq!((picture.height, picture.width, picture.channels), (3, 4, 3));
    assert_eq!(*picture.values.part(0..3), [1.0, 0.0, 0.0]);
    assert!(read.has_more);
    let single = encoded(&detailed(), ImageFormat::Gif);
    let single = super::read(&write(&folder, "b.gif", &single), Background::White).unwrap();
    assert!(!single.has_more);
}

/// Encodes a JPEG file of two rows of three blocks of 8 x 8 pixels, each of a uniform shade, with an EXIF orientation.
fn jpeg_with_orientation(orientation: u8, stored: [[u8; 3]; 2]) -> Vec<u8> {
    // A little-endian TIFF header with one entry: orientation (0x112) of type SHORT.
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 100);
    encoder.set_exif_metadata(exif).unwrap();
    let shade = |x, y| Luma([stored[y as usize / 8][x as usize / 8]]);
    let image = ImageBuffer::from_fn(24, 16, shade);
    image.write_with_encoder(encoder).unwrap();
    file
}

#[test]
fn every_exif_orientation_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let stored = [[0, 50, 100], [150, 200, 250]];
    for (orientation, upright) in [
        (1, vec![vec![0, 50, 100], vec![150, 200, 250]]),
        (2, vec![vec![100, 50, 0], vec![250, 200, 150]]),
        (3, vec![vec![250, 200, 150], vec![100, 50, 0]]),
        (4, vec![vec![150, 200, 250], vec![0, 50, 100]]),
        (5, vec![vec![0, 150], vec![50, 200], vec![100, 250]]),
        (6, vec![vec![150, 0], vec![200, 50], vec![250, 100]]),
        (7, vec![vec![250, 100], vec![200, 50], vec![150, 0]]),
        (8, vec![vec![100, 250], vec![50, 200], vec![0, 150]]),
        // An invalid orientation.
        (9, vec![vec![0, 50, 100], vec![150, 200, 250]]),
    ] {
        let path = write(
            &folder,
            "a.jpg",
            &jpeg_with_orientation(orientation, stored),
        );
        let picture = Picture::open(&path, ColorMode::Auto).unwrap();
        let size = (8 * upright.len(), 8 * upright[0].len());
        assert_eq!((picture.height, picture.width), size, "{orientation}");
        for (row, shades) in upright.iter().enumerate() {
            for (column, &shade) in shades.iter().enumerate() {
                let shade: u8 = shade;
                let value = picture.values.at((8 * row + 4) * size.1 + 8 * column + 4);
                let expected = f32::from(shade) / 255.0;
                assert!(
                    (value - expected).abs() < 0.01,
                    "{orientation} {row} {column}"
                );
            }
        }
    }
}

#[test]
fn a_color_profile_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let image = detailed();
    let open = |file: &[u8]| Picture::open(write(&folder, "a.png", file), ColorMode::Auto).unwrap();
    let plain = open(&encoded(&image, ImageFormat::Png));
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_icc_profile(vec![7; 200]).unwrap();
    image.write_with_encoder(encoder).unwrap();
    assert!(file.windows(4).any(|chunk| chunk == b"iCCP"));
    assert_eq!(open(&file), plain);
}

#[test]
fn a_truncated_file_is_an_error_in_every_format() {
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
        Picture::open(write(&folder, &name, &whole), ColorMode::Auto).unwrap();
        for percent in [5, 30, 60, 95] {
            let truncated = &whole[..whole.len() * percent / 100];
            let text = error_message(&write(&folder, &name, truncated));
            let advice = ["again", "PNG"].iter().any(|word| text.contains(word));
            assert!(advice, "{percent}%: {text}");
        }
    }
}

#[test]
fn a_header_with_too_large_a_size_is_refused_before_decoding() {
    let folder = tempfile::tempdir().unwrap();
    let mut big = png(png::ColorType::Grayscale, png::BitDepth::Eight, 2, &[0; 2]);
    for (width, height) in [(60_000_u32, 60_000_u32), (65_536, 1), (32_000, 32_000)] {
        big[16..20].copy_from_slice(&width.to_be_bytes());
        big[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&big[12..29]).to_be_bytes();
        big[29..33].copy_from_slice(&checksum);
        let text = error_message(&write(&folder, "a.png", &big));
        assert!(text.contains(&format!("{height}x{width} pixels")), "{text}");
    }
    for header in ["P5 60000 60000 255\n", "P4 60000 60000\n"] {
        let text = error_message(&write(&folder, "a.pnm", header.as_bytes()));
        assert!(text.contains("60000x60000"), "{text}");
    }
    let mut gif = encoded(&detailed(), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    assert!(error_message(&write(&folder, "a.gif", &gif)).contains("65535x65535"));
    gif[6..10].copy_from_slice(&[0; 4]);
    error_message(&write(&folder, "a.gif", &gif));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn the_error_for_a_file_that_is_not_a_picture_suggests_formats() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Picture::open(folder.path().join("no.png"), ColorMode::Auto).unwrap_err();
    assert!(
        matches!(missing, Error::Io { action: "open", .. }),
        "{missing}"
    );
    assert!(error_message(folder.path()).contains("folder"));
    assert!(error_message(&write(&folder, "a.png", b"")).contains("empty"));
    let text = error_message(&write(&folder, "a.png", b"Dear diary, today"));
    assert!(text.contains("PNG, JPEG, WebP"), "{text}");
    for start in [
        &b"\0\0\0\x1cftypavif"[..],
        b"v/1\x01",
        b"#?RADIANCE\n",
        b"\x89PNG\r\n\x1a\n",
    ] {
        error_message(&write(&folder, "a.png", start));
    }
}
