use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use tiff::encoder::{
    Compression, DeflateLevel, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard, colortype,
};

use super::*;
use crate::picture::read::read;
use crate::picture::read::tiff::tests::{Numbers, container};

/// Rules by which every file is large, and a band has a few rows.
fn bands(color: ColorMode) -> Bands {
    Bands {
        background: Background::White,
        color,
        least: 0,
        band: 700,
    }
}

fn write(folder: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("a");
    fs::write(&path, bytes).unwrap();
    path
}

/// Returns bytes without a pattern.
fn noise(len: usize) -> Vec<u8> {
    let noise = |at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes()[0];
    (0..len as u32).map(noise).collect()
}

fn png(
    color: png::ColorType,
    depth: png::BitDepth,
    change: impl Fn(&mut png::Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 61, 47);
    encoder.set_color(color);
    encoder.set_depth(depth);
    change(&mut encoder);
    let mut writer = encoder.write_header().unwrap();
    let row = (61 * color.samples() * depth as usize).div_ceil(8);
    writer.write_image_data(&noise(47 * row)).unwrap();
    writer.finish().unwrap();
    file
}

/// Asserts that a file is read in bands, and that its picture in every color mode is that of the reader of whole files.
#[track_caller]
fn assert_same(bytes: &[u8], what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, bytes);
    for background in [Background::White, Background::Black] {
        for color in [ColorMode::Auto, ColorMode::Gray, ColorMode::Rgb] {
            let rules = Bands {
                background,
                ..bands(color)
            };
            let whole = read(&path, background).unwrap();
            let found = rules.read(&path).unwrap();
            let found = found.unwrap_or_else(|| panic!("{what} was not read in bands"));
            assert!(matches!(found.picture.values, Values::File(_)));
            let expected = whole.picture.with_color_mode(color);
            assert_eq!(found.picture, expected, "{what} {background:?} {color:?}");
            assert_eq!(found.has_more, whole.has_more, "{what}");
        }
    }
}

#[track_caller]
fn assert_whole(bytes: &[u8], what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let read = bands(ColorMode::Auto).read(&write(&folder, bytes)).unwrap();
    assert!(read.is_none(), "{what} was read in bands");
}

#[test]
fn a_png_read_in_bands_is_the_picture_of_the_whole_file() {
    use png::{BitDepth as B, ColorType as C};
    let palette: Vec<u8> = noise(3 * 256);
    for (color, depth) in [
        (C::Grayscale, B::One),
        (C::Grayscale, B::Four),
        (C::Grayscale, B::Eight),
        (C::Grayscale, B::Sixteen),
        (C::GrayscaleAlpha, B::Eight),
        (C::GrayscaleAlpha, B::Sixteen),
        (C::Rgb, B::Eight),
        (C::Rgb, B::Sixteen),
        (C::Rgba, B::Eight),
        (C::Rgba, B::Sixteen),
        (C::Indexed, B::Two),
        (C::Indexed, B::Eight),
    ] {
        let file = png(color, depth, |encoder| {
            if color == C::Indexed {
                encoder.set_palette(palette.clone());
            }
        });
        assert_same(&file, &format!("{color:?} {depth:?}"));
    }
    let transparent = png(C::Indexed, B::Eight, |encoder| {
        encoder.set_palette(palette.clone());
        encoder.set_trns(noise(200));
    });
    assert_same(&transparent, "a transparent palette");
    let transparent = png(C::Rgb, B::Eight, |encoder| {
        encoder.set_trns(vec![0, 1, 0, 2, 0, 3]);
    });
    assert_same(&transparent, "a transparent color");
}

/// The bands above are integers, and the file of those is replaced by one of floats when the first transparent pixel comes.
#[test]
fn a_picture_that_becomes_transparent_after_some_rows_is_that_of_the_whole_file() {
    for first in [0, 500, 2000, 2866] {
        let mut pixels = noise(61 * 47 * 4);
        for pixel in pixels.chunks_exact_mut(4).take(first) {
            pixel[3] = 255;
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 61, 47);
        encoder.set_color(png::ColorType::Rgba);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&pixels).unwrap();
        writer.finish().unwrap();
        assert_same(&file, &format!("alpha from pixel {first}"));
    }
}

