use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::sound::Sound;

struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file of integers, as another program would.
    fn integers(&self, bits: u16, channels: u16, values: &[i32]) -> PathBuf {
        let spec = WavSpec {
            channels,
            sample_rate: 8000,
            bits_per_sample: bits,
            sample_format: SampleFormat::Int,
        };
        let path = self.path(&format!("{bits}x{channels}.wav"));
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for &value in values {
            writer.write_sample(value).unwrap();
        }
        writer.finalize().unwrap();
        path
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn read(path: &Path) -> Result<Sound> {
    let file = WavFile::open(path)?;
    let frames = file.frames();
    file.read(0..frames)
}

#[track_caller]
fn refused(path: &Path, words: &[&str]) {
    let message = read(path).unwrap_err().to_string();
    assert!(
        message.starts_with(&path.display().to_string()),
        "{message}"
    );
    for word in words {
        assert!(message.contains(word), "expected `{word}` in {message}");
    }
}

fn ramp(channels: usize, frames: usize) -> Sound {
    let last = (frames * channels - 1) as f32;
    Sound {
        rate: 44_100,
        channels,
        values: (0..frames * channels)
            .map(|i| i as f32 / last * 3.0 - 1.5)
            .collect(),
    }
}

#[test]
fn floats_come_back_bit_for_bit_even_beyond_full_scale() {
    let shelf = Shelf::new();
    for channels in [1, 2, 6] {
        let sound = ramp(channels, 1000);
        let path = shelf.path("float.wav");
        sound.save(&path).unwrap();
        assert_eq!(read(&path).unwrap(), sound);
    }
    assert_eq!(fs::read_dir(shelf.0.path()).unwrap().count(), 1);
}

#[test]
fn integers_of_every_width_span_minus_one_to_one() {
    let shelf = Shelf::new();
    for bits in [8, 16, 24, 32] {
        let full = i32::MAX >> (32 - bits);
        let values = [-full - 1, -full / 2, -1, 0, 1, full];
        for channels in [1, 2] {
            let sound = read(&shelf.integers(bits, channels, &values)).unwrap();
            assert_eq!(sound.rate, 8000);
            assert_eq!(sound.channels, usize::from(channels));
            for (&integer, &amplitude) in values.iter().zip(&sound.values) {
                let expected = f64::from(integer) / (f64::from(full) + 1.0);
                let error = (f64::from(amplitude) - expected).abs();
                assert!(error < 1e-7, "{bits} bits: {integer} became {amplitude}");
            }
            assert!((sound.values[0] + 1.0).abs() < f32::EPSILON);
        }
    }
}

#[test]
fn a_part_is_what_stands_there_and_what_follows_is_not_looked_at() {
    let shelf = Shelf::new();
    let sound = ramp(2, 100);
    let path = shelf.path("whole.wav");
    sound.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let cut = shelf.bytes("cut.wav", &bytes[..bytes.len() - 200]);
    let part = WavFile::open(&cut).unwrap().read(10..30).unwrap();
    assert_eq!(part, sound.part(10..30));
    assert_eq!(part.frames(), 20);
}

#[test]
fn channels_are_mixed_to_their_mean() {
    let sound = Sound {
        rate: 10,
        channels: 2,
        values: vec![1.0, 0.5, -0.5, 0.5, f32::MAX, f32::MAX],
    };
    let mixed = sound.mixed();
    assert_eq!((mixed.channels, mixed.frames()), (1, 3));
    assert_eq!(mixed.values, [0.75, 0.0, f32::MAX]);
}

#[test]
fn a_file_that_ends_too_early_says_how_much_is_there() {
    let shelf = Shelf::new();
    let path = shelf.path("whole.wav");
    ramp(2, 100).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let cut = shelf.bytes("cut.wav", &bytes[..bytes.len() - 8 * 40 - 3]);
    let words = ["100 frames", "ends after 59", "cut short", "signal.length"];
    refused(&cut, &words);
    let advice = read(&cut).unwrap_err().to_string();
    let seconds = advice.split("signal.length = ").nth(1).unwrap();
    let seconds: f64 = seconds.split('`').next().unwrap().parse().unwrap();
    assert_eq!((seconds * 44_100.0).round() as usize, 59);
    refused(&shelf.bytes("head.wav", &bytes[..30]), &["cut short"]);
    refused(
        &shelf.bytes("no_data.wav", &bytes[..60]),
        &["before its samples"],
    );
}

#[test]
fn a_header_that_lies_about_its_length_is_no_reason_to_take_memory() {
    let shelf = Shelf::new();
    let path = shelf.integers(16, 1, &[1, 2, 3, 4]);
    let claiming = |name: &str, length: u32| {
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 8 - 4;
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        shelf.bytes(name, &bytes)
    };
    let words = ["2000000000 frames", "ends after 4"];
    refused(&claiming("huge.wav", 4_000_000_000), &words);
    let words = ["100000000 frames", "ends after 4"];
    refused(&claiming("large.wav", 200_000_000), &words);
    assert_eq!(read(&claiming("less.wav", 4)).unwrap().frames(), 2);
}

#[test]
fn headers_of_other_encodings_or_with_impossible_numbers_are_refused() {
    let shelf = Shelf::new();
    let good = fs::read(shelf.integers(16, 1, &[1, 2, 3, 4])).unwrap();
    // Format tag, channels, rate, bytes a second, bytes a frame, bits.
    let with = |name: &str, fields: (u16, u16, u32, u32, u16, u16)| {
        let (tag, channels, rate, per_second, per_frame, bits) = fields;
        let mut bytes = good.clone();
        bytes[20..22].copy_from_slice(&tag.to_le_bytes());
        bytes[22..24].copy_from_slice(&channels.to_le_bytes());
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        bytes[28..32].copy_from_slice(&per_second.to_le_bytes());
        bytes[32..34].copy_from_slice(&per_frame.to_le_bytes());
        bytes[34..36].copy_from_slice(&bits.to_le_bytes());
        shelf.bytes(name, &bytes)
    };
    // The bytes a second are of no use here.
    for (name, fields, frames) in [
        ("good.wav", (1, 1, 8000, 16_000, 2, 16), 4),
        ("slow.wav", (1, 1, 8000, 16_001, 2, 16), 4),
        ("padded.wav", (1, 1, 8000, 32_000, 4, 16), 2),
        ("double.wav", (3, 1, 8000, 64_000, 8, 64), 1),
    ] {
        assert_eq!(read(&with(name, fields)).unwrap().frames(), frames);
    }
    for (name, fields, word) in [
        ("adpcm.wav", (2, 1, 8000, 16_000, 2, 16), "Microsoft ADPCM"),
        ("a_law.wav", (6, 1, 8000, 16_000, 2, 16), "ffmpeg"),
        ("wide.wav", (1, 1, 8000, 64_000, 8, 64), "64 bits"),
        ("no_rate.wav", (1, 1, 0, 0, 2, 16), "0 samples a second"),
        (
            "fast.wav",
            (1, 1, 2_000_000_000, 4_000_000_000, 2, 16),
            "10000000",
        ),
        ("no_channels.wav", (1, 0, 8000, 16_000, 2, 16), "channels"),
        ("many.wav", (1, 40, 8000, 320_000, 40, 8), "40 channels"),
        ("no_bits.wav", (1, 1, 8000, 0, 0, 0), "of 0 bits"),
        ("torn.wav", (1, 2, 8000, 24_000, 3, 16), "3 bytes for 2"),
    ] {
        refused(&with(name, fields), &[word]);
    }
    let many = shelf.integers(8, 40, &[0; 40]);
    refused(&many, &["40 channels", "1 to 32"]);
}

#[test]
fn what_is_no_sound_is_named_with_advice() {
    let shelf = Shelf::new();
    refused(&shelf.bytes("empty.wav", b""), &["empty", "WAV"]);
    let text = shelf.bytes("text.wav", b"This is not a sound, but long enough.");
    refused(&text, &["not a WAV file", "ffmpeg"]);
    refused(
        &shelf.bytes("avi.wav", b"RIFF\0\0\0\0AVI LIST"),
        &["not a WAV file"],
    );
    refused(shelf.0.path(), &["is a folder"]);
    let absent = read(&shelf.path("absent.wav")).unwrap_err();
    assert!(matches!(absent, Error::Io { .. }), "{absent}");
}

#[test]
fn samples_that_are_no_numbers_are_told_with_their_time() {
    let shelf = Shelf::new();
    for (value, name) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        let mut sound = ramp(2, 22_100);
        sound.values[44_101] = value;
        let path = shelf.path("bad.wav");
        sound.save(&path).unwrap();
        refused(&path, &[name, "0.5 seconds", "signal.start"]);
        let part = WavFile::open(&path).unwrap().read(0..22_050);
        assert!(part.is_ok());
    }
}

