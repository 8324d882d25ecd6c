//! Large PNG files, which are reduced while they are read, row by row.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::{DynamicImage, GrayImage, RgbImage};
use png::{BitDepth, ColorType, Decoder, DecodingError, Reader};

/// Bytes of a decoded picture that is decoded as a whole.
const WHOLE: u64 = 1 << 25;

/// A picture of which every pixel is the mean of a square of pixels of a file.
pub(crate) struct Reduced {
    pub(crate) picture: DynamicImage,
    /// Sides of the file in pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Reads a large PNG file of 8 bits, gray or RGB, with at least twice as many pixels a side as `side`; `None` for every other file.
///
/// Each pixel is the mean of `k × k` pixels, of fewer at the right and bottom edge, with the largest `k` that leaves `2 side` pixels on the longer
/// side.
///
/// # Errors
/// If pixels are missing or damaged.
pub(crate) fn reduced(path: &Path, side: u32) -> Result<Option<Reduced>, DecodingError> {
    let Ok(file) = File::open(path) else {
        return Ok(None);
    };
    let Ok(reader) = Decoder::new(BufReader::new(file)).read_info() else {
        return Ok(None);
    };
    let info = reader.info();
    let (width, height) = info.size();
    let factor = width.max(height) / (2 * side);
    let channels = match (info.color_type, info.bit_depth) {
        (ColorType::Grayscale, BitDepth::Eight) => 1,
        (ColorType::Rgb, BitDepth::Eight) => 3,
        _ => return Ok(None),
    };
    let bytes = u64::from(width) * u64::from(height) * channels as u64;
    if info.interlaced || info.animation_control.is_some() || bytes <= WHOLE || factor < 2 {
        return Ok(None);
    }
    let pixels = means(reader, factor as usize, channels)?;
    let (columns, rows) = (width.div_ceil(factor), height.div_ceil(factor));
    let picture = if channels == 1 {
        GrayImage::from_raw(columns, rows, pixels).map(DynamicImage::from)
    } else {
        RgbImage::from_raw(columns, rows, pixels).map(DynamicImage::from)
    };
    Ok(picture.map(|picture| Reduced {
        picture,
        width,
        height,
    }))
}

/// Returns the means of squares of `factor` pixels a side.
fn means(
    mut reader: Reader<BufReader<File>>,
    factor: usize,
    channels: usize,
) -> Result<Vec<u8>, DecodingError> {
    let (width, height) = reader.info().size();
    let (width, height) = (width as usize, height as usize);
    let columns = width.div_ceil(factor);
    let mut sums = vec![0_u32; columns * channels];
    let mut row = vec![0; width * channels];
    let mut pixels = Vec::with_capacity(columns * height.div_ceil(factor) * channels);
    for at in 1..=height {
        reader.read_row(&mut row)?;
        let squares = row.chunks(factor * channels);
        for (sums, square) in sums.chunks_exact_mut(channels).zip(squares) {
            for pixel in square.chunks_exact(channels) {
                for (sum, &byte) in sums.iter_mut().zip(pixel) {
                    *sum += u32::from(byte);
                }
            }
        }
        if !at.is_multiple_of(factor) && at < height {
            continue;
        }
        let rows = (at - 1) % factor + 1;
        for (k, sum) in sums.iter_mut().enumerate() {
            let first = k / channels * factor;
            let count = (rows * factor.min(width - first)) as u32;
            pixels.push(((*sum + count / 2) / count) as u8);
            *sum = 0;
        }
    }
    // The decoder checks the end of the pixels when it is asked for one more row.
    reader.read_row(&mut row)?;
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_large_picture_becomes_the_means_of_squares_of_its_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        // Squares of 3 × 3 pixels have the mean of their middle, which the edges lack.
        let value = |x: u32, y: u32| [x % 200, y % 200, (x + y) % 200].map(|v| v as u8);
        let large = RgbImage::from_fn(6002, 2000, |x, y| Rgb(value(x, y)));
        large.save(&path).unwrap();
        let small = reduced(&path, 1000).unwrap().unwrap();
        assert_eq!((small.width, small.height), (6002, 2000));
        let picture = small.picture.into_rgb8();
        assert_eq!(picture.dimensions(), (2001, 667));
        for (x, y) in [(0, 0), (10, 20), (60, 61), (1999, 500)] {
            assert_eq!(picture.get_pixel(x, y).0, value(3 * x + 1, 3 * y + 1));
        }
        // Columns 6000 and 6001 of rows 1998 and 1999: 0 and 1, 198 and 199, 198, 199, 199 and 0.
        assert_eq!(picture.get_pixel(2000, 666).0, [1, 199, 149]);
        let mut cut = std::fs::read(&path).unwrap();
        cut.truncate(cut.len() / 2);
        std::fs::write(&path, cut).unwrap();
        assert!(reduced(&path, 1000).is_err());
    }

    #[test]
    fn small_files_and_other_files_are_left_to_the_decoder_of_whole_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        assert!(reduced(&path, 1000).unwrap().is_none(), "it is missing");
        RgbImage::new(4100, 20).save(&path).unwrap();
        assert!(reduced(&path, 1000).unwrap().is_none(), "it is small");
        image::RgbaImage::new(4100, 3000).save(&path).unwrap();
        assert!(reduced(&path, 1000).unwrap().is_none(), "it has alpha");
        std::fs::write(&path, "no picture").unwrap();
        assert!(reduced(&path, 1000).unwrap().is_none(), "it is no PNG");
    }
}
