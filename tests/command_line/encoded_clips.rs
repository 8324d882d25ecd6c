//! Clips that need FFmpeg: color, rotation and pixel aspect of a file are applied, and its frames are counted by decoding.

use std::fs;

use siren_video::VideoSignalConfig;
use siren_video::frames::open;

use super::clips::{clip_size, desk};
use super::sounds::copy_golden as copy_golden_sound;
use super::{Case, assert_refused_cleanly};
use crate::support::desk::Desk;

/// Copies a file of `tests/golden` into the folder and returns its bytes.
fn copy_golden(desk: &Desk, name: &str) -> Vec<u8> {
    let path = format!("{}/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = fs::read(path).unwrap();
    desk.write(name, &bytes);
    bytes
}

/// Decodes the first frame of a clip.
fn first_frame(desk: &Desk, name: &str) -> image::RgbImage {
    let signal = VideoSignalConfig {
        path: Some(desk.path(name)),
        ..VideoSignalConfig::default()
    };
    open(&signal).unwrap().read_next().unwrap().unwrap()
}

#[track_caller]
fn assert_near(found: [u8; 3], expected: [u8; 3], tolerance: u8) {
    let is_near = found
        .iter()
        .zip(expected)
        .all(|(a, b)| a.abs_diff(b) <= tolerance);
    assert!(is_near, "found {found:?}, expected {expected:?}");
}

#[test]
fn a_clip_rendered_as_mp4_is_read_back_with_all_its_frames_even_if_its_sides_are_odd() {
    let desk = desk();
    desk.run("run good.toml --out run").assert_success();
    for (options, height, width, frames) in [
        ("", 10, 10, 32),
        ("--fps 32 ", 10, 10, 63),
        ("--fps 29.97 --size 33x47 ", 34, 48, 59),
    ] {
        desk.run(&format!("render run {options}-o a.mp4"))
            .assert_success();
        assert_eq!(
            clip_size(&desk, "a.mp4"),
            (height, width, frames),
            "{options}"
        );
    }
    desk.run("run good.toml --out again --set signal.path=a.mp4 --set signal.resize=12")
        .assert_success();
    assert_eq!(
        image::image_dimensions(desk.path("again/artifacts/target.png")).unwrap(),
        (16, 12)
    );
}

#[test]
fn a_damaged_mp4_and_a_file_without_video_are_refused_by_name() {
    let desk = desk();
    desk.run("run good.toml --out made").assert_success();
    desk.run("render made --size 64x64 -o a.mp4")
        .assert_success();
    let whole = desk.read("a.mp4");
    desk.write("cut.mp4", &whole[..whole.len() / 2]);
    desk.write("head.mp4", &whole[..100]);
    desk.write_sound("sound.wav", 4000);
    desk.write_picture("cover.png", 8, 8);
    copy_golden_sound(&desk, "tone.mp3", 1.0, "tone.mp3");
    desk.write(
        "covered.mp3",
        [
            id3_tag_with_cover(&desk.read("cover.png")),
            desk.read("tone.mp3"),
        ]
        .concat(),
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
        assert_refused_cleanly(&desk, &line, words);
    }
}

/// Returns an ID3 tag with a cover picture, the start of an MP3 file.
fn id3_tag_with_cover(png: &[u8]) -> Vec<u8> {
    let picture = [b"\0image/png\0\x03\0".as_slice(), png].concat();
    let len = u32::try_from(picture.len()).unwrap();
    let frame = [b"APIC".as_slice(), &len.to_be_bytes(), &[0; 2], &picture].concat();
    // The length of a tag has seven bits in each byte.
    let len = u32::try_from(frame.len()).unwrap();
    let len = [21, 14, 7, 0].map(|shift| (len >> shift & 0x7f) as u8);
    [b"ID3\x03\0\0".as_slice(), &len, &frame].concat()
}

#[test]
fn red_and_gray_are_decoded_exactly_for_every_color_matrix_range_and_bit_depth() {
    let desk = desk();
    for name in ["clip_bt709.mp4", "clip_full10.mp4"] {
        copy_golden(&desk, name);
        let frame = first_frame(&desk, name);
        assert_near(frame.get_pixel(4, 8).0, [255, 0, 0], 2);
        for column in 0..16 {
            let gray = 17 * column as u8;
            assert_near(frame.get_pixel(16 + column, 8).0, [gray; 3], 2);
        }
    }
}

#[test]
fn transparent_pixels_of_a_clip_become_white() {
    let desk = desk();
    copy_golden(&desk, "clip_alpha.mov");
    let frame = first_frame(&desk, "clip_alpha.mov");
    assert_eq!(frame.get_pixel(4, 7).0, [255; 3]);
    assert_eq!(frame.get_pixel(4, 8).0, [255, 0, 0]);
    assert_eq!(frame.get_pixel(17, 8).0, [17; 3]);
}

#[test]
fn a_rotated_clip_is_read_upright() {
    const ONE: i32 = 1 << 16;
    let desk = desk();
    let bytes = copy_golden(&desk, "clip_turned.mp4");
    // The display matrix of the track begins 40 bytes into the body of its header.
    let header = bytes.windows(4).position(|four| four == b"tkhd").unwrap();
    let at = header + 4 + 40;
    let stored = [[0, -ONE, 0], [ONE, 0, 0]].concat();
    let entry = |entry: &i32| entry.to_be_bytes();
    assert_eq!(
        bytes[at..at + 24],
        stored.iter().flat_map(entry).collect::<Vec<u8>>()
    );
    // For each display matrix: the size of the frame, a pixel of the red half and a pixel of the gray half.
    for (matrix, size, red, gray) in [
        ([[0, -ONE, 0], [ONE, 0, 0]], (16, 32), (8, 24), (8, 8)),
        ([[0, ONE, 0], [-ONE, 0, 0]], (16, 32), (8, 8), (8, 24)),
        ([[-ONE, 0, 0], [0, -ONE, 0]], (32, 16), (24, 8), (8, 8)),
        ([[-ONE, 0, 0], [0, ONE, 0]], (32, 16), (24, 8), (8, 8)),
        ([[ONE, 0, 0], [0, ONE, 0]], (32, 16), (8, 8), (24, 8)),
    ] {
        let mut rotated = bytes.clone();
        rotated.splice(at..at + 24, matrix.iter().flatten().flat_map(entry));
        desk.write("rotated.mp4", rotated);
        let frame = first_frame(&desk, "rotated.mp4");
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
    assert_refused_cleanly(&desk, line, &["slanted.mp4", "multiple of 90°"]);
}

#[test]
fn pixels_that_are_not_square_are_stretched_with_a_note() {
    let desk = desk();
    copy_golden(&desk, "clip_wide_pixels.mp4");
    assert_eq!(clip_size(&desk, "clip_wide_pixels.mp4"), (16, 48, 2));
    let ended = desk.run("run good.toml --out run --set signal.path=clip_wide_pixels.mp4");
    let stderr = ended.assert_success().stderr;
    assert!(
        stderr.contains("16 × 32 are stretched to 16 × 48"),
        "{stderr}"
    );
    let target = desk.path("run/artifacts/target.png");
    assert_eq!(image::image_dimensions(target).unwrap(), (48, 16));
}

#[test]
fn frames_are_counted_by_decoding_whatever_length_the_file_claims() {
    let desk = desk();
    copy_golden(&desk, "clip_long_sound.mkv");
    copy_golden(&desk, "clip_no_key.ts");
    assert_eq!(clip_size(&desk, "clip_long_sound.mkv"), (16, 32, 6));
    // The file has eleven frames. The first three depend on a frame that was cut out.
    assert_eq!(clip_size(&desk, "clip_no_key.ts"), (16, 32, 8));
    let ended = desk.run("run good.toml --out run --set signal.path=clip_no_key.ts");
    let stderr = ended.assert_success().stderr;
    assert!(stderr.contains("3 of its 11 frames"), "{stderr}");
}
