//! FLAC, MP3 and Ogg Vorbis files.

use std::fs::File;
use std::path::Path;

use siren_core::{Error, Result};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Failure;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use crate::config::AudioSignal;
use crate::sound::{MAX_CHANNELS, MAX_RATE, MAX_VALUES, Sound};

/// A file whose first audio track is being decoded.
struct Encoded<'a> {
    path: &'a Path,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// As the file says, if it does.
    frames: Option<u64>,
}

/// The part that a config asks for; decoding ends where that part ends.
///
/// # Errors
/// [`Error::Signal`] if the file has no sound that is decoded here, is damaged, ends before it says, or has more than is fitted.
pub(crate) fn read(path: &Path, signal: &AudioSignal) -> Result<Sound> {
    let mut encoded = Encoded::open(path)?;
    let sound = encoded.decode(signal)?;
    let part = signal.part(sound.rate, sound.frames())?;
    Ok(sound.part(part))
}

impl<'a> Encoded<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let mut hint = Hint::new();
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            hint.with_extension(extension);
        }
        let (formats, codecs) = (
            symphonia::default::get_probe(),
            symphonia::default::get_codecs(),
        );
        let options = (FormatOptions::default(), MetadataOptions::default());
        let format = formats.probe(&hint, stream, options.0, options.1);
        let format = format.map_err(|failure| failed(path, &failure))?;
        let track = format.default_track(TrackType::Audio);
        let codec = track.and_then(|track| track.codec_params.as_ref()?.audio());
        let (Some(track), Some(codec)) = (track, codec) else {
            let message =
                "has no sound in it that is decoded here; give FLAC, MP3, Ogg Vorbis or WAV";
            return Err(Error::signal(path, message));
        };
        let decoder = codecs.make_audio_decoder(codec, &AudioDecoderOptions::default());
        Ok(Self {
            path,
            decoder: decoder.map_err(|failure| failed(path, &failure))?,
            track: track.id,
            frames: track.num_frames,
            format,
        })
    }

    /// From the beginning to the end, or to that of the part that is asked for.
    fn decode(&mut self, signal: &AudioSignal) -> Result<Sound> {
        let mut sound = Sound {
            rate: 0,
            channels: 1,
            values: Vec::new(),
        };
        let mut piece: Vec<f32> = Vec::new();
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(Failure::IoError(error)) if error.raw_os_error().is_none() => break,
                Err(failure) => return Err(failed(self.path, &failure)),
            };
            if packet.track_id != self.track {
                continue;
            }
            let decoded = self.decoder.decode(&packet);
            let decoded = decoded.map_err(|failure| failed(self.path, &failure))?;
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
            if sound.values.is_empty() {
                judge(self.path, rate, channels)?;
                (sound.rate, sound.channels) = (rate, channels);
            } else if (sound.rate, sound.channels) != (rate, channels) {
                let message =
                    "changes its rate or its number of channels on the way; convert it to WAV";
                return Err(Error::signal(self.path, message));
            }
            decoded.copy_to_vec_interleaved(&mut piece);
            sound.values.extend_from_slice(&piece);
            if let Some(length) = signal.length
                && sound.frames() as f64 > (signal.start + length) * f64::from(rate) + 1.0
            {
                return Ok(sound);
            }
            if sound.values.len() > MAX_VALUES {
                let message = format!(
                    "is too long to be fitted, expected at most {MAX_VALUES} samples in all; fit a part of it with `signal.length`"
                );
                return Err(Error::signal(self.path, message));
            }
        }
        self.complete(&sound)?;
        Ok(sound)
    }

    /// An error if less was there than the file says.
    fn complete(&self, sound: &Sound) -> Result<()> {
        let found = sound.frames() as u64;
        let message = match self.frames {
            _ if found == 0 => "has no sound in it: it is empty or cut short".to_owned(),
            Some(claimed) if found < claimed => format!(
                "claims {claimed} frames, but ends after {found}: it is cut short; copy it again, or fit a part of what is there \
                 with `signal.length`"
            ),
            _ => return Ok(()),
        };
        Err(Error::signal(self.path, message))
    }
}

fn failed(path: &Path, failure: &Failure) -> Error {
    let message = format!(
        "cannot be decoded ({failure}): it is damaged, or of a kind that is not read here; convert it to WAV"
    );
    Error::signal(path, message)
}

fn judge(path: &Path, rate: u32, channels: usize) -> Result<()> {
    if (1..=MAX_RATE).contains(&rate) && (1..=MAX_CHANNELS).contains(&channels) {
        return Ok(());
    }
    let message = format!(
        "claims {channels} channels at {rate} Hz, expected 1 to {MAX_CHANNELS} at 1 to {MAX_RATE} Hz; convert it to WAV"
    );
    Err(Error::signal(path, message))
}
