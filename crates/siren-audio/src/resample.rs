//! Sample rate conversion.

use num_integer::Integer;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use siren_core::{Error, Result};

use crate::sound::{MAX_SAMPLES, Sound};

/// Least number of frames of one transform.
const BLOCK_FRAMES: usize = 4096;

/// Resamples a sound to `rate` Hz, band-limited to half the lower of the two rates. The duration changes by at most one
/// frame.
///
/// # Errors
/// [`Error::InvalidValue`] for `signal.rate` if the result has more than [`MAX_SAMPLES`] samples or none, or if the
/// resampler does not support the two rates.
pub(crate) fn resampled(sound: &Sound, rate: u32) -> Result<Sound> {
    let frames = sound.frames();
    let ratio = f64::from(rate) / f64::from(sound.rate());
    let invalid_rate = |reason: String| {
        let expected = format!(
            "a rate to which {frames} frames of {} channels at {} Hz can be resampled ({reason})",
            sound.channels(),
            sound.rate()
        );
        Error::invalid("signal.rate", rate, &expected)
    };
    if ratio * sound.samples().len() as f64 > MAX_SAMPLES as f64 {
        return Err(invalid_rate(format!(
            "at most {MAX_SAMPLES} samples in all"
        )));
    }
    let (from, to) = (sound.rate() as usize, rate as usize);
    // The resampler removes a delay of half a block. A block is an even multiple of the smallest possible one, so that
    // this delay is a whole number of frames.
    let pair = 2 * from / from.gcd(&to);
    let block = pair * BLOCK_FRAMES.div_ceil(pair);
    let resampler = Fft::<f32>::new(from, to, block, sound.channels(), FixedSync::Both);
    let mut resampler = resampler.map_err(|error| invalid_rate(error.to_string()))?;
    let input = InterleavedSlice::new(sound.samples(), sound.channels(), frames);
    let input = input.map_err(|error| invalid_rate(error.to_string()))?;
    let output = resampler.process_all(&input, frames, None);
    let output = output.map_err(|error| invalid_rate(error.to_string()))?;
    let samples = output.take_data();
    if samples.is_empty() {
        return Err(invalid_rate("the result has no frames".to_owned()));
    }
    Sound::new(rate, sound.channels(), samples)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// Returns one second of two channels: a tone, and the tone an octave above at half its amplitude.
    fn tones(rate: u32, hertz: f64) -> Sound {
        let frame = |index: u32| {
            let phase = TAU * hertz * f64::from(index) / f64::from(rate);
            [phase.sin() as f32, 0.5 * (2.0 * phase).sin() as f32]
        };
        Sound::new(rate, 2, (0..rate).flat_map(frame).collect()).unwrap()
    }

    #[test]
    fn a_tone_keeps_its_pitch_phase_and_amplitude_at_any_rate() {
        for (from, to) in [(44_100, 48_000), (48_000, 16_000), (8000, 22_050)] {
            let converted = resampled(&tones(from, 440.0), to).unwrap();
            assert_eq!((converted.rate(), converted.channels()), (to, 2));
            assert!(converted.frames().abs_diff(to as usize) <= 1);
            let expected = tones(to, 440.0);
            // The ends of the tone are discontinuities, which are not band-limited.
            let inner = to as usize / 5..to as usize / 5 * 8;
            let pairs = converted.samples()[inner.clone()]
                .iter()
                .zip(&expected.samples()[inner]);
            let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(largest < 2e-3, "{from} → {to}: {largest}");
        }
    }

    #[test]
    fn frequencies_above_half_the_new_rate_are_removed_without_aliasing() {
        let converted = resampled(&tones(44_100, 6000.0), 8000).unwrap();
        let inner = &converted.samples()[3200..12_800];
        assert!(inner.iter().all(|y| y.abs() < 1e-2));
    }
}
