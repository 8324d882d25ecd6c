use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::sound::Sound;

/// Temporary folder that holds the files of a test.
struct TestFolder(TempDir);

impl TestFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file of integer samples at 8000 Hz with another library.
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

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Reads a whole file.
fn read(path: &Path) -> Result<Sound> {
    let file = WavFile::open(path)?;
    let frames = file.frames();
    file.read(0..frames)
}

/// Asserts that a file is rejected with a message that begins with its path and contains `words`.
#[track_caller]
fn assert_rejected(path: &Path, words: &[&str]) {
    let message = read(path).unwrap_err().to_string();
    assert!(
        message.starts_with(&path.display().to_string()),
        "{message}"
    );
    for word in words {
        assert!(message.contains(word), "expected `{word}` in {message}");
    }
}

/// Returns samples that rise from -1.5 to 1.5, at 44100 Hz.
fn ramp(channels: usize, frames: usize) -> Sound {
    let last = (frames * channels - 1) as f32;
    let values = (0..frames * channels).map(|i| i as f32 / last * 3.0 - 1.5);
    Sound::new(44_100, channels, values.collect()).unwrap()
}

#[test]
fn written_floats_are_read_back_bit_for_bit_even_beyond_full_scale() {
    let folder = TestFolder::new();
    for channels in [1, 2, 6] {
        let sound = ramp(channels, 1000);
        let path = folder.path("float.wav");
        sound.save(&path).unwrap();
        assert_eq!(read(&path).unwrap(), sound);
    }
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1);
}

#[test]
fn integers_of_every_width_are_scaled_to_minus_one_to_one() {
    let folder = TestFolder::new();
    for bits in [8, 16, 24, 32] {
        let full = i32::MAX >> (32 - bits);
        let values = [-full - 1, -full / 2, -1, 0, 1, full];
        for channels in [1, 2] {
            let sound = read(&folder.integers(bits, channels, &values)).unwrap();
            assert_eq!(sound.rate(), 8000);
            assert_eq!(sound.channels(), usize::from(channels));
            for (&integer, &amplitude) in values.iter().zip(sound.samples()) {
                let expected = f64::from(integer) / (f64::from(full) + 1.0);
                let error = (f64::from(amplitude) - expected).abs();
                assert!(error < 1e-7, "{bits} bits: {integer} became {amplitude}");
            }
            assert!((sound.samples()[0] + 1.0).abs() < f32::EPSILON);
        }
    }
}

#[test]
fn a_part_is_read_without_the_samples_after_it() {
    let folder = TestFolder::new();
    let sound = ramp(2, 100);
    let path = folder.path("whole.wav");
    sound.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let cut = folder.write("cut.wav", &bytes[..bytes.len() - 200]);
    let part = WavFile::open(&cut).unwrap().read(10..30).unwrap();
    assert_eq!(part, sound.part(10..30));
    assert_eq!(part.frames(), 20);
}

#[test]
fn mixed_returns_the_mean_of_the_channels() {
    let values = vec![1.0, 0.5, -0.5, 0.5, f32::MAX, f32::MAX];
    let mixed = Sound::new(10, 2, values).unwrap().mixed();
    assert_eq!((mixed.channels(), mixed.frames()), (1, 3));
    assert_eq!(mixed.samples(), [0.75, 0.0, f32::MAX]);
}

#[test]
fn a_cut_file_is_rejected_with_the_number_of_frames_that_it_has() {
    let folder = TestFolder::new();
    let path = folder.path("whole.wav");
    ramp(2, 100).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let cut = folder.write("cut.wav", &bytes[..bytes.len() - 8 * 40 - 3]);
    let words = ["100 frames", "ends after 59", "cut short", "signal.length"];
    assert_rejected(&cut, &words);
    let advice = read(&cut).unwrap_err().to_string();
    let seconds = advice.split("signal.length = ").nth(1).unwrap();
    let seconds: f64 = seconds.split('`').next().unwrap().parse().unwrap();
    assert_eq!((seconds * 44_100.0).round() as usize, 59);
    assert_rejected(&folder.write("head.wav", &bytes[..30]), &["cut short"]);
    assert_rejected(
        &folder.write("no_data.wav", &bytes[..60]),
        &["before its samples"],
    );
}

#[test]
fn a_wrong_length_in_the_header_is_rejected_without_allocating_it() {
    let folder = TestFolder::new();
    let path = folder.integers(16, 1, &[1, 2, 3, 4]);
    let claiming = |name: &str, length: u32| {
        let mut bytes = fs::read(&path).unwrap();
        let offset = bytes.len() - 8 - 4;
        bytes[offset..offset + 4].copy_from_slice(&length.to_le_bytes());
        folder.write(name, &bytes)
    };
    let words = ["2000000000 frames", "ends after 4"];
    assert_rejected(&claiming("huge.wav", 4_000_000_000), &words);
    let words = ["100000000 frames", "ends after 4"];
    assert_rejected(&claiming("large.wav", 200_000_000), &words);
    assert_eq!(read(&claiming("less.wav", 4)).unwrap().frames(), 2);
}

/// Fields of a `fmt ` chunk.
#[derive(Clone, Copy)]
struct FormatFields {
    tag: u16,
    channels: u16,
    rate: u32,
    bytes_per_second: u32,
    frame_bytes: u16,
    bits: u16,
}

/// Edit of a `fmt ` chunk.
type FormatChange = fn(&mut FormatFields);

