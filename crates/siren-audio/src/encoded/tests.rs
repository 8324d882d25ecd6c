use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// Samples of a packet of `quiet.mp3` and `loud.mp3`.
const PACKET: usize = 576;
/// Packets of each.
const QUIET: usize = 36;
const LOUD: usize = 22;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    fs::read(folder.join(name)).unwrap()
}

struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("sound");
        fs::write(&path, bytes).unwrap();
        path
    }

    /// From `start` seconds on, for `length` seconds.
    fn part(&self, bytes: &[u8], start: f64, length: Option<f64>) -> Result<Sound> {
        let signal = AudioSignal {
            start,
            length,
            ..AudioSignal::default()
        };
        read(&self.put(bytes), &signal)
    }

    fn whole(&self, bytes: &[u8]) -> Sound {
        self.part(bytes, 0.0, None).unwrap()
    }

    /// Refused with the frames that are there, which the advice in the message gives.
    #[track_caller]
    fn is_short(&self, bytes: &[u8], words: &[&str]) -> Sound {
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
fn an_mp3_without_a_header_is_as_long_as_its_packets_however_they_are_sized() {
    let shelf = Shelf::new();
    let (quiet, loud) = (golden("quiet.mp3"), golden("loud.mp3"));
    // The first packets promise more than there is, or less.
    for bytes in [[quiet.clone(), loud.clone()], [loud, quiet]] {
        let sound = shelf.whole(&bytes.concat());
        assert_eq!((sound.rate, sound.channels), (16_000, 1));
        assert_eq!(sound.frames(), (QUIET + LOUD) * PACKET);
    }
}

/// An ID3v2.3 tag with a picture in it.
fn cover(picture: &[u8]) -> Vec<u8> {
    let content = [b"\0image/png\0\x03\0", picture].concat();
    let length = content.len() as u32;
    let frame = [b"APIC", &length.to_be_bytes()[..], &[0; 2], &content].concat();
    let length = frame.len() as u32;
    let seven = [21, 14, 7, 0].map(|shift| (length >> shift & 0x7F) as u8);
    [b"ID3\x03\0\0", &seven[..], &frame].concat()
}

/// An APE tag with a header, a picture and a footer.
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
fn tags_and_covers_are_no_sound_even_if_they_look_like_it() {
    let shelf = Shelf::new();
    let (quiet, loud) = (golden("quiet.mp3"), golden("loud.mp3"));
    let expected = shelf.whole(&loud);
    assert_eq!(expected.frames(), LOUD * PACKET);
    let id3v1 = [&b"TAG"[..], &loud[..125]].concat();
    for picture in [quiet.clone(), quiet.repeat(400)] {
        for bytes in [
            [&cover(&picture)[..], &loud].concat(),
            [&loud[..], &ape(&picture)].concat(),
            [&loud[..], &ape(&picture), &id3v1].concat(),
            [&cover(&picture)[..], &loud, &id3v1].concat(),
        ] {
            assert!(shelf.whole(&bytes) == expected);
        }
    }
    let flac = golden("tone.flac");
    assert_eq!(shelf.whole(&[flac, id3v1].concat()).frames(), 8000);
}

#[test]
fn an_mp3_that_is_cut_within_a_packet_is_refused_and_one_cut_between_packets_if_it_says_how_long_it_was()
 {
    let shelf = Shelf::new();
    let loud = golden("loud.mp3");
    for bytes in [1, 20, 34] {
        let sound = shelf.is_short(&loud[..loud.len() - bytes], &["cut short"]);
        assert_eq!(sound.frames(), (LOUD - 1) * PACKET);
    }
    let tone = golden("tone.mp3");
    for share in [2, 3, 4] {
        let cut = &tone[..tone.len() - tone.len() / share];
        shelf.is_short(cut, &["claims 8000 frames", "cut short"]);
    }
}

#[test]
fn what_follows_the_end_that_an_mp3_claims_is_read_and_padding_is_cut_off_where_it_ends_as_claimed()
{
    let shelf = Shelf::new();
    let tone = golden("tone.mp3");
    let sound = shelf.whole(&tone);
    assert_eq!(sound.frames(), 8000);
    let joined = shelf.whole(&[&tone[..], &tone].concat());
    assert!(joined.frames() > 2 * 8000 && joined.frames() < 2 * 9216);
    assert_eq!(joined.values[..2 * 7000], sound.values[..2 * 7000]);
}

#[test]
fn an_mp3_is_told_by_its_name_where_it_begins_with_something_else_and_what_it_is_decides_before_its_name()
 {
    let shelf = Shelf::new();
    let loud = golden("loud.mp3");
    let bytes = [&[0; 3000][..], &loud].concat();
    assert_eq!(shelf.whole(&bytes).frames(), LOUD * PACKET);
    let named = |name: &str, bytes: &[u8]| {
        let path = shelf.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        is_encoded(&path)
    };
    assert!(named("a.MP3", &bytes) && !named("a.wav", &bytes));
    assert!(named("b.wav", &loud) && named("b", &golden("tone.ogg")));
    for form in [b"RIFF", b"RIFX", b"RF64", b"BW64"] {
        assert!(!named("c.mp3", &[&form[..], b"\0\0\0\0WAVE"].concat()));
    }
    // AAC, which begins much like MP3.
    assert!(!named("d.aac", &[0xFF, 0xF1, 0x50, 0x80]));
    assert!(!is_encoded(&shelf.0.path().join("absent.mp3")));
    assert!(!is_encoded(shelf.0.path()));
}

/// A FLAC file that does not say how long it is.
fn streamed_flac() -> Vec<u8> {
    let mut bytes = golden("tone.flac");
    bytes[21] &= 0xF0;
    bytes[22..26].fill(0);
    bytes
}

#[test]
fn a_flac_that_was_written_to_a_pipe_is_read_to_its_end() {
    let shelf = Shelf::new();
    assert!(shelf.whole(&streamed_flac()) == shelf.whole(&golden("tone.flac")));
}

#[test]
fn a_flac_that_is_cut_or_has_a_hole_is_refused_whether_or_not_it_says_how_long_it_is() {
    let shelf = Shelf::new();
    let whole = shelf.whole(&golden("tone.flac"));
    for bytes in [golden("tone.flac"), streamed_flac()] {
        let cut = shelf.is_short(&bytes[..bytes.len() / 2], &["cut short"]);
        assert!(cut.frames() > 1000 && cut.values[..] == whole.values[..cut.values.len()]);
        let mut holed = bytes.clone();
        holed[bytes.len() / 2] ^= 0xFF;
        let before = shelf.is_short(&holed, &["damaged"]);
        assert!(before.values[..] == whole.values[..before.values.len()]);
    }
}

/// The same Ogg file with the flags of its last page changed.
fn with_last_flags(bytes: &[u8], change: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let last = bytes.windows(4).rposition(|window| window == b"OggS");
    let page = &mut bytes[last.unwrap()..];
    page[5] = change(page[5]);
    page[22..26].fill(0);
    let sum = page.iter().fold(0_u32, |sum, &byte| {
        let shift = |sum: u32| (sum << 1) ^ if sum >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
        (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| shift(sum))
    });
    page[22..26].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn an_ogg_whose_last_page_is_not_the_last_is_refused() {
    let shelf = Shelf::new();
    let tone = golden("tone.ogg");
    assert!(with_last_flags(&tone, |flags| flags) == tone);
    let cut = with_last_flags(&tone, |flags| flags & !4);
    // What the last page would cut off stays.
    let (cut, whole) = (shelf.is_short(&cut, &["cut short"]), shelf.whole(&tone));
    assert!(cut.values.starts_with(&whole.values));
    for bytes in [50, tone.len() / 2, tone.len() - 1] {
        let message = shelf.part(&tone[..bytes], 0.0, None).unwrap_err();
        assert!(message.to_string().contains("cut short"), "{message}");
    }
}

#[test]
fn sounds_one_after_another_in_an_ogg_are_one_sound() {
    let shelf = Shelf::new();
    let tone = golden("tone.ogg");
    let whole = shelf.whole(&tone);
    let twice = [&tone[..], &tone].concat();
    let cut = &twice[..tone.len() + 300];
    assert_eq!(shelf.is_short(cut, &["cut short"]).values, whole.values);
    let chain = shelf.whole(&twice);
    assert_eq!(chain.values, [&whole.values[..], &whole.values].concat());
}

#[test]
fn a_part_is_the_same_samples_as_in_the_whole() {
    let shelf = Shelf::new();
    for name in ["tone.flac", "tone.mp3", "tone.ogg"] {
        let bytes = golden(name);
        let whole = shelf.whole(&bytes);
        let frames = |range: Range<usize>| {
            let [start, length] = [range.start, range.len()].map(|frames| frames as f64 / 16_000.0);
            shelf.part(&bytes, start, Some(length))
        };
        for range in [0..1, 0..8000, 10..3000, 4000..4001, 7999..8000] {
            assert!(
                frames(range.clone()).unwrap() == whole.part(range),
                "{name}"
            );
        }
        let tail = shelf.part(&bytes, 0.25, None).unwrap();
        assert!(tail == whole.part(4000..8000), "{name}");
        for range in [0..8001, 7999..8001] {
            let message = frames(range).unwrap_err().to_string();
            assert!(message.starts_with("`signal.length`"), "{message}");
        }
        for start in [0.5, 1e300] {
            let message = shelf.part(&bytes, start, None).unwrap_err().to_string();
            assert!(message.contains("less than the 0.5 seconds"), "{message}");
        }
    }
}

/// An AIFF file of 16-bit samples at 8000 Hz whose chunk of samples claims a length.
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
fn aiff_is_read_and_refused_if_it_is_cut() {
    let shelf = Shelf::new();
    let values = [0, 16_384, -32_768, 32_767];
    let sound = shelf.whole(&aiff(&values, 8));
    assert_eq!((sound.rate, sound.channels), (8000, 1));
    assert_eq!(sound.values, [0.0, 0.5, -1.0, 32_767.0 / 32_768.0]);
    let cut = shelf.is_short(&aiff(&values, 20), &["claims 10 frames", "cut short"]);
    assert_eq!(cut.values, sound.values);
}

#[test]
fn codecs_that_are_not_decoded_are_named() {
    let shelf = Shelf::new();
    // Two packets of MPEG layer 2, 32 kb/s, mono.
    let packet = [&[0xFF, 0xFD, 0x14, 0xC0][..], &[0; 92]].concat();
    let message = shelf.part(&packet.repeat(3), 0.0, None).unwrap_err();
    assert!(message.to_string().contains("MPEG layer 2"), "{message}");
    for bytes in [
        &b"fLaC"[..],
        b"OggS",
        b"ID3",
        b"FORM\0\0\0\0AIFF",
        &[0xFF, 0xFB],
    ] {
        let message = shelf.part(bytes, 0.0, None).unwrap_err().to_string();
        let is_told = ["cannot be decoded", "cut short"]
            .iter()
            .any(|words| message.contains(words));
        assert!(is_told, "{message}");
    }
}
