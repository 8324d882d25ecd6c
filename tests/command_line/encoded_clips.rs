//! Clips that need FFmpeg: what a file says of its pictures is honored, and lengths that it claims are counted.

use std::fs;

use siren_video::config::VideoSignal;
use siren_video::frames::open;

use super::clips::{desk, seen};
use super::{Case, refused_then_right};
use crate::support::desk::Desk;

/// A clip of `tests/golden`, on a desk.
fn golden(desk: &Desk, name: &str) -> Vec<u8> {
    let path = format!("{}/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = fs::read(path).unwrap();
    desk.write(name, &bytes);
    bytes
}

/// The first frame of a clip.
fn first(desk: &Desk, name: &str) -> image::RgbImage {
    let signal = VideoSignal {
        path: Some(desk.path(name)),
        ..VideoSignal::default()
    };
    open(&signal).unwrap().next().unwrap().unwrap()
}

#[track_caller]
fn assert_near(found: [u8; 3], expected: [u8; 3], most: u8) {
    let is_near = found
        .iter()
        .zip(expected)
        .all(|(a, b)| a.abs_diff(b) <= most);
    assert!(is_near, "{found:?} {expected:?}");
}

#[test]
fn a_clip_written_as_mp4_is_read_back_with_all_its_frames_even_if_its_sides_are_odd() {
    let desk = desk();
    desk.run("run good.toml --out run").succeeded();
    for (options, height, width, frames) in [
        ("", 10, 10, 32),
        ("--fps 32 ", 10, 10, 63),
        ("--fps 29.97 --size 33x47 ", 34, 48, 59),
    ] {
        desk.run(&format!("render run {options}-o a.mp4"))
            .succeeded();
        assert_eq!(seen(&desk, "a.mp4"), (height, width, frames), "{options}");
    }
    desk.run("run good.toml --out again --set signal.path=a.mp4 --set signal.resize=12")
        .succeeded();
    assert_eq!(
        image::image_dimensions(desk.path("again/artifacts/target.png")).unwrap(),
        (16, 12)
    );
}

#[test]
fn a_damaged_mp4_and_a_file_without_pictures_are_refused_by_name() {
    let desk = desk();
    desk.run("run good.toml --out made").succeeded();
    desk.run("render made --size 64x64 -o a.mp4").succeeded();
    let whole = desk.read("a.mp4");
    desk.write("cut.mp4", &whole[..whole.len() / 2]);
    desk.write("head.mp4", &whole[..100]);
    desk.play("sound.wav", 4000);
    desk.draw("cover.png", 8, 8);
    desk.write(
        "covered.mp3",
        [tag(&desk.read("cover.png")), golden(&desk, "tone.mp3")].concat(),
    );
    let cases: &[Case] = &[
        ("cut.mp4", &["cut.mp4", "cut short"]),
        ("head.mp4", &["head.mp4", "cut short"]),
        (
            "sound.wav",
            &["sound.wav", "no video stream", "kind = \"audio\""],
        ),
        (
            "covered.mp3",
            &["covered.mp3", "a sound with a cover", "kind = \"audio\""],
        ),
    ];
    for (name, words) in cases {
        let line = format!("run good.toml --out run --set signal.path={name}");
        refused_then_right(&desk, &line, words);
    }
}

/// The start of an MP3 file with a cover picture.
fn tag(png: &[u8]) -> Vec<u8> {
    let picture = [b"\0image/png\0\x03\0".as_slice(), png].concat();
    let len = u32::try_from(picture.len()).unwrap();
    let frame = [b"APIC".as_slice(), &len.to_be_bytes(), &[0; 2], &picture].concat();
    // Seven bits a byte.
    let len = u32::try_from(frame.len()).unwrap();
    let len = [21, 14, 7, 0].map(|shift| (len >> shift & 0x7f) as u8);
    [b"ID3\x03\0\0".as_slice(), &len, &frame].concat()
}

#[test]
fn red_and_gray_are_what_they_were_by_every_matrix_range_and_depth() {
    let desk = desk();
    for name in ["clip_bt709.mp4", "clip_full10.mp4"] {
        golden(&desk, name);
        let frame = first(&desk, name);
        assert_near(frame.get_pixel(4, 8).0, [255, 0, 0], 2);
        for column in 0..16 {
            let gray = 17 * column as u8;
            assert_near(frame.get_pixel(16 + column, 8).0, [gray; 3], 2);
        }
    }
}

#[test]
fn what_is_transparent_in_a_clip_is_white() {
    let desk = desk();
    golden(&desk, "clip_alpha.mov");
    let frame = first(&desk, "clip_alpha.mov");
    assert_eq!(frame.get_pixel(4, 7).0, [255; 3]);
    assert_eq!(frame.get_pixel(4, 8).0, [255, 0, 0]);
    assert_eq!(frame.get_pixel(17, 8).0, [17; 3]);
}

#[test]
fn a_clip_that_lies_on_its_side_is_read_upright() {
    const ONE: i32 = 1 << 16;
    let desk = desk();
    let bytes = golden(&desk, "clip_turned.mp4");
    // The display matrix of the track lies 40 bytes into its header's body.
    let header = bytes.windows(4).position(|four| four == b"tkhd").unwrap();
    let at = header + 4 + 40;
    let stored = [[0, -ONE, 0], [ONE, 0, 0]].concat();
    let entry = |entry: &i32| entry.to_be_bytes();
    assert_eq!(
        bytes[at..at + 24],
        stored.iter().flat_map(entry).collect::<Vec<u8>>()
    );
    // Where the red half is: its middle, and that of the other half.
    for (matrix, size, red, gray) in [
        ([[0, -ONE, 0], [ONE, 0, 0]], (16, 32), (8, 24), (8, 8)),
        ([[0, ONE, 0], [-ONE, 0, 0]], (16, 32), (8, 8), (8, 24)),
        ([[-ONE, 0, 0], [0, -ONE, 0]], (32, 16), (24, 8), (8, 8)),
        ([[-ONE, 0, 0], [0, ONE, 0]], (32, 16), (24, 8), (8, 8)),
        ([[ONE, 0, 0], [0, ONE, 0]], (32, 16), (8, 8), (24, 8)),
    ] {
        let mut turned = bytes.clone();
        turned.splice(at..at + 24, matrix.iter().flatten().flat_map(entry));
        desk.write("turned.mp4", turned);
        let frame = first(&desk, "turned.mp4");
        assert_eq!(frame.dimensions(), size, "{matrix:?}");
        assert_near(frame.get_pixel(red.0, red.1).0, [253, 0, 0], 8);
        let [red, green, blue] = frame.get_pixel(gray.0, gray.1).0;
        assert!(
            green.abs_diff(red) < 9 && blue.abs_diff(red) < 9,
            "{matrix:?}"
        );
    }
    let mut slanted = bytes;
    slanted.splice(
        at..at + 24,
        [46_341, 46_341, 0, -46_341, 46_341, 0]
            .iter()
            .flat_map(entry),
    );
    desk.write("slanted.mp4", slanted);
    let line = "run good.toml --out run --set signal.path=slanted.mp4";
    refused_then_right(&desk, line, &["slanted.mp4", "multiple of 90°"]);
}

#[test]
fn pixels_that_are_not_square_are_stretched_and_the_user_is_told() {
    let desk = desk();
    golden(&desk, "clip_wide_pixels.mp4");
    assert_eq!(seen(&desk, "clip_wide_pixels.mp4"), (16, 48, 2));
    let ended = desk.run("run good.toml --out run --set signal.path=clip_wide_pixels.mp4");
    let stderr = ended.succeeded().stderr;
    assert!(
        stderr.contains("16 × 32 are stretched to 16 × 48"),
        "{stderr}"
    );
    let target = desk.path("run/artifacts/target.png");
    assert_eq!(image::image_dimensions(target).unwrap(), (48, 16));
}

#[test]
fn frames_are_counted_whatever_length_the_file_claims() {
    let desk = desk();
    golden(&desk, "clip_long_sound.mkv");
    golden(&desk, "clip_no_key.ts");
    assert_eq!(seen(&desk, "clip_long_sound.mkv"), (16, 32, 6));
    // Of eleven, the first three depend on one that was cut out.
    assert_eq!(seen(&desk, "clip_no_key.ts"), (16, 32, 8));
    let ended = desk.run("run good.toml --out run --set signal.path=clip_no_key.ts");
    let stderr = ended.succeeded().stderr;
    assert!(stderr.contains("3 of its 11 frames"), "{stderr}");
}
