use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// Frames of a packet of `quiet.mp3` and `loud.mp3`.
const PACKET_FRAMES: usize = 576;
/// Number of packets of `quiet.mp3`.
const QUIET_PACKETS: usize = 36;
/// Number of packets of `loud.mp3`.
const LOUD_PACKETS: usize = 22;

/// Reads a file of `tests/golden` of this crate.
fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    fs::read(folder.join(name)).unwrap()
}

/// Temporary folder that holds the files of a test.
struct TestFolder(TempDir);

impl TestFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("sound");
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Reads `length` seconds from `start` seconds on.
    fn part(&self, bytes: &[u8], start: f64, length: Option<f64>) -> Result<Sound> {
        let signal = AudioSignalConfig {
            start,
            length,
            ..AudioSignalConfig::default()
        };
        read(&self.write(bytes), &signal)
    }

    fn whole(&self, bytes: &[u8]) -> Sound {
        self.part(bytes, 0.0, None).unwrap()
    }

    /// Asserts that a file is rejected with a message that contains `words`, and that following the message's advice reads as
    /// many frames as the message says. Returns these frames.
    #[track_caller]
    fn assert_cut_short(&self, bytes: &[u8], words: &[&str]) -> Sound {
        let message = self.part(bytes, 0.0, None).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "expected `{word}` in {message}");
        }
        let advice = message.split("`signal.length = ").nth(1).unwrap();
        let length = advice.split('`').next().unwrap().parse().unwrap();
        let sound = self.part(bytes, 0.0, Some(length)).unwrap();
        let found = format!("ends after {} frames", sound.frames());
        assert!(message.contains(&found), "{message}");
        let more = Some(length + 0.001);
        assert!(self.part(bytes, 0.0, more).is_err());
        sound
    }
}

#[test]
fn an_mp3_without_a_header_has_the_frames_of_all_its_packets_at_any_bit_rate() {
    let folder = TestFolder::new();
    let (quiet, loud) = (golden("quiet.mp3"), golden("loud.mp3"));
    // The bit rate of the first packets suggests a longer or a shorter file.
    for bytes in [[quiet.clone(), loud.clone()], [loud, quiet]] {
        let sound = folder.whole(&bytes.concat());
        assert_eq!((sound.rate(), sound.channels()), (16_000, 1));
        let packets = QUIET_PACKETS + LOUD_PACKETS;
        assert_eq!(sound.frames(), packets * PACKET_FRAMES);
    }
}

/// Builds an ID3v2.3 tag that contains a picture.
fn id3v2(picture: &[u8]) -> Vec<u8> {
    let content = [b"\0image/png\0\x03\0", picture].concat();
    let length = content.len() as u32;
    let frame = [b"APIC", &length.to_be_bytes()[..], &[0; 2], &content].concat();
    let length = frame.len() as u32;
    let seven = [21, 14, 7, 0].map(|shift| (length >> shift & 0x7F) as u8);
    [b"ID3\x03\0\0", &seven[..], &frame].concat()
}

/// Builds an APE tag of a header, a picture and a footer.
fn ape(picture: &[u8]) -> Vec<u8> {
    let item = [
        &(picture.len() as u32).to_le_bytes()[..],
        &2_u32.to_le_bytes(),
        b"Cover Art (Front)\0",
        picture,
    ]
    .concat();
    let end = |flags: u32| {
        let numbers = [2000, item.len() as u32 + 32, 1, flags].map(u32::to_le_bytes);
        [&b"APETAGEX"[..], &numbers.concat(), &[0; 8]].concat()
    };
    [end(0xA000_0000), item.clone(), end(0x8000_0000)].concat()
}

#[test]
fn tags_and_cover_pictures_are_not_decoded_even_if_their_bytes_are_valid_mp3() {
    let folder = TestFolder::new();
    let (quiet, loud) = (golden("quiet.mp3"), golden("loud.mp3"));
    let expected = folder.whole(&loud);
    assert_eq!(expected.frames(), LOUD_PACKETS * PACKET_FRAMES);
    let id3v1 = [&b"TAG"[..], &loud[..125]].concat();
    for picture in [quiet.clone(), quiet.repeat(400)] {
        for bytes in [
            [&id3v2(&picture)[..], &loud].concat(),
            [&loud[..], &ape(&picture)].concat(),
            [&loud[..], &ape(&picture), &id3v1].concat(),
            [&id3v2(&picture)[..], &loud, &id3v1].concat(),
        ] {
            assert!(folder.whole(&bytes) == expected);
        }
    }
    let flac = golden("tone.flac");
    assert_eq!(folder.whole(&[flac, id3v1].concat()).frames(), 8000);
}

