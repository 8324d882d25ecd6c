//! Selects the audio track of a file and its decoder.

use std::path::Path;

use siren_core::{Error, Result};
use symphonia::core::codecs::audio::well_known as ids;
use symphonia::core::codecs::audio::{AudioCodecId, AudioDecoder, AudioDecoderOptions};
use symphonia::core::formats::well_known::FORMAT_ID_OGG;
use symphonia::core::formats::{FormatId, FormatReader, TrackType};

use super::head::{ADVICE, unreadable};
use crate::sound::{MAX_CHANNELS, MAX_RATE};

/// Names of common codecs that are not supported, for error messages.
const UNSUPPORTED: [(AudioCodecId, &str); 6] = [
    (ids::CODEC_ID_AAC, "AAC"),
    (ids::CODEC_ID_ALAC, "ALAC"),
    (ids::CODEC_ID_MP1, "MPEG layer 1"),
    (ids::CODEC_ID_MP2, "MPEG layer 2"),
    (ids::CODEC_ID_OPUS, "Opus"),
    (ids::CODEC_ID_SPEEX, "Speex"),
];

/// Properties of the selected track, from the headers of the file.
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) format: FormatId,
    /// Number of frames of the sound that a header claims, without delay and padding.
    pub(super) claimed: Option<usize>,
    /// Number of frames that the encoder inserted before the sound.
    pub(super) delay: usize,
    /// Number of frames that the encoder appended to the sound.
    pub(super) padding: usize,
}

/// Selects the default audio track and makes its decoder.
///
/// # Errors
/// [`Error::Signal`] if the file has no audio track, or one of an unsupported codec.
pub(super) fn select(
    path: &Path,
    format: &dyn FormatReader,
) -> Result<(Track, Box<dyn AudioDecoder>)> {
    let track = format.default_track(TrackType::Audio);
    let codec = track.and_then(|track| track.codec_params.as_ref()?.audio());
    let (Some(track), Some(codec)) = (track, codec) else {
        let message = format!(
            "contains no supported sound, expected WAV, FLAC, MP3, Ogg Vorbis or AIFF; {ADVICE}"
        );
        return Err(Error::signal(path, message));
    };
    let kind = format.format_info().format;
    // The pages of an Ogg file say which frames to trim, so the decoder trims them. In other formats the header's padding is
    // trimmed later, and only if the file has as many frames as claimed.
    let options = AudioDecoderOptions::default().gapless(kind == FORMAT_ID_OGG);
    let decoder = symphonia::default::get_codecs().make_audio_decoder(codec, &options);
    let decoder = decoder.map_err(|failure| {
        let entry = UNSUPPORTED.iter().find(|(id, _)| *id == codec.codec);
        match entry {
            Some((_, name)) => Error::signal(
                path,
                format!("the codec is {name}, which is not supported; {ADVICE}"),
            ),
            None => unreadable(path, failure),
        }
    })?;
    let [delay, padding] = [track.delay, track.padding].map(|frames| frames.unwrap_or(0) as usize);
    let (delay, padding) = if kind == FORMAT_ID_OGG {
        (0, 0)
    } else {
        (delay, padding)
    };
    let claimed = track.num_frames.filter(|_| kind != FORMAT_ID_OGG);
    let track = Track {
        id: track.id,
        format: kind,
        claimed: claimed.map(|frames| frames as usize),
        delay,
        padding,
    };
    Ok((track, decoder))
}

/// Checks the sample rate (in Hz) and the number of channels of a file.
pub(super) fn check_range(path: &Path, rate: u32, channels: usize) -> Result<()> {
    if (1..=MAX_RATE).contains(&rate) && (1..=MAX_CHANNELS).contains(&channels) {
        return Ok(());
    }
    let message = format!(
        "the file claims {channels} channels at {rate} Hz, expected 1 to {MAX_CHANNELS} channels at 1 to {MAX_RATE} Hz; {ADVICE}"
    );
    Err(Error::signal(path, message))
}
