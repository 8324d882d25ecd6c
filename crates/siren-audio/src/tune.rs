//! The embedded piece: the first bar of Bach's Prelude in C major (BWV 846), played on computed strings.

use std::f64::consts::TAU;

use crate::sound::Sound;

/// Samples a second.
pub const RATE: u32 = 22_050;
/// From one note to the next; each goes on sounding under those that follow.
const SECONDS_PER_NOTE: f64 = 0.25;
/// MIDI numbers: C E G c e G c e.
const NOTES: [u8; 8] = [60, 64, 67, 72, 76, 67, 72, 76];
/// Waves of a string; the last is fainter and dies sooner than the first.
const HARMONICS: u8 = 8;
/// Seconds in which a string starts to sound.
const ATTACK: f64 = 0.003;
/// Seconds at the end over which everything fades.
const FADE: f64 = 0.08;
/// Largest amplitude.
const PEAK: f64 = 0.8;

/// Two seconds in one channel; the same at every call.
#[must_use]
pub fn tune() -> Sound {
    let seconds = SECONDS_PER_NOTE * NOTES.len() as f64;
    let frames = (seconds * f64::from(RATE)) as usize;
    let wave: Vec<f64> = (0..frames)
        .map(|frame| {
            let time = frame as f64 / f64::from(RATE);
            let strings = (0..).zip(NOTES).map(|(index, note)| {
                let since = time - SECONDS_PER_NOTE * f64::from(index);
                if since > 0.0 {
                    string(hertz(note), since)
                } else {
                    0.0
                }
            });
            strings.sum::<f64>() * ((seconds - time) / FADE).min(1.0)
        })
        .collect();
    let largest = wave.iter().fold(0.0, |most: f64, y| most.max(y.abs()));
    Sound {
        rate: RATE,
        channels: 1,
        values: wave.iter().map(|y| (y * PEAK / largest) as f32).collect(),
    }
}

/// In equal temperament.
fn hertz(note: u8) -> f64 {
    440.0 * 2f64.powf((f64::from(note) - 69.0) / 12.0)
}

/// A string, so many seconds after it was struck.
fn string(hertz: f64, since: f64) -> f64 {
    let attack = 1.0 - (-since / ATTACK).exp();
    let waves = (1..=HARMONICS).map(|harmonic| {
        let n = f64::from(harmonic);
        let decay = (-(2.0 + 1.5 * n) * since).exp();
        decay / n * (TAU * n * hertz * since).sin()
    });
    attack * waves.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Power of one frequency in a part of the piece.
    fn power(values: &[f32], hertz: f64) -> f64 {
        let parts = (0..).zip(values).map(|(frame, &y)| {
            let phase = TAU * hertz * f64::from(frame) / f64::from(RATE);
            (f64::from(y) * phase.cos(), f64::from(y) * phase.sin())
        });
        let (real, imaginary) = parts.fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        real.powi(2) + imaginary.powi(2)
    }

    #[test]
    fn the_piece_lasts_two_seconds_from_silence_to_silence_and_is_always_the_same() {
        let sound = tune();
        assert_eq!((sound.rate, sound.channels), (22_050, 1));
        assert_eq!(sound.values.len(), 44_100);
        assert!(sound.values[0].abs() < 1e-9);
        assert!(sound.values[44_099].abs() < 1e-3);
        assert!((sound.peak() - 0.8).abs() < 1e-6);
        assert_eq!(sound, tune());
    }

    #[test]
    fn every_note_is_heard_in_its_turn() {
        let sound = tune();
        let frames = sound.values.len() / NOTES.len();
        for (values, note) in sound.values.chunks(frames).zip(NOTES) {
            let loud = power(values, hertz(note));
            for other in [note - 1, note + 1] {
                let faint = power(values, hertz(other));
                assert!(loud > 5.0 * faint, "{note}: {loud} and {faint}");
            }
        }
        assert!((hertz(69) - 440.0).abs() < 1e-12);
    }
}