#[test]
fn small_interlaced_animated_and_turned_files_and_other_formats_are_read_as_a_whole() {
    use png::{BitDepth, ColorType};
    let gray = |change: &dyn Fn(&mut png::Encoder<&mut Vec<u8>>)| {
        png(ColorType::Grayscale, BitDepth::Eight, change)
    };
    let plain = gray(&|_| {});
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, &plain);
    for (least, is_large) in [(61 * 47, true), (61 * 47 + 1, false)] {
        let rules = Bands {
            least,
            ..bands(ColorMode::Auto)
        };
        assert_eq!(rules.read(&path).unwrap().is_some(), is_large);
    }
    // The method of interlacing is the last byte of the header, before its checksum.
    let mut interlaced = plain.clone();
    interlaced[28] = 1;
    let crc = crc32(&interlaced[12..29]);
    interlaced[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_whole(&interlaced, "an interlaced PNG");
    assert_whole(
        &gray(&|encoder| encoder.set_animated(1, 0).unwrap()),
        "an animation",
    );
    // Little-endian TIFF data of one entry: orientation 6.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let turned = with_chunk(&plain, *b"eXIf", exif);
    assert_whole(&turned, "a turned PNG");
    let picture = read(&write(&folder, &turned), Background::White)
        .unwrap()
        .picture;
    assert_eq!(
        (picture.height, picture.width),
        (61, 47),
        "it has an orientation"
    );
    for start in ["", "GIF89a..", "P5 1 1 255 "] {
        assert_whole(start.as_bytes(), start);
    }
}

/// Returns the CRC-32 of the data of a PNG chunk.
fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), step)
    })
}

/// Inserts a chunk after the header of a PNG file.
fn with_chunk(file: &[u8], name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
    chunk.extend(name);
    chunk.extend(data);
    chunk.extend(crc32(&chunk[4..]).to_be_bytes());
    [&file[..33], &chunk, &file[33..]].concat()
}

#[test]
fn a_damaged_or_cut_file_gives_the_error_of_the_reader_of_whole_files() {
    let rgb = png(png::ColorType::Rgb, png::BitDepth::Eight, |_| {});
    let tiff = tiff::<TiffKindStandard, colortype::RGB8>(
        Compression::Deflate(DeflateLevel::default()),
        &noise(61 * 47 * 3),
    );
    let folder = tempfile::tempdir().unwrap();
    for file in [rgb, tiff] {
        let len = file.len();
        let cut =
            [1, 8, 30, 60, len / 4, len / 2, len - 700, len - 20].map(|at| file[..at].to_vec());
        let damaged = [40, 50, len / 3, len / 2, len - 700].map(|at| {
            let mut file = file.clone();
            file[at] ^= 0x55;
            file
        });
        for (k, file) in cut.iter().chain(&damaged).enumerate() {
            let path = write(&folder, file);
            let whole = read(&path, Background::White).map(|file| file.picture);
            match (bands(ColorMode::Auto).read(&path), whole) {
                (Ok(None), _) => {}
                (Ok(Some(found)), Ok(whole)) => assert_eq!(found.picture, whole, "{k}"),
                (Err(found), Err(whole)) => assert_eq!(found.to_string(), whole.to_string(), "{k}"),
                (Ok(Some(_)), Err(error)) => {
                    panic!("{k}: in bands it was read, as a whole {error}")
                }
                (Err(error), Ok(_)) => panic!("{k}: as a whole it was read, in bands {error}"),
            }
        }
    }
}

/// Encodes 61 × 47 pixels in strips of five rows.
fn tiff<K: TiffKind, C: colortype::ColorType>(
    compression: Compression,
    data: &[C::Inner],
) -> Vec<u8>
where
    [C::Inner]: tiff::encoder::TiffValue,
{
    let mut file = std::io::Cursor::new(Vec::new());
    let encoder = TiffEncoder::<_, K>::new_generic(&mut file).unwrap();
    let mut encoder = encoder.with_compression(compression);
    let mut image = encoder.new_image::<C>(61, 47).unwrap();
    image.rows_per_strip(5).unwrap();
    image.write_data(data).unwrap();
    file.into_inner()
}

