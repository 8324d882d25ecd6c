//! Tests of WAV files as other programs write them, valid ones and ones that violate the RIFF specification.

use std::fs::{self, File};
use std::path::PathBuf;
use std::slice;

use tempfile::TempDir;

use super::*;
use crate::sound::Sound;

/// Length that programs write when they do not know it.
const PLACEHOLDER: u32 = u32::MAX;
/// Last fourteen bytes of the GUID of a format, after the format tag.
const GUID_END: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71";

/// Builds a chunk with its header and, if its length is odd, its pad byte.
fn chunk(id: [u8; 4], contents: &[u8]) -> Vec<u8> {
    let pad = vec![0; contents.len() % 2];
    [chunk_claiming(id, contents.len() as u32, contents), pad].concat()
}

/// Builds a chunk whose header claims `length` bytes, without a pad byte.
fn chunk_claiming(id: [u8; 4], length: u32, contents: &[u8]) -> Vec<u8> {
    [&id[..], &length.to_le_bytes(), contents].concat()
}

/// Builds a file of chunks. The RIFF length is a placeholder.
fn riff(form: [u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    [
        &form[..],
        &PLACEHOLDER.to_le_bytes(),
        b"WAVE",
        &chunks.concat(),
    ]
    .concat()
}

/// Builds a `fmt ` chunk for 8000 Hz.
fn fmt(tag: u16, channels: u16, frame_bytes: u16, bits: u16, extension: &[u8]) -> Vec<u8> {
    let rate = 8000_u32;
    let contents = [
        &tag.to_le_bytes()[..],
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(frame_bytes)).to_le_bytes(),
        &frame_bytes.to_le_bytes(),
        &bits.to_le_bytes(),
        extension,
    ];
    chunk(*b"fmt ", &contents.concat())
}

/// Builds a `fmt ` chunk for 8000 Hz with the format tag in the extension.
fn extensible(tag: u16, channels: u16, frame_bytes: u16, valid_bits: u16) -> Vec<u8> {
    let extension = [
        &22_u16.to_le_bytes()[..],
        &valid_bits.to_le_bytes(),
        &[0; 4],
        &tag.to_le_bytes(),
        &GUID_END,
    ];
    let bits = 8 * frame_bytes / channels;
    fmt(0xFFFE, channels, frame_bytes, bits, &extension.concat())
}

/// Encodes 16-bit samples.
fn shorts(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|y| y.to_le_bytes()).collect()
}

/// Temporary folder that holds the file of a test.
struct TestFolder(TempDir);

impl TestFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("foreign.wav");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, bytes: &[u8]) -> Result<Sound> {
        let file = WavFile::open(&self.write(bytes))?;
        let frames = file.frames();
        file.read(0..frames)
    }

    /// Asserts that a file is read as the expected samples.
    #[track_caller]
    fn assert_reads(&self, bytes: &[u8], expected: &[f32]) {
        let values = self.read(bytes).unwrap().into_samples();
        assert_eq!(values.len(), expected.len(), "{values:?}");
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-7, "{values:?}");
        }
    }

    /// Asserts that a file is rejected with a message that contains `words`.
    #[track_caller]
    fn assert_rejects(&self, bytes: &[u8], words: &[&str]) {
        let message = self.read(bytes).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "expected `{word}` in {message}");
        }
    }
}

/// 16-bit samples that most tests write.
const SAMPLES: [i16; 4] = [0, 16_384, -16_384, -32_768];
/// Amplitudes of [`SAMPLES`].
const AMPLITUDES: [f32; 4] = [0.0, 0.5, -0.5, -1.0];

#[test]
fn a_file_with_a_placeholder_length_is_read_to_its_end() {
    let folder = TestFolder::new();
    let format = fmt(1, 1, 2, 16, &[]);
    let samples = shorts(&SAMPLES);
    for claimed in [
        u32::MAX,
        u32::MAX - 1,
        u32::MAX - 36,
        0xFFFF_FFFC,
        0x8000_0000,
        0x7FFF_FFFF,
        0x7FFF_FFDB,
        0x7FFF_FF00,
        0x7FFF_F000,
        0,
    ] {
        let data = chunk_claiming(*b"data", claimed, &samples);
        let file = riff(*b"RIFF", &[format.clone(), data.clone()]);
        folder.assert_reads(&file, &AMPLITUDES);
        // A trailing half sample is ignored.
        folder.assert_reads(&[&file[..], &[7]].concat(), &AMPLITUDES);
        for length in [0, 36, 0x7FFF_F024_u32] {
            let mut file = file.clone();
            file[4..8].copy_from_slice(&length.to_le_bytes());
            folder.assert_reads(&file, &AMPLITUDES);
        }
    }
}