#[test]
fn a_cut_mp3_is_rejected_if_its_last_packet_is_partial_or_its_header_claims_more_frames() {
    let folder = TestFolder::new();
    let loud = golden("loud.mp3");
    for bytes in [1, 20, 34] {
        let sound = folder.assert_cut_short(&loud[..loud.len() - bytes], &["cut short"]);
        assert_eq!(sound.frames(), (LOUD_PACKETS - 1) * PACKET_FRAMES);
    }
    let tone = golden("tone.mp3");
    for share in [2, 3, 4] {
        let cut = &tone[..tone.len() - tone.len() / share];
        folder.assert_cut_short(cut, &["claims 8000 frames", "cut short"]);
    }
}

#[test]
fn mp3_padding_is_trimmed_and_packets_after_the_claimed_end_are_read() {
    let folder = TestFolder::new();
    let tone = golden("tone.mp3");
    let sound = folder.whole(&tone);
    assert_eq!(sound.frames(), 8000);
    let joined = folder.whole(&[&tone[..], &tone].concat());
    assert!(joined.frames() > 2 * 8000 && joined.frames() < 2 * 9216);
    assert_eq!(joined.samples()[..2 * 7000], sound.samples()[..2 * 7000]);
}

#[test]
fn contents_decide_the_format_and_the_extension_mp3_only_where_the_contents_are_unknown() {
    let folder = TestFolder::new();
    let loud = golden("loud.mp3");
    let bytes = [&[0; 3000][..], &loud].concat();
    assert_eq!(folder.whole(&bytes).frames(), LOUD_PACKETS * PACKET_FRAMES);
    let named = |name: &str, bytes: &[u8]| {
        let path = folder.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        is_encoded(&path)
    };
    assert!(named("a.MP3", &bytes) && !named("a.wav", &bytes));
    assert!(named("b.wav", &loud) && named("b", &golden("tone.ogg")));
    for form in [b"RIFF", b"RIFX", b"RF64", b"BW64"] {
        assert!(!named("c.mp3", &[&form[..], b"\0\0\0\0WAVE"].concat()));
    }
    // AAC, whose sync word resembles that of MP3.
    assert!(!named("d.aac", &[0xFF, 0xF1, 0x50, 0x80]));
    assert!(!is_encoded(&folder.0.path().join("absent.mp3")));
    assert!(!is_encoded(folder.0.path()));
}

/// Returns a FLAC file without a length in its header.
fn streamed_flac() -> Vec<u8> {
    let mut bytes = golden("tone.flac");
    bytes[21] &= 0xF0;
    bytes[22..26].fill(0);
    bytes
}

#[test]
fn a_flac_without_a_length_in_its_header_is_read_to_its_end() {
    let folder = TestFolder::new();
    assert!(folder.whole(&streamed_flac()) == folder.whole(&golden("tone.flac")));
}

#[test]
fn a_cut_or_damaged_flac_is_rejected_with_or_without_a_length_in_its_header() {
    let folder = TestFolder::new();
    let whole = folder.whole(&golden("tone.flac"));
    for bytes in [golden("tone.flac"), streamed_flac()] {
        let cut = folder.assert_cut_short(&bytes[..bytes.len() / 2], &["cut short"]);
        assert!(cut.frames() > 1000 && cut.samples()[..] == whole.samples()[..cut.samples().len()]);
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 0xFF;
        let before = folder.assert_cut_short(&damaged, &["damaged"]);
        assert!(before.samples()[..] == whole.samples()[..before.samples().len()]);
    }
}

