//! The track of a file that is decoded, and what the file says of it.

use std::path::Path;

use siren_core::{Error, Result};
use symphonia::core::codecs::audio::well_known as ids;
use symphonia::core::codecs::audio::{AudioCodecId, AudioDecoder, AudioDecoderOptions};
use symphonia::core::formats::well_known::FORMAT_ID_OGG;
use symphonia::core::formats::{FormatId, FormatReader, TrackType};

use super::head::{ADVICE, unreadable};
use crate::sound::{MAX_CHANNELS, MAX_RATE};

/// Codecs that people meet and that are not decoded here.
const OTHERS: [(AudioCodecId, &str); 6] = [
    (ids::CODEC_ID_AAC, "AAC"),
    (ids::CODEC_ID_ALAC, "ALAC"),
    (ids::CODEC_ID_MP1, "MPEG layer 1"),
    (ids::CODEC_ID_MP2, "MPEG layer 2"),
    (ids::CODEC_ID_OPUS, "Opus"),
    (ids::CODEC_ID_SPEEX, "Speex"),
];

/// What the file says of the track.
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) format: FormatId,
    /// Frames of the sound, if a header says so.
    pub(super) claimed: Option<usize>,
    /// Frames that the encoder put before the sound and behind it.
    pub(super) delay: usize,
    pub(super) padding: usize,
}

/// The track that is decoded, and its decoder.
pub(super) fn select(
    path: &Path,
    format: &dyn FormatReader,
) -> Result<(Track, Box<dyn AudioDecoder>)> {
    let track = format.default_track(TrackType::Audio);
    let codec = track.and_then(|track| track.codec_params.as_ref()?.audio());
    let (Some(track), Some(codec)) = (track, codec) else {
        let message = format!(
            "has no sound in it that is decoded here; give WAV, FLAC, MP3, Ogg Vorbis or AIFF; {ADVICE}"
        );
        return Err(Error::signal(path, message));
    };
    let kind = format.format_info().format;
    // What Ogg cuts off is said by the pages themselves; else, what a header says of the end is weighed where the end is known.
    let options = AudioDecoderOptions::default().gapless(kind == FORMAT_ID_OGG);
    let decoder = symphonia::default::get_codecs().make_audio_decoder(codec, &options);
    let decoder = decoder.map_err(|failure| {
        let name = OTHERS.iter().find(|other| other.0 == codec.codec);
        match name {
            Some((_, name)) => Error::signal(
                path,
                format!("its sound is {name}, which is not decoded here; {ADVICE}"),
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

/// An error for a rate or a number of channels that is out of range.
pub(super) fn judge(path: &Path, rate: u32, channels: usize) -> Result<()> {
    if (1..=MAX_RATE).contains(&rate) && (1..=MAX_CHANNELS).contains(&channels) {
        return Ok(());
    }
    let message = format!(
        "claims {channels} channels at {rate} Hz, expected 1 to {MAX_CHANNELS} at 1 to {MAX_RATE} Hz; {ADVICE}"
    );
    Err(Error::signal(path, message))
}