#[test]
fn a_tiff_in_strips_is_the_picture_of_the_whole_file() {
    use colortype::{CMYK8, Gray8, Gray16, Gray32Float, RGB8, RGB16, RGB32Float, RGBA8, RGBA16};
    let bytes = noise(61 * 47 * 8);
    let pixels = 61 * 47;
    let words: Vec<u16> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|&b| u16::from_ne_bytes(b))
        .collect();
    let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
    let unit: Vec<f32> = floats.iter().map(|value| value / 255.0).collect();
    for compression in [
        Compression::Uncompressed,
        Compression::Lzw,
        Compression::Deflate(DeflateLevel::default()),
        Compression::Packbits,
    ] {
        type S = TiffKindStandard;
        for (what, file) in [
            ("Gray8", tiff::<S, Gray8>(compression, &bytes[..pixels])),
            ("Gray16", tiff::<S, Gray16>(compression, &words[..pixels])),
            ("RGB8", tiff::<S, RGB8>(compression, &bytes[..pixels * 3])),
            ("RGB16", tiff::<S, RGB16>(compression, &words[..pixels * 3])),
            ("RGBA8", tiff::<S, RGBA8>(compression, &bytes[..pixels * 4])),
            (
                "RGBA16",
                tiff::<S, RGBA16>(compression, &words[..pixels * 4]),
            ),
            ("CMYK8", tiff::<S, CMYK8>(compression, &bytes[..pixels * 4])),
            (
                "floats of levels",
                tiff::<S, Gray32Float>(compression, &floats[..pixels]),
            ),
            (
                "floats",
                tiff::<S, RGB32Float>(compression, &unit[..pixels * 3]),
            ),
            (
                "BigTIFF",
                tiff::<TiffKindBig, RGB8>(compression, &bytes[..pixels * 3]),
            ),
        ] {
            assert_same(&file, what);
        }
    }
    // Whole numbers in the first strips say nothing of the range of the others.
    let mut mixed = vec![1.0; pixels];
    mixed[pixels - 3] = 0.5;
    assert_same(
        &tiff::<TiffKindStandard, Gray32Float>(Compression::Lzw, &mixed),
        "ones",
    );
    let mut wrong = mixed;
    wrong[pixels - 2] = 7.5;
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder,
        &tiff::<TiffKindStandard, Gray32Float>(Compression::Lzw, &wrong),
    );
    let errors = [
        bands(ColorMode::Auto).read(&path).err().unwrap(),
        read(&path, Background::White).err().unwrap(),
    ];
    assert_eq!(errors[0].to_string(), errors[1].to_string());
}

/// Tags of an uncompressed TIFF file in tiles of 16 × 16 pixels.
struct Tiled {
    /// 47 or 48.
    height: u32,
    /// 61 or 64.
    width: u32,
    bits: u16,
    samples: u16,
    /// 1 if the samples of a pixel are beside each other, 2 for planes.
    planar: u16,
    extra: Option<u16>,
    orientation: u16,
}

impl Tiled {
    /// Encodes noise.
    fn encode(&self) -> Vec<u8> {
        let planes = if self.planar == 2 { self.samples } else { 1 };
        let tiles = u32::from(planes) * 4 * 3;
        let tile = 256 * u32::from(self.bits) * u32::from(self.samples / planes) / 8;
        let start = 4096;
        let photometric = if self.samples < 3 { 1 } else { 2 };
        let long = |tag: u16, values: Vec<u32>| (tag, Numbers::Long(values));
        let mut tags = vec![
            long(256, vec![self.width]),
            long(257, vec![self.height]),
            long(258, vec![u32::from(self.bits); usize::from(self.samples)]),
            long(259, vec![1]),
            long(262, vec![photometric]),
            long(274, vec![u32::from(self.orientation)]),
            long(277, vec![u32::from(self.samples)]),
            long(284, vec![u32::from(self.planar)]),
            long(322, vec![16]),
            long(323, vec![16]),
            long(324, (0..tiles).map(|k| start + k * tile).collect()),
            long(325, vec![tile; tiles as usize]),
        ];
        let extra = self.extra.map(|extra| (338, Numbers::Short(vec![extra])));
        tags.extend(extra);
        container(tags, start as usize, &noise((tiles * tile) as usize))
    }
}

#[test]
fn a_tiff_in_tiles_or_planes_is_the_picture_of_the_whole_file() {
    for bits in [1, 4, 8, 16] {
        for (samples, extra) in [
            (1, None),
            (3, None),
            (4, Some(1)),
            (4, Some(2)),
            (4, Some(0)),
        ] {
            for planar in [1, 2] {
                if bits < 8 && samples > 1 {
                    continue;
                }
                let mut file = Tiled {
                    height: 47,
                    width: 61,
                    bits,
                    samples,
                    planar,
                    extra,
                    orientation: 1,
                };
                let what = format!("{samples} samples of {bits} bits, {planar}, {extra:?}");
                let (planes, extra) = (planar == 2 && samples > 1, extra == Some(0));
                if planes || extra {
                    let folder = tempfile::tempdir().unwrap();
                    let path = write(&folder, &file.encode());
                    let error = read(&path, Background::White).err().unwrap();
                    assert!(error.to_string().contains("incomplete tiles"), "{error}");
                    file.height = if planes { 48 } else { 47 };
                    file.width = if extra { 64 } else { 61 };
                }
                assert_same(&file.encode(), &what);
            }
        }
    }
}

#[test]
fn a_turned_tiff_is_read_as_a_whole() {
    for orientation in 2..=8 {
        let file = Tiled {
            height: 47,
            width: 61,
            bits: 8,
            samples: 3,
            planar: 1,
            extra: None,
            orientation,
        };
        assert_whole(&file.encode(), "a turned TIFF");
    }
}
