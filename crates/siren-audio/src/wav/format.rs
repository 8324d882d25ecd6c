//! Parses the `fmt ` chunk, which describes the samples: encoding, sample rate, channels.

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known as ids;

use super::riff::ByteOrder;
use crate::sound::{MAX_CHANNELS, MAX_RATE};

/// Supported encodings, for error messages.
const SUPPORTED: &str = "integer PCM of 1 to 4 bytes, 32-bit or 64-bit float, A-law and µ-law";

// Format tags.
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
/// Format tag of a chunk whose extension holds the format tag of the samples.
const EXTENSIBLE: u16 = 0xFFFE;
/// Bytes of the fields that every format has. Later fields are read for [`EXTENSIBLE`] alone.
const PLAIN_BYTES: usize = 16;
/// Bytes of an [`EXTENSIBLE`] chunk.
pub(super) const EXTENSIBLE_BYTES: u64 = 40;
/// Last eight bytes of the GUIDs that begin with a format tag: those of common encodings, and those of Ambisonics.
const TAGGED_GUID_ENDS: [[u8; 8]; 2] = [
    [0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71],
    [0x86, 0x44, 0xC8, 0xC1, 0xCA, 0x00, 0x00, 0x00],
];
/// Names of common encodings that are not supported, for error messages.
const UNSUPPORTED: [(u16, &str); 10] = [
    (0x0002, "Microsoft ADPCM"),
    (0x0011, "IMA ADPCM"),
    (0x0031, "GSM 6.10"),
    (0x0040, "G.721 ADPCM"),
    (0x0050, "MPEG layer 1 or 2"),
    (0x0055, "MP3"),
    (0x0092, "Dolby AC-3"),
    (0x00FF, "AAC"),
    (0x0161, "Windows Media Audio"),
    (0xF1AC, "FLAC"),
];

/// Layout of the samples in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) codec: AudioCodecId,
    /// Sample rate in Hz.
    pub(super) rate: u32,
    pub(super) channels: usize,
    /// Bytes of a frame, over all channels.
    pub(super) frame_bytes: usize,
}

impl Format {
    /// Parses the contents of a `fmt ` chunk. The error is a message without path and advice.
    pub(super) fn parse(chunk: &[u8], order: ByteOrder) -> Result<Self, String> {
        if chunk.len() < PLAIN_BYTES {
            return Err(format!(
                "the header has a `fmt ` chunk of {} bytes, expected at least {PLAIN_BYTES}: the file is damaged",
                chunk.len()
            ));
        }
        let short = |offset: usize| order.integer(&chunk[offset..offset + 2]) as u16;
        let (channels, frame_bytes, bits) = (short(2), usize::from(short(12)), short(14));
        let rate = order.integer(&chunk[4..8]) as u32;
        let tag = match short(0) {
            EXTENSIBLE => extended_tag(chunk, order)?,
            tag => tag,
        };
        if !(1..=MAX_RATE).contains(&rate) {
            return Err(format!(
                "the header claims a sample rate of {rate} Hz, expected 1 to {MAX_RATE}"
            ));
        }
        let channels = usize::from(channels);
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(format!(
                "the header claims {channels} channels, expected 1 to {MAX_CHANNELS}"
            ));
        }
        Ok(Self {
            codec: codec(tag, order, frame_bytes, channels, bits)?,
            rate,
            channels,
            frame_bytes,
        })
    }
}

/// Returns the format tag in the extension of an [`EXTENSIBLE`] chunk.
fn extended_tag(chunk: &[u8], order: ByteOrder) -> Result<u16, String> {
    let Some(id) = chunk.get(24..40) else {
        return Err(format!(
            "the header has an extensible `fmt ` chunk of {} bytes, expected {EXTENSIBLE_BYTES}: the file is damaged",
            chunk.len()
        ));
    };
    if !TAGGED_GUID_ENDS.iter().any(|end| id.ends_with(end)) {
        return Err(format!(
            "the samples have an unknown encoding ({id:02X?}), expected {SUPPORTED}"
        ));
    }
    // In big-endian files the tag is the lower half of a 32-bit integer, or the first two bytes.
    let offset = if order == ByteOrder::Big && id[..2] == [0, 0] {
        2
    } else {
        0
    };
    Ok(order.integer(&id[offset..offset + 2]) as u16)
}

/// Returns the codec of samples of `bits` bits in frames of `frame_bytes` bytes. Integers occupy the high bits of a sample's
/// bytes, so that 12 bits in 16, or 24 in 32, are decoded as the wider type.
fn codec(
    tag: u16,
    order: ByteOrder,
    frame_bytes: usize,
    channels: usize,
    bits: u16,
) -> Result<AudioCodecId, String> {
    let kind = match tag {
        PCM => "integer PCM",
        FLOAT => "float",
        A_LAW => "A-law",
        MU_LAW => "µ-law",
        _ => return Err(unsupported_encoding(tag)),
    };
    let bytes = frame_bytes / channels;
    let least_bytes = usize::from(bits).div_ceil(8);
    let is_wide_enough = match tag {
        PCM => (1..=bytes).contains(&least_bytes),
        FLOAT => least_bytes == bytes,
        _ => true,
    };
    let codec = codec_of(tag, order, bytes).filter(|_| frame_bytes.is_multiple_of(channels));
    codec.filter(|_| is_wide_enough).ok_or_else(|| {
        format!(
            "the header claims {kind} of {bits} bits, with {frame_bytes} bytes for {channels} channels; expected {SUPPORTED}"
        )
    })
}

/// Returns the codec of samples of `bytes` bytes each.
fn codec_of(tag: u16, order: ByteOrder, bytes: usize) -> Option<AudioCodecId> {
    Some(match (tag, bytes, order) {
        (PCM, 1, _) => ids::CODEC_ID_PCM_U8,
        (PCM, 2, ByteOrder::Little) => ids::CODEC_ID_PCM_S16LE,
        (PCM, 2, ByteOrder::Big) => ids::CODEC_ID_PCM_S16BE,
        (PCM, 3, ByteOrder::Little) => ids::CODEC_ID_PCM_S24LE,
        (PCM, 3, ByteOrder::Big) => ids::CODEC_ID_PCM_S24BE,
        (PCM, 4, ByteOrder::Little) => ids::CODEC_ID_PCM_S32LE,
        (PCM, 4, ByteOrder::Big) => ids::CODEC_ID_PCM_S32BE,
        (FLOAT, 4, ByteOrder::Little) => ids::CODEC_ID_PCM_F32LE,
        (FLOAT, 4, ByteOrder::Big) => ids::CODEC_ID_PCM_F32BE,
        (FLOAT, 8, ByteOrder::Little) => ids::CODEC_ID_PCM_F64LE,
        (FLOAT, 8, ByteOrder::Big) => ids::CODEC_ID_PCM_F64BE,
        (A_LAW, 1, _) => ids::CODEC_ID_PCM_ALAW,
        (MU_LAW, 1, _) => ids::CODEC_ID_PCM_MULAW,
        _ => return None,
    })
}

/// Builds the message for an encoding that is not supported.
fn unsupported_encoding(tag: u16) -> String {
    let entry = UNSUPPORTED.iter().find(|(known, _)| *known == tag);
    let name = entry.map_or("unknown", |(_, name)| *name);
    format!(
        "the encoding of the samples is {name} (format tag {tag:#06X}), which is not supported; expected {SUPPORTED}"
    )
}
