//! Sounds for pages: WAV files with 16 bits a sample, half of what runs write.

use std::io::Cursor;
use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::embed::Reason;

/// Returns a WAV file of 32-bit floats as one of 16-bit integers, with amplitudes beyond 1 clipped. Files of integers are returned as they are.
pub(crate) fn with_16_bits(bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, Reason> {
    let fail = |error: hound::Error| format!("{} cannot be read as WAV: {error}", path.display());
    let mut reader = WavReader::new(Cursor::new(&bytes)).map_err(fail)?;
    let spec = reader.spec();
    if spec.sample_format == SampleFormat::Int {
        return Ok(bytes);
    }
    let spec = WavSpec {
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
        ..spec
    };
    let mut written = Cursor::new(Vec::with_capacity(bytes.len() / 2));
    let mut writer = WavWriter::new(&mut written, spec).map_err(fail)?;
    for sample in reader.samples::<f32>() {
        let sample = sample.map_err(fail)?.clamp(-1.0, 1.0);
        let level = (sample * f32::from(i16::MAX)).round() as i16;
        writer.write_sample(level).map_err(fail)?;
    }
    writer.finalize().map_err(fail)?;
    Ok(written.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_become_integers_and_what_is_no_sound_is_named() {
        let spec = WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for sample in [0.0, 0.5, -1.0, 3.0_f32] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        let path = Path::new("a.wav");
        let small = with_16_bits(bytes.into_inner(), path).unwrap();
        let mut reader = WavReader::new(Cursor::new(&small)).unwrap();
        assert_eq!(
            (reader.spec().channels, reader.spec().sample_rate),
            (2, 8000)
        );
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [0, 16_384, -32_767, 32_767]);
        assert_eq!(with_16_bits(small.clone(), path).unwrap(), small);
        let reason = with_16_bits(b"no sound".to_vec(), path).unwrap_err();
        assert!(
            reason.starts_with("a.wav cannot be read as WAV"),
            "{reason}"
        );
    }
}
