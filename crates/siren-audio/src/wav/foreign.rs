//! WAV files as other programs write them: the rules of RIFF, and what is made of files that break them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::slice;

use tempfile::TempDir;

use super::*;
use crate::sound::Sound;

const PLACEHOLDER: u32 = u32::MAX;
/// A format's identifier without the tag that it begins with.
const GUID: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71";

/// A chunk with its header and, where it is odd, its pad byte.
fn chunk(id: [u8; 4], contents: &[u8]) -> Vec<u8> {
    let pad = vec![0; contents.len() % 2];
    [headed(id, contents.len() as u32, contents), pad].concat()
}

/// A chunk that claims a length.
fn headed(id: [u8; 4], length: u32, contents: &[u8]) -> Vec<u8> {
    [&id[..], &length.to_le_bytes(), contents].concat()
}

/// A file of chunks; its own length is a placeholder.
fn riff(form: [u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    [
        &form[..],
        &PLACEHOLDER.to_le_bytes(),
        b"WAVE",
        &chunks.concat(),
    ]
    .concat()
}

/// A `fmt ` chunk of 8000 Hz.
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

/// The same with the encoding in the extension, and so many bits that are valid.
fn extensible(tag: u16, channels: u16, frame_bytes: u16, valid_bits: u16) -> Vec<u8> {
    let extension = [
        &22_u16.to_le_bytes()[..],
        &valid_bits.to_le_bytes(),
        &[0; 4],
        &tag.to_le_bytes(),
        &GUID,
    ];
    let bits = 8 * frame_bytes / channels;
    fmt(0xFFFE, channels, frame_bytes, bits, &extension.concat())
}

/// 16-bit samples.
fn shorts(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|y| y.to_le_bytes()).collect()
}

struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("foreign.wav");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, bytes: &[u8]) -> Result<Sound> {
        let file = WavFile::open(&self.put(bytes))?;
        let frames = file.frames();
        file.read(0..frames)
    }

    #[track_caller]
    fn reads(&self, bytes: &[u8], expected: &[f32]) {
        let values = self.read(bytes).unwrap().values;
        assert_eq!(values.len(), expected.len(), "{values:?}");
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-7, "{values:?}");
        }
    }

    #[track_caller]
    fn refuses(&self, bytes: &[u8], words: &[&str]) {
        let message = self.read(bytes).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "expected `{word}` in {message}");
        }
    }
}

const SAMPLES: [i16; 4] = [0, 16_384, -16_384, -32_768];
const AMPLITUDES: [f32; 4] = [0.0, 0.5, -0.5, -1.0];

#[test]
fn a_file_that_was_written_to_a_pipe_is_read_to_its_end() {
    let shelf = Shelf::new();
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
        let data = headed(*b"data", claimed, &samples);
        let file = riff(*b"RIFF", &[format.clone(), data.clone()]);
        shelf.reads(&file, &AMPLITUDES);
        // Half a sample is none.
        shelf.reads(&[&file[..], &[7]].concat(), &AMPLITUDES);
        for length in [0, 36, 0x7FFF_F024_u32] {
            let mut file = file.clone();
            file[4..8].copy_from_slice(&length.to_le_bytes());
            shelf.reads(&file, &AMPLITUDES);
        }
    }
}

#[test]
fn a_file_without_a_sample_is_empty_and_chunks_behind_it_are_no_samples() {
    let shelf = Shelf::new();
    let empty = [fmt(1, 1, 2, 16, &[]), chunk(*b"data", &[])];
    shelf.refuses(&riff(*b"RIFF", &empty), &["not a single sample"]);
    let tagged = [&empty[..], &[chunk(*b"LIST", b"INFOISFT\x03\0\0\0abc\0")]].concat();
    shelf.refuses(&riff(*b"RIFF", &tagged), &["not a single sample"]);
    let part = [fmt(1, 2, 4, 16, &[]), chunk(*b"data", &[1, 2, 3])];
    shelf.refuses(&riff(*b"RIFF", &part), &["not a single sample"]);
}