#[test]
fn an_empty_data_chunk_is_rejected_even_if_other_chunks_follow() {
    let folder = TestFolder::new();
    let empty = [fmt(1, 1, 2, 16, &[]), chunk(*b"data", &[])];
    folder.assert_rejects(&riff(*b"RIFF", &empty), &["contains no samples"]);
    let tagged = [&empty[..], &[chunk(*b"LIST", b"INFOISFT\x03\0\0\0abc\0")]].concat();
    folder.assert_rejects(&riff(*b"RIFF", &tagged), &["contains no samples"]);
    let part = [fmt(1, 2, 4, 16, &[]), chunk(*b"data", &[1, 2, 3])];
    folder.assert_rejects(&riff(*b"RIFF", &part), &["contains no samples"]);
}

#[test]
fn chunks_of_odd_length_are_read_with_and_without_their_pad_byte() {
    let folder = TestFolder::new();
    let odd = b"INFOICMT\x05\0\0\0hello";
    let (format, data) = (fmt(1, 1, 2, 16, &[]), chunk(*b"data", &shorts(&SAMPLES)));
    for id in [*b"LIST", *b"bext", *b"junk"] {
        for list in [chunk(id, odd), chunk_claiming(id, odd.len() as u32, odd)] {
            let before = [list.clone(), format.clone(), data.clone()];
            folder.assert_reads(&riff(*b"RIFF", &before), &AMPLITUDES);
            let between = [format.clone(), list.clone(), data.clone()];
            folder.assert_reads(&riff(*b"RIFF", &between), &AMPLITUDES);
            let behind = [format.clone(), data.clone(), list];
            folder.assert_reads(&riff(*b"RIFF", &behind), &AMPLITUDES);
        }
    }
    // A pad byte need not be 0.
    let list = [
        chunk_claiming(*b"LIST", odd.len() as u32, odd),
        b"x".to_vec(),
    ]
    .concat();
    let file = riff(*b"RIFF", &[format, list, data]);
    folder.assert_reads(&file, &AMPLITUDES);
}

#[test]
fn integers_are_scaled_by_their_bytes_for_any_number_of_valid_bits() {
    let folder = TestFolder::new();
    let values = [0.0, 0.5, -0.25, -1.0];
    for (bytes, valid) in [
        (4, 24),
        (4, 20),
        (4, 32),
        (3, 20),
        (3, 24),
        (2, 12),
        (2, 16),
    ] {
        let integer = |y: f64| ((y * 2f64.powi(31)) as i32).to_le_bytes()[4 - bytes..].to_vec();
        let data: Vec<u8> = values.iter().flat_map(|&y| integer(y)).collect();
        let data = chunk(*b"data", &data);
        let expected = values.map(|y| y as f32);
        let header = extensible(1, 2, 2 * bytes as u16, valid);
        folder.assert_reads(&riff(*b"RIFF", &[header, data.clone()]), &expected);
        let header = fmt(1, 2, 2 * bytes as u16, valid, &[]);
        folder.assert_reads(&riff(*b"RIFF", &[header, data]), &expected);
    }
    let data = chunk(*b"data", &[0, 64, 128, 192, 255]);
    let expected = [-1.0, -0.5, 0.0, 0.5, 127.0 / 128.0];
    for header in [fmt(1, 1, 1, 8, &[]), extensible(1, 1, 1, 7)] {
        folder.assert_reads(&riff(*b"RIFF", &[header, data.clone()]), &expected);
    }
}

