//! The spectrum of a picture, of some rows and columns if it is large.

use siren_core::Result;
use siren_core::signal::{Grid, Spectrum};
use siren_picture::Picture;

/// Largest number of pixels of a picture of which all rows and columns are transformed.
const ALL_LINES: usize = 1 << 25;
/// About so many rows, and so many columns, are transformed of a larger one, at equal distances.
const LINES: usize = 1024;
/// Columns that are read together.
const COLUMNS: usize = 64;

/// Returns the spectrum of the targets `2 y − 1` of a picture on its grid; `None` if all pixels are equal.
///
/// # Errors
/// [`Error::Io`](siren_core::Error::Io) if a temporary file cannot be read.
pub(crate) fn of(picture: &Picture, grid: &Grid) -> Result<Option<Spectrum>> {
    let is_large = picture.height * picture.width > ALL_LINES;
    of_lines(picture, grid, if is_large { LINES } else { usize::MAX })
}

/// Returns the spectrum of about so many rows, and so many columns.
fn of_lines(picture: &Picture, grid: &Grid, lines: usize) -> Result<Option<Spectrum>> {
    Spectrum::of_lines(grid, |axis, take| match axis {
        0 => for_each_column(picture, lines, take),
        _ => for_each_row(picture, lines, take),
    })
}

fn for_each_row(picture: &Picture, rows: usize, take: &mut dyn FnMut(&[f32])) -> Result<()> {
    let (width, channels) = (picture.width, picture.channels);
    let mut line = vec![0.0; width];
    for row in (0..picture.height).step_by(picture.height.div_ceil(rows)) {
        let start = row * width * channels;
        let values = picture.values.read(start..start + width * channels)?;
        for channel in 0..channels {
            let values = values.iter().skip(channel).step_by(channels);
            for (target, value) in line.iter_mut().zip(values) {
                *target = 2.0 * value - 1.0;
            }
            take(&line);
        }
    }
    Ok(())
}

fn for_each_column(picture: &Picture, columns: usize, take: &mut dyn FnMut(&[f32])) -> Result<()> {
    let (height, width, channels) = (picture.height, picture.width, picture.channels);
    let mut line = vec![0.0; height];
    let chosen: Vec<usize> = (0..width).step_by(width.div_ceil(columns)).collect();
    for columns in chosen.chunks(COLUMNS) {
        let pixels = (0..height).flat_map(|row| columns.iter().map(move |at| row * width + at));
        let values = picture.values.gather(pixels, channels)?;
        let per_row = columns.len() * channels;
        for first in 0..per_row {
            let values = values.iter().skip(first).step_by(per_row);
            for (target, value) in line.iter_mut().zip(values) {
                *target = 2.0 * value - 1.0;
            }
            take(&line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use siren_core::signal::{CoordinateRule, Raster};
    use siren_picture::Values;

    use super::*;

    /// Returns a picture of waves of several lengths, and its grid.
    fn waves(height: usize, width: usize) -> (Picture, Grid) {
        let value = |at: usize| {
            let (row, column, channel) = (at / 3 / width, at / 3 % width, at % 3);
            let phase = |period: f64| (row + 2 * column + channel) as f64 / period;
            let sum = phase(3.7).sin() + phase(9.1).cos() + phase(31.0).sin();
            ((sum / 3.0 + 1.0) * 127.0) as u8
        };
        let picture = Picture {
            height,
            width,
            channels: 3,
            values: Values::Bytes((0..height * width * 3).map(value).collect()),
        };
        let grid = Grid::new(&[height, width], CoordinateRule::Aspect).unwrap();
        (picture, grid)
    }

    #[test]
    fn all_lines_give_the_bits_of_the_raster() {
        for (height, width) in [(70, 131), (131, 70), (1, 9), (9, 1)] {
            let (picture, grid) = waves(height, width);
            let targets = picture.values.iter().map(|y| 2.0 * y - 1.0).collect();
            let raster = Raster::new(grid.clone(), 3, targets).unwrap();
            let expected = Spectrum::of(&raster);
            assert_eq!(of(&picture, &grid).unwrap(), expected);
            assert!(expected.is_some());
        }
    }

    #[test]
    fn some_lines_give_about_the_same_centroid() {
        let (picture, grid) = waves(500, 400);
        let [all, some] = [usize::MAX, 40].map(|lines| {
            let spectrum = of_lines(&picture, &grid, lines).unwrap();
            spectrum.unwrap().centroid
        });
        assert!((some / all - 1.0).abs() < 0.01, "{all} {some}");
        assert!((some - all).abs() > 0.0, "they are the same lines");
    }
}