#[test]
fn chunks_of_odd_length_are_padded_and_those_whose_pad_byte_was_forgotten_are_seen_through() {
    let shelf = Shelf::new();
    let odd = b"INFOICMT\x05\0\0\0hello";
    let (format, data) = (fmt(1, 1, 2, 16, &[]), chunk(*b"data", &shorts(&SAMPLES)));
    for id in [*b"LIST", *b"bext", *b"junk"] {
        for list in [chunk(id, odd), headed(id, odd.len() as u32, odd)] {
            let before = [list.clone(), format.clone(), data.clone()];
            shelf.reads(&riff(*b"RIFF", &before), &AMPLITUDES);
            let between = [format.clone(), list.clone(), data.clone()];
            shelf.reads(&riff(*b"RIFF", &between), &AMPLITUDES);
            let behind = [format.clone(), data.clone(), list];
            shelf.reads(&riff(*b"RIFF", &behind), &AMPLITUDES);
        }
    }
    // A pad byte need not be 0.
    let list = [headed(*b"LIST", odd.len() as u32, odd), b"x".to_vec()].concat();
    let file = riff(*b"RIFF", &[format, list, data]);
    shelf.reads(&file, &AMPLITUDES);
}

#[test]
fn integers_fill_their_bytes_from_the_top_however_many_bits_are_valid() {
    let shelf = Shelf::new();
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
        shelf.reads(&riff(*b"RIFF", &[header, data.clone()]), &expected);
        let header = fmt(1, 2, 2 * bytes as u16, valid, &[]);
        shelf.reads(&riff(*b"RIFF", &[header, data]), &expected);
    }
    let data = chunk(*b"data", &[0, 64, 128, 192, 255]);
    let expected = [-1.0, -0.5, 0.0, 0.5, 127.0 / 128.0];
    for header in [fmt(1, 1, 1, 8, &[]), extensible(1, 1, 1, 7)] {
        shelf.reads(&riff(*b"RIFF", &[header, data.clone()]), &expected);
    }
}

#[test]
fn floats_of_32_and_64_bits_are_read_behind_a_header_of_any_length() {
    let shelf = Shelf::new();
    let values = [0.5, -0.125, 1.5];
    let singles: Vec<u8> = values.iter().flat_map(|y: &f32| y.to_le_bytes()).collect();
    let doubles = values.iter().flat_map(|&y| f64::from(y).to_le_bytes());
    let doubles: Vec<u8> = doubles.collect();
    for (bytes, data) in [(4, singles), (8, doubles)] {
        let data = chunk(*b"data", &data);
        for extra in [0, 2, 4, 7, 24, 50] {
            let header = fmt(3, 1, bytes, 8 * bytes, &vec![0; extra]);
            shelf.reads(&riff(*b"RIFF", &[header, data.clone()]), &values);
        }
        let header = extensible(3, 1, bytes, 8 * bytes);
        shelf.reads(&riff(*b"RIFF", &[header, data]), &values);
    }
}

#[test]
fn a_law_and_mu_law_are_expanded() {
    let shelf = Shelf::new();
    // Smallest and largest amplitudes of both signs, after ITU-T G.711.
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
            shelf.reads(&riff(*b"RIFF", &[header, data.clone()]), &expected);
        }
    }
}

/// The same file in the other order of bytes; samples have so many.
fn big_endian(bytes: &[u8], sample_bytes: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[..4].copy_from_slice(b"RIFX");
    for at in [4, 16, 24, 28, 40] {
        bytes[at..at + 4].reverse();
    }
    for at in [20, 22, 32, 34] {
        bytes[at..at + 2].reverse();
    }
    bytes[44..]
        .chunks_exact_mut(sample_bytes)
        .for_each(<[u8]>::reverse);
    bytes
}

#[test]
fn big_endian_files_are_read() {
    let shelf = Shelf::new();
    let file = riff(
        *b"RIFF",
        &[
            fmt(1, 2, 4, 16, &[]),
            headed(*b"data", PLACEHOLDER, &shorts(&SAMPLES)),
        ],
    );
    let file = big_endian(&file, 2);
    shelf.reads(&file, &AMPLITUDES);
    assert_eq!(shelf.read(&file).unwrap().channels, 2);
    let doubles = AMPLITUDES.map(|y| f64::from(y).to_le_bytes()).concat();
    let file = riff(
        *b"RIFF",
        &[fmt(3, 1, 8, 64, &[]), chunk(*b"data", &doubles)],
    );
    shelf.reads(&big_endian(&file, 8), &AMPLITUDES);
    let bytes: Vec<u8> = SAMPLES.iter().map(|y| (y / 256 + 128) as u8).collect();
    let file = riff(*b"RIFF", &[fmt(1, 1, 1, 8, &[]), chunk(*b"data", &bytes)]);
    shelf.reads(&big_endian(&file, 1), &AMPLITUDES);
}