#[test]
fn floats_of_32_and_64_bits_are_read_after_a_format_chunk_of_any_length() {
    let folder = TestFolder::new();
    let values = [0.5, -0.125, 1.5];
    let singles: Vec<u8> = values.iter().flat_map(|y: &f32| y.to_le_bytes()).collect();
    let doubles = values.iter().flat_map(|&y| f64::from(y).to_le_bytes());
    let doubles: Vec<u8> = doubles.collect();
    for (bytes, data) in [(4, singles), (8, doubles)] {
        let data = chunk(*b"data", &data);
        for extra in [0, 2, 4, 7, 24, 50] {
            let header = fmt(3, 1, bytes, 8 * bytes, &vec![0; extra]);
            folder.assert_reads(&riff(*b"RIFF", &[header, data.clone()]), &values);
        }
        let header = extensible(3, 1, bytes, 8 * bytes);
        folder.assert_reads(&riff(*b"RIFF", &[header, data]), &values);
    }
}

#[test]
fn a_law_and_mu_law_are_decoded() {
    let folder = TestFolder::new();
    // Smallest and largest amplitudes of both signs, from ITU-T G.711.
    let a_law = ([0xD5, 0x55, 0xAA, 0x2A], [8, -8, 32_256, -32_256]);
    let mu_law = ([0xFF, 0x7F, 0x80, 0x00], [0, 0, 32_124, -32_124]);
    for (tag, (bytes, integers)) in [(6, a_law), (7, mu_law)] {
        let expected = integers.map(|y| y as f32 / 32_768.0);
        let data = chunk(*b"data", &bytes);
        for header in [
            fmt(tag, 1, 1, 8, &[]),
            fmt(tag, 1, 1, 8, &[0; 2]),
            extensible(tag, 1, 1, 8),
        ] {
            folder.assert_reads(&riff(*b"RIFF", &[header, data.clone()]), &expected);
        }
    }
}

/// Converts a file with a 44-byte header to big-endian byte order.
fn big_endian(bytes: &[u8], sample_bytes: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[..4].copy_from_slice(b"RIFX");
    for offset in [4, 16, 24, 28, 40] {
        bytes[offset..offset + 4].reverse();
    }
    for offset in [20, 22, 32, 34] {
        bytes[offset..offset + 2].reverse();
    }
    bytes[44..]
        .chunks_exact_mut(sample_bytes)
        .for_each(<[u8]>::reverse);
    bytes
}

#[test]
fn big_endian_files_are_read() {
    let folder = TestFolder::new();
    let file = riff(
        *b"RIFF",
        &[
            fmt(1, 2, 4, 16, &[]),
            chunk_claiming(*b"data", PLACEHOLDER, &shorts(&SAMPLES)),
        ],
    );
    let file = big_endian(&file, 2);
    folder.assert_reads(&file, &AMPLITUDES);
    assert_eq!(folder.read(&file).unwrap().channels(), 2);
    let doubles = AMPLITUDES.map(|y| f64::from(y).to_le_bytes()).concat();
    let file = riff(
        *b"RIFF",
        &[fmt(3, 1, 8, 64, &[]), chunk(*b"data", &doubles)],
    );
    folder.assert_reads(&big_endian(&file, 8), &AMPLITUDES);
    let bytes: Vec<u8> = SAMPLES.iter().map(|y| (y / 256 + 128) as u8).collect();
    let file = riff(*b"RIFF", &[fmt(1, 1, 1, 8, &[]), chunk(*b"data", &bytes)]);
    folder.assert_reads(&big_endian(&file, 1), &AMPLITUDES);
}

/// Builds a `ds64` chunk, which holds the 64-bit lengths of the file and of its samples in bytes.
fn ds64(data_bytes: u64) -> Vec<u8> {
    let lengths = [1000, data_bytes, 0].map(u64::to_le_bytes).concat();
    chunk(*b"ds64", &[&lengths[..], &[0; 4]].concat())
}

#[test]
fn the_64_bit_length_of_rf64_and_bw64_files_is_used() {
    let folder = TestFolder::new();
    let format = fmt(1, 1, 2, 16, &[]);
    let data = chunk_claiming(*b"data", PLACEHOLDER, &shorts(&SAMPLES));
    for form in [*b"RF64", *b"BW64"] {
        let file = |length| riff(form, &[ds64(length), format.clone(), data.clone()]);
        folder.assert_reads(&file(8), &AMPLITUDES);
        // A chunk after the samples is not read as samples.
        let list = chunk(*b"LIST", b"INFO");
        folder.assert_reads(&[file(8), list].concat(), &AMPLITUDES);
        folder.assert_reads(&file(4), &AMPLITUDES[..2]);
        // The lengths of a file that was written to a pipe.
        folder.assert_reads(&file(0), &AMPLITUDES);
        folder.assert_reads(&file(u64::MAX), &AMPLITUDES);
        folder.assert_reads(&riff(form, &[format.clone(), data.clone()]), &AMPLITUDES);
        folder.assert_rejects(&file(1 << 40), &["549755813888 frames", "ends after 4"]);
    }
}