#[test]
fn more_or_fewer_samples_than_announced_and_impossible_files_are_errors() {
    let shelf = Shelf::new();
    let path = shelf.bytes("a.wav", b"older");
    let mut stream = WavStream::create(&path, 8000, 2, 3).unwrap();
    assert!(matches!(stream.push(&[0.0; 7]), Err(Error::Shape { .. })));
    stream.push(&[0.0; 4]).unwrap();
    assert!(matches!(stream.finish(), Err(Error::Shape { .. })));
    for (rate, channels, frames) in [
        (0, 1, 1),
        (8000, 0, 1),
        (8000, 33, 1),
        (8000, 1, 0),
        (8000, 1, MAX_FILE_VALUES + 1),
        (8000, 2, usize::MAX),
        (u32::MAX, 1, 1),
    ] {
        let stream = WavStream::create(&path, rate, channels, frames);
        let message = stream.err().unwrap().to_string();
        assert!(message.contains("cannot be written"), "{message}");
    }
    for name in ["a.mp3", "a"] {
        let stream = WavStream::create(&shelf.path(name), 8000, 1, 1);
        assert!(stream.err().unwrap().to_string().contains(".wav"));
    }
    assert_eq!(fs::read(&path).unwrap(), b"older");
    assert_eq!(fs::read_dir(shelf.0.path()).unwrap().count(), 1);
}