/// Format of the unchanged test file: 16-bit PCM, mono, 8000 Hz.
const MONO: FormatFields = FormatFields {
    tag: 1,
    channels: 1,
    rate: 8000,
    bytes_per_second: 16_000,
    frame_bytes: 2,
    bits: 16,
};

/// Returns the bytes of a WAV file with another `fmt ` chunk.
fn with_format(file: &[u8], format: FormatFields) -> Vec<u8> {
    let mut bytes = file.to_vec();
    bytes[20..22].copy_from_slice(&format.tag.to_le_bytes());
    bytes[22..24].copy_from_slice(&format.channels.to_le_bytes());
    bytes[24..28].copy_from_slice(&format.rate.to_le_bytes());
    bytes[28..32].copy_from_slice(&format.bytes_per_second.to_le_bytes());
    bytes[32..34].copy_from_slice(&format.frame_bytes.to_le_bytes());
    bytes[34..36].copy_from_slice(&format.bits.to_le_bytes());
    bytes
}

#[test]
fn unsupported_encodings_and_values_out_of_range_in_the_header_are_rejected() {
    let folder = TestFolder::new();
    let mono = fs::read(folder.integers(16, 1, &[1, 2, 3, 4])).unwrap();
    let with = |change: FormatChange| {
        let mut format = MONO;
        change(&mut format);
        folder.write("format.wav", &with_format(&mono, format))
    };
    let accepted: [(FormatChange, usize); 4] = [
        (|_| {}, 4),
        // The field is not used.
        (|f| f.bytes_per_second = 16_001, 4),
        (|f| f.frame_bytes = 4, 2),
        (|f| (f.tag, f.frame_bytes, f.bits) = (3, 8, 64), 1),
    ];
    for (change, frames) in accepted {
        assert_eq!(read(&with(change)).unwrap().frames(), frames);
    }
    let rejected: [(FormatChange, &str); 9] = [
        (|f| f.tag = 2, "Microsoft ADPCM"),
        (|f| f.tag = 6, "ffmpeg"),
        (|f| (f.frame_bytes, f.bits) = (8, 64), "64 bits"),
        (|f| f.rate = 0, "sample rate of 0 Hz"),
        (|f| f.rate = 2_000_000_000, "10000000"),
        (|f| f.channels = 0, "channels"),
        (
            |f| (f.channels, f.frame_bytes, f.bits) = (40, 40, 8),
            "40 channels",
        ),
        (|f| (f.frame_bytes, f.bits) = (0, 0), "of 0 bits"),
        (|f| (f.channels, f.frame_bytes) = (2, 3), "3 bytes for 2"),
    ];
    for (change, word) in rejected {
        assert_rejected(&with(change), &[word]);
    }
    let many = folder.integers(8, 40, &[0; 40]);
    assert_rejected(&many, &["40 channels", "1 to 32"]);
}

#[test]
fn files_that_are_not_wav_are_rejected_with_advice() {
    let folder = TestFolder::new();
    assert_rejected(&folder.write("empty.wav", b""), &["empty", "WAV"]);
    let text = folder.write("text.wav", b"This is not a sound, but long enough.");
    assert_rejected(&text, &["not a WAV file", "ffmpeg"]);
    assert_rejected(
        &folder.write("avi.wav", b"RIFF\0\0\0\0AVI LIST"),
        &["not a WAV file"],
    );
    assert_rejected(folder.0.path(), &["is a folder"]);
    let absent = read(&folder.path("absent.wav")).unwrap_err();
    assert!(matches!(absent, Error::Io { .. }), "{absent}");
}

#[test]
fn a_sample_that_is_not_finite_is_rejected_with_its_time() {
    let folder = TestFolder::new();
    for (value, name) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        let mut samples = ramp(2, 22_100).into_samples();
        samples[44_101] = value;
        let sound = Sound::new(44_100, 2, samples).unwrap();
        let path = folder.path("bad.wav");
        sound.save(&path).unwrap();
        assert_rejected(&path, &[name, "0.5 seconds", "signal.start"]);
        let part = WavFile::open(&path).unwrap().read(0..22_050);
        assert!(part.is_ok());
    }
}

#[test]
fn a_wrong_number_of_samples_and_an_unwritable_format_are_errors_that_leave_the_older_file() {
    let folder = TestFolder::new();
    let path = folder.write("a.wav", b"older");
    let mut writer = WavFileWriter::create(&path, 8000, 2, 3).unwrap();
    assert!(matches!(writer.push(&[0.0; 7]), Err(Error::Shape { .. })));
    writer.push(&[0.0; 4]).unwrap();
    assert!(matches!(writer.finish(), Err(Error::Shape { .. })));
    for (rate, channels, frames) in [
        (0, 1, 1),
        (8000, 0, 1),
        (8000, 33, 1),
        (8000, 1, 0),
        (8000, 1, MAX_FILE_SAMPLES + 1),
        (8000, 2, usize::MAX),
        (u32::MAX, 1, 1),
    ] {
        let writer = WavFileWriter::create(&path, rate, channels, frames);
        let message = writer.err().unwrap().to_string();
        assert!(message.contains("cannot be written"), "{message}");
    }
    for name in ["a.mp3", "a"] {
        let writer = WavFileWriter::create(&folder.path(name), 8000, 1, 1);
        assert!(writer.err().unwrap().to_string().contains(".wav"));
    }
    assert_eq!(fs::read(&path).unwrap(), b"older");
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1);
}