/// Returns an Ogg file with the flags of its last page changed and its checksum corrected.
fn with_last_flags(bytes: &[u8], change: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let last = bytes.windows(4).rposition(|window| window == b"OggS");
    let page = &mut bytes[last.unwrap()..];
    page[5] = change(page[5]);
    page[22..26].fill(0);
    let crc = page.iter().fold(0_u32, |crc, &byte| {
        let shift = |crc: u32| (crc << 1) ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| shift(crc))
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn an_ogg_without_a_complete_last_page_is_rejected() {
    let folder = TestFolder::new();
    let tone = golden("tone.ogg");
    assert!(with_last_flags(&tone, |flags| flags) == tone);
    let cut = with_last_flags(&tone, |flags| flags & !4);
    // Without the flag, the frames that the last page would trim are kept.
    let (cut, whole) = (
        folder.assert_cut_short(&cut, &["cut short"]),
        folder.whole(&tone),
    );
    assert!(cut.samples().starts_with(whole.samples()));
    for bytes in [50, tone.len() / 2, tone.len() - 1] {
        let message = folder.part(&tone[..bytes], 0.0, None).unwrap_err();
        assert!(message.to_string().contains("cut short"), "{message}");
    }
}

#[test]
fn chained_ogg_streams_are_concatenated() {
    let folder = TestFolder::new();
    let tone = golden("tone.ogg");
    let whole = folder.whole(&tone);
    let twice = [&tone[..], &tone].concat();
    let cut = &twice[..tone.len() + 300];
    assert_eq!(
        folder.assert_cut_short(cut, &["cut short"]).samples(),
        whole.samples()
    );
    let chain = folder.whole(&twice);
    assert_eq!(chain.samples(), [whole.samples(), whole.samples()].concat());
}

#[test]
fn a_part_has_the_samples_of_that_range_of_the_whole_file() {
    let folder = TestFolder::new();
    for name in ["tone.flac", "tone.mp3", "tone.ogg"] {
        let bytes = golden(name);
        let whole = folder.whole(&bytes);
        let frames = |range: Range<usize>| {
            let [start, length] = [range.start, range.len()].map(|frames| frames as f64 / 16_000.0);
            folder.part(&bytes, start, Some(length))
        };
        for range in [0..1, 0..8000, 10..3000, 4000..4001, 7999..8000] {
            assert!(
                frames(range.clone()).unwrap() == whole.part(range),
                "{name}"
            );
        }
        let tail = folder.part(&bytes, 0.25, None).unwrap();
        assert!(tail == whole.part(4000..8000), "{name}");
        for range in [0..8001, 7999..8001] {
            let message = frames(range).unwrap_err().to_string();
            assert!(message.starts_with("`signal.length`"), "{message}");
        }
        for start in [0.5, 1e300] {
            let message = folder.part(&bytes, start, None).unwrap_err().to_string();
            assert!(message.contains("less than the 0.5 seconds"), "{message}");
        }
    }
}

/// Builds an AIFF file of 16-bit samples at 8000 Hz whose sample chunk claims `claimed` bytes.
fn aiff(values: &[i16], claimed: usize) -> Vec<u8> {
    let rate = [0x40, 0x0B, 0xFA, 0, 0, 0, 0, 0, 0, 0];
    let frames = (claimed / 2) as u32;
    let common = [
        &b"COMM\0\0\0\x12\0\x01"[..],
        &frames.to_be_bytes(),
        &[0, 16],
        &rate,
    ];
    let samples: Vec<u8> = values.iter().flat_map(|y| y.to_be_bytes()).collect();
    let length = (claimed as u32 + 8).to_be_bytes();
    let chunks = [&common.concat()[..], b"SSND", &length, &[0; 8], &samples].concat();
    let length = (34 + 8 + claimed as u32 + 8).to_be_bytes();
    [&b"FORM"[..], &length, b"AIFF", &chunks].concat()
}

#[test]
fn aiff_is_read_and_a_cut_one_is_rejected() {
    let folder = TestFolder::new();
    let values = [0, 16_384, -32_768, 32_767];
    let sound = folder.whole(&aiff(&values, 8));
    assert_eq!((sound.rate(), sound.channels()), (8000, 1));
    assert_eq!(sound.samples(), [0.0, 0.5, -1.0, 32_767.0 / 32_768.0]);
    let cut = folder.assert_cut_short(&aiff(&values, 20), &["claims 10 frames", "cut short"]);
    assert_eq!(cut.samples(), sound.samples());
}

#[test]
fn unsupported_codecs_and_unreadable_files_are_rejected_with_the_reason() {
    let folder = TestFolder::new();
    // Two packets of MPEG layer 2, 32 kb/s, mono.
    let packet = [&[0xFF, 0xFD, 0x14, 0xC0][..], &[0; 92]].concat();
    let message = folder.part(&packet.repeat(3), 0.0, None).unwrap_err();
    assert!(message.to_string().contains("MPEG layer 2"), "{message}");
    for bytes in [
        &b"fLaC"[..],
        b"OggS",
        b"ID3",
        b"FORM\0\0\0\0AIFF",
        &[0xFF, 0xFB],
    ] {
        let message = folder.part(bytes, 0.0, None).unwrap_err().to_string();
        let has_reason = ["cannot be decoded", "cut short"]
            .iter()
            .any(|words| message.contains(words));
        assert!(has_reason, "{message}");
    }
}
