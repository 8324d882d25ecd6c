//! The embedded piece: the first bar of Bach's Prelude in C major (BWV 846), played by synthesized strings.

use std::f64::consts::TAU;

use crate::sound::Sound;

/// Sample rate in Hz.
const RATE: u32 = 22_050;
/// Seconds from one note to the next. A note continues to sound under the notes that follow.
const SECONDS_PER_NOTE: f64 = 0.25;
/// MIDI note numbers of C E G c e G c e.
const NOTES: [u8; 8] = [60, 64, 67, 72, 76, 67, 72, 76];
/// Number of harmonics of a string. Higher harmonics are fainter and decay faster.
const HARMONICS: u8 = 8;
/// Time constant of a string's attack, in seconds.
const ATTACK: f64 = 0.003;
/// Duration of the fade-out at the end of the piece, in seconds.
const FADE: f64 = 0.08;
/// Largest amplitude.
const PEAK: f64 = 0.8;

/// Synthesizes the piece: two seconds, one channel, at 22,050 Hz. Every call returns the same samples.
#[must_use]
pub fn tune() -> Sound {
    let seconds = SECONDS_PER_NOTE * NOTES.len() as f64;
    let frames = (seconds * f64::from(RATE)) as usize;
    let wave: Vec<f64> = (0..frames)
        .map(|frame| {
            let time = frame as f64 / f64::from(RATE);
            let strings = (0..).zip(NOTES).map(|(index, note)| {
                let elapsed = time - SECONDS_PER_NOTE * f64::from(index);
                if elapsed > 0.0 {
                    string(hertz(note), elapsed)
                } else {
                    0.0
                }
            });
            strings.sum::<f64>() * ((seconds - time) / FADE).min(1.0)
        })
        .collect();
    let largest = wave.iter().fold(0.0, |peak: f64, y| peak.max(y.abs()));
    let samples = wave.iter().map(|y| (y * PEAK / largest) as f32);
    match Sound::new(RATE, 1, samples.collect()) {
        Ok(sound) => sound,
        Err(error) => unreachable!("the piece has a valid rate and one channel: {error}"),
    }
}

/// Returns the frequency of a MIDI note in equal temperament (A4 = 440 Hz).
fn hertz(note: u8) -> f64 {
    440.0 * 2f64.powf((f64::from(note) - 69.0) / 12.0)
}

/// Returns the amplitude of a string `elapsed` seconds after it is struck.
fn string(hertz: f64, elapsed: f64) -> f64 {
    let attack = 1.0 - (-elapsed / ATTACK).exp();
    let waves = (1..=HARMONICS).map(|harmonic| {
        let n = f64::from(harmonic);
        let decay = (-(2.0 + 1.5 * n) * elapsed).exp();
        decay / n * (TAU * n * hertz * elapsed).sin()
    });
    attack * waves.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the power of one frequency in samples of the piece.
    fn power(samples: &[f32], hertz: f64) -> f64 {
        let terms = (0..).zip(samples).map(|(frame, &y)| {
            let phase = TAU * hertz * f64::from(frame) / f64::from(RATE);
            (f64::from(y) * phase.cos(), f64::from(y) * phase.sin())
        });
        let (real, imaginary) = terms.fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        real.powi(2) + imaginary.powi(2)
    }

    #[test]
    fn the_piece_is_two_seconds_long_begins_and_ends_in_silence_and_is_reproducible() {
        let sound = tune();
        assert_eq!((sound.rate(), sound.channels()), (22_050, 1));
        assert_eq!(sound.frames(), 44_100);
        assert!(sound.samples()[0].abs() < 1e-9);
        assert!(sound.samples()[44_099].abs() < 1e-3);
        assert!((sound.peak() - 0.8).abs() < 1e-6);
        assert_eq!(sound, tune());
    }

    #[test]
    fn every_note_is_louder_than_its_neighbors_while_it_is_played() {
        let sound = tune();
        let frames = sound.frames() / NOTES.len();
        for (samples, note) in sound.samples().chunks(frames).zip(NOTES) {
            let played = power(samples, hertz(note));
            for neighbor in [note - 1, note + 1] {
                let other = power(samples, hertz(neighbor));
                assert!(played > 5.0 * other, "{note}: {played} and {other}");
            }
        }
        assert!((hertz(69) - 440.0).abs() < 1e-12);
    }
}
