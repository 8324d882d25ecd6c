//! Artifacts of a finished run.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_run::Exhibit;

use crate::Audio;
use crate::draw::Tracks;
use crate::field::amplitude;
use crate::wav::WavFileWriter;

/// Writes the artifacts of a finished run: `target.wav`, `value.wav` (the fit) and `error.wav` (fit minus target), all in the
/// amplitude of the input, and pictures of their waveforms and spectrograms. Returns how a page shows them.
///
/// # Errors
/// If the field cannot be evaluated or a file cannot be written.
pub(crate) fn write_artifacts(audio: &Audio, field: &Siren, folder: &Path) -> Result<Vec<Exhibit>> {
    let sound = audio.sound();
    sound.save(folder.join("target.wav"))?;
    let (rate, channels, peak) = (sound.rate(), sound.channels(), audio.metadata().peak);
    let create =
        |name: &str| WavFileWriter::create(&folder.join(name), rate, channels, sound.frames());
    let (mut fit, mut error) = (create("value.wav")?, create("error.wav")?);
    let mut tracks = Tracks::default();
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / (channels as f32 * peak);
    let mut targets = sound.samples().chunks_exact(channels);
    audio.fitted_timeline()?.for_each_chunk(field, |values| {
        for (values, target) in values.chunks_exact(channels).zip(targets.by_ref()) {
            let amplitudes: Vec<f32> = values.iter().map(|&y| amplitude(y, peak)).collect();
            let errors: Vec<f32> = amplitudes.iter().zip(target).map(|(y, t)| y - t).collect();
            fit.push(&amplitudes)?;
            error.push(&errors)?;
            tracks.target.push(mean(target));
            tracks.fit.push(mean(&amplitudes));
            tracks.error.push(mean(&errors));
        }
        Ok(())
    })?;
    fit.finish()?;
    error.finish()?;
    tracks.save_waveforms(&folder.join("waveforms.png"))?;
    tracks.save_spectrograms(rate, folder)?;
    Ok(exhibits(rate))
}

fn exhibits(rate: u32) -> Vec<Exhibit> {
    let half = f64::from(rate) / 2000.0;
    let axes = format!("Time runs to the right, frequency upward to {half} kHz.");
    let sounds = [("Target", "target"), ("Fit", "value"), ("Error", "error")];
    let sound = |(title, stem): (&str, &str)| {
        let picture = format!("{stem}_spectrogram.png");
        Exhibit::sound(title, &format!("{stem}.wav"), &picture).captioned(&axes)
    };
    let waveforms = Exhibit::picture("Waveforms", "waveforms.png")
        .captioned("From the top: target, fit, and fit minus target.");
    sounds.map(sound).into_iter().chain([waveforms]).collect()
}
