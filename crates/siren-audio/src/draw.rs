//! Waveform and spectrogram pictures of a sound, its fit and the error.

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use siren_core::file::write_atomically;
use siren_core::{Error, Result};

/// Width of a picture in pixels.
const WIDTH: u32 = 1000;
/// Height of a panel in pixels.
const HEIGHT: u32 = 200;
/// Gap between panels in pixels.
const GAP: u32 = 6;
/// Dynamic range of a spectrogram in decibels. The brightest color, 0 dB, is a sine of the target's largest amplitude.
const RANGE_DB: f64 = 90.0;
/// Window of a spectrum in seconds, before the number of samples is rounded up to a power of two.
const WINDOW_SECONDS: f64 = 0.03;
const BACKGROUND: Rgb<u8> = Rgb([255; 3]);
const AXIS: Rgb<u8> = Rgb([215; 3]);
const INK: Rgb<u8> = Rgb([31, 78, 121]);

/// Signals `(frames,)` of the three panels of a picture: mean over the channels, scaled so that the target's largest
/// amplitude is 1.
#[derive(Default)]
pub(crate) struct Tracks {
    /// The sound that was fitted.
    pub(crate) target: Vec<f32>,
    /// The field's values.
    pub(crate) fit: Vec<f32>,
    /// Fit minus target.
    pub(crate) error: Vec<f32>,
}

impl Tracks {
    /// Saves the waveforms as three panels, from the top: target, fit and error. Amplitudes are clamped to −1 to 1.
    ///
    /// # Errors
    /// [`Error::Signal`] if the file cannot be written.
    pub(crate) fn save_waveforms(&self, path: &Path) -> Result<()> {
        let row = |y: f32| {
            (f64::from(1.0 - y.clamp(-1.0, 1.0)) * 0.5 * f64::from(HEIGHT - 1)).round() as u32
        };
        let mut picture = panels(3);
        let tracks = [&self.target, &self.fit, &self.error];
        for (track, panel) in tracks.into_iter().zip(0..) {
            let top = panel * (HEIGHT + GAP);
            for x in 0..WIDTH {
                picture.put_pixel(x, top + HEIGHT / 2, AXIS);
                let [first, next] = [x, x + 1].map(|x| x as usize * track.len() / WIDTH as usize);
                // A column includes the first sample of the next one, so that the line has no gaps.
                let samples = &track[first..(next + 1).clamp(first + 1, track.len())];
                let low = samples.iter().copied().fold(f32::INFINITY, f32::min);
                let high = samples.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                for y in row(high)..=row(low) {
                    picture.put_pixel(x, top + y, INK);
                }
            }
        }
        save(&picture, path)
    }

    /// Saves the spectrograms `target_spectrogram.png`, `value_spectrogram.png` (the fit) and `error_spectrogram.png` into a folder.
    ///
    /// Time runs to the right, frequency upward from 0 to half of `rate` (in Hz); colors span [`RANGE_DB`].
    ///
    /// # Errors
    /// [`Error::Signal`] if a file cannot be written.
    pub(crate) fn save_spectrograms(&self, rate: u32, folder: &Path) -> Result<()> {
        for (track, name) in [
            (&self.target, "target_spectrogram.png"),
            (&self.fit, "value_spectrogram.png"),
            (&self.error, "error_spectrogram.png"),
        ] {
            save(&spectrogram(track, rate), &folder.join(name))?;
        }
        Ok(())
    }
}

/// Draws the spectrogram of a track as one panel.
fn spectrogram(track: &[f32], rate: u32) -> RgbImage {
    let size = (f64::from(rate) * WINDOW_SECONDS).clamp(32.0, 8192.0) as usize;
    let size = size.next_power_of_two();
    let mut picture = panels(1);
    for x in 0..WIDTH {
        let center = (f64::from(x) + 0.5) * track.len() as f64 / f64::from(WIDTH);
        let spectrum = decibels(track, center as isize - size as isize / 2, size);
        for y in 0..HEIGHT {
            let first_bin = |y: u32| y as usize * spectrum.len() / HEIGHT as usize;
            let bins = first_bin(y)..first_bin(y + 1).max(first_bin(y) + 1);
            let loudest = spectrum[bins]
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            let shade = 1.0 + loudest / RANGE_DB;
            picture.put_pixel(x, HEIGHT - 1 - y, color(shade.clamp(0.0, 1.0)));
        }
    }
    picture
}

/// Returns an empty picture of so many panels, one below the other.
fn panels(count: u32) -> RgbImage {
    RgbImage::from_pixel(WIDTH, count * (HEIGHT + GAP) - GAP, BACKGROUND)
}