/// A chunk with lengths of the file and of its samples.
fn ds64(data: u64) -> Vec<u8> {
    let lengths = [1000, data, 0].map(u64::to_le_bytes).concat();
    chunk(*b"ds64", &[&lengths[..], &[0; 4]].concat())
}

#[test]
fn lengths_of_64_bits_are_read() {
    let shelf = Shelf::new();
    let format = fmt(1, 1, 2, 16, &[]);
    let data = headed(*b"data", PLACEHOLDER, &shorts(&SAMPLES));
    for form in [*b"RF64", *b"BW64"] {
        let file = |length| riff(form, &[ds64(length), format.clone(), data.clone()]);
        shelf.reads(&file(8), &AMPLITUDES);
        // What stands behind the samples is not one of them.
        let list = chunk(*b"LIST", b"INFO");
        shelf.reads(&[file(8), list].concat(), &AMPLITUDES);
        shelf.reads(&file(4), &AMPLITUDES[..2]);
        // Written to a pipe.
        shelf.reads(&file(0), &AMPLITUDES);
        shelf.reads(&file(u64::MAX), &AMPLITUDES);
        shelf.reads(&riff(form, &[format.clone(), data.clone()]), &AMPLITUDES);
        shelf.refuses(&file(1 << 40), &["549755813888 frames", "ends after 4"]);
    }
}

#[test]
fn a_part_behind_four_gibibytes_is_read_though_the_length_in_the_header_is_wrapped() {
    let shelf = Shelf::new();
    let header = [fmt(1, 1, 2, 16, &[]), headed(*b"data", 16, &[])];
    let path = shelf.put(&riff(*b"RIFF", &header));
    let start = fs::metadata(&path).unwrap().len();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(start + (1 << 32) + 16).unwrap();
    let frames = (1 << 31) + 8;
    assert_eq!(WavFile::open(&path).unwrap().frames(), frames);
    let end = WavFile::open(&path).unwrap().read(frames - 5..frames);
    assert_eq!(end.unwrap().values, [0.0; 5]);
}

#[test]
fn what_breaks_the_rules_so_that_nothing_is_known_is_refused_by_name() {
    let shelf = Shelf::new();
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
        shelf.refuses(&riff(*b"RIFF", &[header, data.clone()]), &words);
    }
    let late = riff(*b"RIFF", &[data, format.clone()]);
    shelf.refuses(&late, &["before the `fmt ` chunk"]);
    shelf.refuses(
        &riff(*b"RIFF", slice::from_ref(&format)),
        &["before its samples"],
    );
    let long = headed(*b"LIST", 5000, &[0; 50]);
    shelf.refuses(&riff(*b"RIFF", &[format, long]), &["before its samples"]);
}

#[test]
fn any_number_of_channels_up_to_32_is_read() {
    let shelf = Shelf::new();
    for channels in [3, 5, 7, 31, 32] {
        let values: Vec<i16> = (0..3 * channels as i16).map(|y| 100 * y).collect();
        for header in [
            fmt(1, channels, 2 * channels, 16, &[]),
            extensible(1, channels, 2 * channels, 16),
        ] {
            let file = riff(*b"RIFF", &[header, chunk(*b"data", &shorts(&values))]);
            let sound = shelf.read(&file).unwrap();
            assert_eq!((sound.channels, sound.frames()), (channels.into(), 3));
            assert!((sound.values[7] - 700.0 / 32_768.0).abs() < 1e-7);
        }
    }
}

/// The same bytes wherever they are cut never panic.
#[test]
fn a_file_that_is_cut_anywhere_is_read_or_refused() {
    let shelf = Shelf::new();
    let chunks = [
        chunk(*b"LIST", b"INFO!"),
        extensible(1, 1, 2, 16),
        chunk(*b"data", &shorts(&SAMPLES)),
    ];
    let file = riff(*b"RIFF", &chunks);
    let whole = (0..file.len()).filter(|&bytes| shelf.read(&file[..bytes]).is_ok());
    assert_eq!(whole.count(), 0);
    shelf.reads(&file, &AMPLITUDES);
}
