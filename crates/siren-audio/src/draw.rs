//! Pictures of sounds: their waves, and which frequencies are heard when.

use std::path::Path;

use image::{Rgb, RgbImage};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use siren_core::{Error, Result};

/// Columns of a picture.
const WIDTH: u32 = 1000;
/// Rows of each of the panels.
const HEIGHT: u32 = 200;
/// Rows between panels.
const GAP: u32 = 6;
/// Decibels from the darkest color to the brightest, which is a sine of the sound's largest amplitude.
const RANGE_DB: f64 = 90.0;
/// Seconds of a spectrum, to the nearest power of two of samples.
const WINDOW_SECONDS: f64 = 0.03;
const BACKGROUND: Rgb<u8> = Rgb([255; 3]);
const AXIS: Rgb<u8> = Rgb([215; 3]);
const INK: Rgb<u8> = Rgb([31, 78, 121]);

/// Target, fit and fit less target, each the mean of its channels, in amplitudes of which the target's largest is 1.
#[derive(Default)]
pub(crate) struct Tracks(pub(crate) [Vec<f32>; 3]);

impl Tracks {
    /// Three panels from the top: waves on a scale of −1 to 1.
    pub(crate) fn save_waveforms(&self, path: &Path) -> Result<()> {
        let row = |y: f32| {
            (f64::from(1.0 - y.clamp(-1.0, 1.0)) * 0.5 * f64::from(HEIGHT - 1)).round() as u32
        };
        self.save(path, |track, picture, top| {
            for x in 0..WIDTH {
                picture.put_pixel(x, top + HEIGHT / 2, AXIS);
                let [first, after] = [x, x + 1].map(|x| x as usize * track.len() / WIDTH as usize);
                // Up to the first sample of the next column, so that the wave is not torn.
                let seen = &track[first..(after + 1).clamp(first + 1, track.len())];
                let low = seen.iter().copied().fold(f32::INFINITY, f32::min);
                let high = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                for y in row(high)..=row(low) {
                    picture.put_pixel(x, top + y, INK);
                }
            }
        })
    }

    /// Three panels from the top: time to the right, frequency up from 0 to half the rate, 90 dB from dark to bright.
    pub(crate) fn save_spectrograms(&self, rate: u32, path: &Path) -> Result<()> {
        let size = (f64::from(rate) * WINDOW_SECONDS).clamp(32.0, 8192.0) as usize;
        let size = size.next_power_of_two();
        self.save(path, |track, picture, top| {
            for x in 0..WIDTH {
                let center = (f64::from(x) + 0.5) * track.len() as f64 / f64::from(WIDTH);
                let spectrum = decibels(track, center as isize - size as isize / 2, size);
                for y in 0..HEIGHT {
                    let place = |y: u32| y as usize * spectrum.len() / HEIGHT as usize;
                    let bins = place(y)..place(y + 1).max(place(y) + 1);
                    let loudest = spectrum[bins]
                        .iter()
                        .copied()
                        .fold(f64::NEG_INFINITY, f64::max);
                    let shade = 1.0 + loudest / RANGE_DB;
                    picture.put_pixel(x, top + HEIGHT - 1 - y, color(shade.clamp(0.0, 1.0)));
                }
            }
        })
    }

    fn save(&self, path: &Path, draw: impl Fn(&[f32], &mut RgbImage, u32)) -> Result<()> {
        let height = self.0.len() as u32 * (HEIGHT + GAP) - GAP;
        let mut picture = RgbImage::from_pixel(WIDTH, height, BACKGROUND);
        for (panel, track) in self.0.iter().enumerate() {
            draw(track, &mut picture, panel as u32 * (HEIGHT + GAP));
        }
        let saved = picture.save(path);
        saved.map_err(|error| Error::signal(path, format!("cannot be written: {error}")))
    }
}

/// Of `size` samples from `start`, silence where there are none, under Hann's window: 0 dB is a sine of amplitude 1.
fn decibels(track: &[f32], start: isize, size: usize) -> Vec<f64> {
    let sample = |at: usize| {
        let place = usize::try_from(start + at as isize).ok();
        let y = place.and_then(|place| track.get(place));
        let phase = std::f64::consts::TAU * at as f64 / size as f64;
        Complex::new(
            y.map_or(0.0, |&y| f64::from(y)) * (0.5 - 0.5 * phase.cos()),
            0.0,
        )
    };
    let mut line: Vec<Complex<f64>> = (0..size).map(sample).collect();
    FftPlanner::new().plan_fft_forward(size).process(&mut line);
    // The window's sum is size / 2, and half of a sine's amplitude is at negative frequencies.
    let scale = 4.0 / size as f64;
    let bins = line[..size / 2].iter();
    bins.map(|z| 20.0 * (scale * z.norm()).max(1e-12).log10())
        .collect()
}

/// From black through violet and orange to a pale yellow, of rising lightness.
fn color(shade: f64) -> Rgb<u8> {
    const STOPS: [[f64; 3]; 6] = [
        [0.0, 0.0, 4.0],
        [66.0, 10.0, 104.0],
        [147.0, 38.0, 103.0],
        [221.0, 81.0, 58.0],
        [252.0, 165.0, 10.0],
        [252.0, 255.0, 164.0],
    ];
    let place = shade * (STOPS.len() - 1) as f64;
    let low = (place as usize).min(STOPS.len() - 2);
    let t = place - low as f64;
    Rgb(std::array::from_fn(|k| {
        (STOPS[low][k] + t * (STOPS[low + 1][k] - STOPS[low][k])).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_of_full_amplitude_has_no_decibels_at_its_frequency_and_few_elsewhere() {
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
    fn a_tone_is_a_bright_line_at_its_height_and_silence_is_dark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let rate = 8000u32;
        let tone =
            |k: u32| (std::f64::consts::TAU * 1000.0 * f64::from(k) / f64::from(rate)).sin() as f32;
        let track: Vec<f32> = (0..rate).map(tone).collect();
        let tracks = Tracks([track, vec![0.0; rate as usize], vec![0.5; 3]]);
        tracks.save_spectrograms(rate, &path).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert_eq!(picture.height(), 3 * HEIGHT + 2 * GAP);
        // A quarter of half the rate is a quarter of the height from the panel's foot.
        let line = HEIGHT - 1 - HEIGHT / 4;
        assert_eq!(*picture.get_pixel(500, line), color(1.0));
        assert_eq!(*picture.get_pixel(500, 10), color(0.0));
        assert_eq!(*picture.get_pixel(500, HEIGHT + GAP + line), color(0.0));
        tracks.save_waveforms(&path).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert_eq!(*picture.get_pixel(500, 2), INK);
        assert_eq!(*picture.get_pixel(500, HEIGHT + GAP + 2), BACKGROUND);
        assert_eq!(*picture.get_pixel(999, 2 * (HEIGHT + GAP) + 50), INK);
    }
}
