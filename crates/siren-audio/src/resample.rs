//! A sound at another rate.

use num_integer::Integer;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use siren_core::{Error, Result};

use crate::sound::{MAX_VALUES, Sound};

/// Frames that are transformed at once, at the least.
const BLOCK_FRAMES: usize = 4096;

/// The same sound at `rate`, without what that rate cannot hold: band-limited, of the same length to within a frame.
pub(crate) fn resampled(sound: &Sound, rate: u32) -> Result<Sound> {
    let frames = sound.frames();
    let ratio = f64::from(rate) / f64::from(sound.rate);
    let bad = |why: String| {
        let expected = format!(
            "a rate to which {frames} frames of {} channels at {} Hz can be resampled ({why})",
            sound.channels, sound.rate
        );
        Error::invalid("signal.rate", rate, &expected)
    };
    if ratio * sound.values.len() as f64 > MAX_VALUES as f64 {
        return Err(bad(format!("at most {MAX_VALUES} samples in all")));
    }
    let (from, to) = (sound.rate as usize, rate as usize);
    // An even number of the smallest blocks: the delay that is taken off, half of a block, is then a whole number of frames.
    let pair = 2 * from / from.gcd(&to);
    let block = pair * BLOCK_FRAMES.div_ceil(pair);
    let resampler = Fft::<f32>::new(from, to, block, sound.channels, FixedSync::Both);
    let mut resampler = resampler.map_err(|error| bad(error.to_string()))?;
    let input = InterleavedSlice::new(&sound.values, sound.channels, frames);
    let input = input.map_err(|error| bad(error.to_string()))?;
    let output = resampler.process_all(&input, frames, None);
    let values = output.map_err(|error| bad(error.to_string()))?.take_data();
    if values.is_empty() {
        return Err(bad("not a single frame is left".to_owned()));
    }
    Ok(Sound {
        rate,
        channels: sound.channels,
        values,
    })
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// Two channels of one second: a tone, and another an octave above at half its amplitude.
    fn tones(rate: u32, hertz: f64) -> Sound {
        let frame = |at: u32| {
            let phase = TAU * hertz * f64::from(at) / f64::from(rate);
            [phase.sin() as f32, 0.5 * (2.0 * phase).sin() as f32]
        };
        Sound {
            rate,
            channels: 2,
            values: (0..rate).flat_map(frame).collect(),
        }
    }

    #[test]
    fn a_tone_keeps_its_pitch_phase_and_amplitude_at_any_rate() {
        for (from, to) in [(44_100, 48_000), (48_000, 16_000), (8000, 22_050)] {
            let given = resampled(&tones(from, 440.0), to).unwrap();
            assert_eq!((given.rate, given.channels), (to, 2));
            assert!(given.frames().abs_diff(to as usize) <= 1);
            let expected = tones(to, 440.0);
            // Both ends are not band-limited.
            let inner = to as usize / 5..to as usize / 5 * 8;
            let pairs = given.values[inner.clone()]
                .iter()
                .zip(&expected.values[inner]);
            let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(largest < 2e-3, "{from} → {to}: {largest}");
        }
    }

    #[test]
    fn what_the_rate_cannot_hold_is_gone_instead_of_folded_back() {
        let given = resampled(&tones(44_100, 6000.0), 8000).unwrap();
        let inner = &given.values[3200..12_800];
        assert!(inner.iter().all(|y| y.abs() < 1e-2));
    }
}