#[test]
fn a_part_after_4_gib_is_read_although_the_length_in_the_header_is_wrapped() {
    let folder = TestFolder::new();
    let header = [fmt(1, 1, 2, 16, &[]), chunk_claiming(*b"data", 16, &[])];
    let path = folder.write(&riff(*b"RIFF", &header));
    let start = fs::metadata(&path).unwrap().len();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(start + (1 << 32) + 16).unwrap();
    let frames = (1 << 31) + 8;
    assert_eq!(WavFile::open(&path).unwrap().frames(), frames);
    let end = WavFile::open(&path).unwrap().read(frames - 5..frames);
    assert_eq!(end.unwrap().samples(), [0.0; 5]);
}

#[test]
fn unsupported_encodings_and_damaged_headers_are_rejected_with_the_reason() {
    let folder = TestFolder::new();
    let data = chunk(*b"data", &shorts(&SAMPLES));
    let format = fmt(1, 1, 2, 16, &[]);
    for (header, words) in [
        (fmt(2, 1, 2, 4, &[]), ["Microsoft ADPCM", "ffmpeg"]),
        (fmt(0x55, 1, 1, 0, &[]), ["MP3", "ffmpeg"]),
        (extensible(0x11, 1, 2, 4), ["IMA ADPCM", "ffmpeg"]),
        (fmt(0x1234, 1, 2, 16, &[]), ["0x1234", "ffmpeg"]),
        (fmt(0xFFFE, 1, 2, 16, &[]), ["16 bytes", "damaged"]),
        (fmt(1, 1, 8, 64, &[]), ["64 bits", "64-bit float"]),
        (fmt(3, 1, 2, 16, &[]), ["float of 16 bits", "ffmpeg"]),
        (fmt(1, 3, 4, 16, &[]), ["4 bytes for 3", "ffmpeg"]),
        (chunk(*b"fmt ", &[1, 0]), ["2 bytes", "damaged"]),
    ] {
        folder.assert_rejects(&riff(*b"RIFF", &[header, data.clone()]), &words);
    }
    let late = riff(*b"RIFF", &[data, format.clone()]);
    folder.assert_rejects(&late, &["before the `fmt ` chunk"]);
    folder.assert_rejects(
        &riff(*b"RIFF", slice::from_ref(&format)),
        &["before its samples"],
    );
    let long = chunk_claiming(*b"LIST", 5000, &[0; 50]);
    folder.assert_rejects(&riff(*b"RIFF", &[format, long]), &["before its samples"]);
}

#[test]
fn any_number_of_channels_up_to_32_is_read() {
    let folder = TestFolder::new();
    for channels in [3, 5, 7, 31, 32] {
        let values: Vec<i16> = (0..3 * channels as i16).map(|y| 100 * y).collect();
        for header in [
            fmt(1, channels, 2 * channels, 16, &[]),
            extensible(1, channels, 2 * channels, 16),
        ] {
            let file = riff(*b"RIFF", &[header, chunk(*b"data", &shorts(&values))]);
            let sound = folder.read(&file).unwrap();
            assert_eq!((sound.channels(), sound.frames()), (channels.into(), 3));
            assert!((sound.samples()[7] - 700.0 / 32_768.0).abs() < 1e-7);
        }
    }
}

#[test]
fn a_file_cut_at_any_byte_is_rejected_without_a_panic() {
    let folder = TestFolder::new();
    let chunks = [
        chunk(*b"LIST", b"INFO!"),
        extensible(1, 1, 2, 16),
        chunk(*b"data", &shorts(&SAMPLES)),
    ];
    let file = riff(*b"RIFF", &chunks);
    for bytes in 0..file.len() {
        assert!(folder.read(&file[..bytes]).is_err(), "{bytes}");
    }
    folder.assert_reads(&file, &AMPLITUDES);
}