fn save(picture: &RgbImage, path: &Path) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::signal(path, format!("cannot be written: {error}")))?;
    write_atomically(path, bytes.get_ref())
}

/// Computes the Hann-windowed magnitude spectrum `(size / 2,)` of `size` samples from `start`, in decibels.
///
/// A sine of amplitude 1 has 0 dB. Samples outside the track are 0.
fn decibels(track: &[f32], start: isize, size: usize) -> Vec<f64> {
    let sample = |index: usize| {
        let position = usize::try_from(start + index as isize).ok();
        let y = position.and_then(|position| track.get(position));
        let phase = std::f64::consts::TAU * index as f64 / size as f64;
        Complex::new(
            y.map_or(0.0, |&y| f64::from(y)) * (0.5 - 0.5 * phase.cos()),
            0.0,
        )
    };
    let mut spectrum: Vec<Complex<f64>> = (0..size).map(sample).collect();
    FftPlanner::new()
        .plan_fft_forward(size)
        .process(&mut spectrum);
    // The sum of the window is size / 2, and half of a sine's amplitude is at its negative frequency.
    let scale = 4.0 / size as f64;
    let bins = spectrum[..size / 2].iter();
    bins.map(|z| 20.0 * (scale * z.norm()).max(1e-12).log10())
        .collect()
}

/// Maps a shade in [0, 1] to a color of increasing lightness: black, violet, orange, pale yellow.
fn color(shade: f64) -> Rgb<u8> {
    const STOPS: [[f64; 3]; 6] = [
        [0.0, 0.0, 4.0],
        [66.0, 10.0, 104.0],
        [147.0, 38.0, 103.0],
        [221.0, 81.0, 58.0],
        [252.0, 165.0, 10.0],
        [252.0, 255.0, 164.0],
    ];
    let position = shade * (STOPS.len() - 1) as f64;
    let low = (position as usize).min(STOPS.len() - 2);
    let t = position - low as f64;
    Rgb(std::array::from_fn(|k| {
        (STOPS[low][k] + t * (STOPS[low + 1][k] - STOPS[low][k])).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_of_amplitude_one_has_0_db_at_its_frequency_and_less_than_minus_80_db_elsewhere() {
        let tone = |k: usize| (std::f64::consts::TAU * 37.0 * k as f64 / 256.0).sin() as f32;
        let track: Vec<f32> = (0..1000).map(tone).collect();
        let spectrum = decibels(&track, 300, 256);
        assert!(spectrum[37].abs() < 1e-3);
        for (bin, loudness) in spectrum.iter().enumerate() {
            assert!(
                bin.abs_diff(37) < 2 || *loudness < -80.0,
                "{bin} {loudness}"
            );
        }
    }

    #[test]
    fn a_tone_is_drawn_as_a_bright_line_at_its_frequency_and_silence_is_black() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let rate = 8000u32;
        let tone =
            |k: u32| (std::f64::consts::TAU * 1000.0 * f64::from(k) / f64::from(rate)).sin() as f32;
        let track: Vec<f32> = (0..rate).map(tone).collect();
        let tracks = Tracks {
            target: track,
            fit: vec![0.0; rate as usize],
            error: vec![0.5; 3],
        };
        tracks.save_spectrograms(rate, folder.path()).unwrap();
        let read = |name: &str| image::open(folder.path().join(name)).unwrap().to_rgb8();
        let picture = read("target_spectrogram.png");
        assert_eq!((picture.width(), picture.height()), (WIDTH, HEIGHT));
        // 1000 Hz is a quarter of half the rate, so the line is at a quarter of the height above the bottom.
        let line = HEIGHT - 1 - HEIGHT / 4;
        assert_eq!(*picture.get_pixel(500, line), color(1.0));
        assert_eq!(*picture.get_pixel(500, 10), color(0.0));
        let silence = read("value_spectrogram.png");
        assert_eq!(*silence.get_pixel(500, line), color(0.0));
        assert_eq!(read("error_spectrogram.png").height(), HEIGHT);
        tracks.save_waveforms(&path).unwrap();
        let picture = read("a.png");
        assert_eq!(picture.height(), 3 * HEIGHT + 2 * GAP);
        assert_eq!(*picture.get_pixel(500, 2), INK);
        assert_eq!(*picture.get_pixel(500, HEIGHT + GAP + 2), BACKGROUND);
        assert_eq!(*picture.get_pixel(999, 2 * (HEIGHT + GAP) + 50), INK);
    }
}
