//! Files that are no clips, parts that are not there, and what can be done with a fitted clip.

use std::fs;

use siren_video::config::VideoSignal;
use siren_video::frames::open;

use super::{Case, desk_for, refused_then_right};
use crate::support::desk::Desk;

/// A fit of no time.
const GOOD_CLIP: &str = "
kind = 'video'
[signal]
size = 10
sampling = { subset = { points = 64, replacement = true } }
[field]
hidden_features = 8
hidden_layers = 1
[train]
steps = 3
[run]
evaluate_every = 2
";

/// With `good.toml`, of a clip, on it.
fn desk() -> Desk {
    desk_for("video", GOOD_CLIP)
}

/// The header of an array of NumPy.
fn array_header(kind: &str, shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let padding = 64 - (10 + text.len() + 1) % 64;
    let text = format!("{text}{}\n", " ".repeat(padding));
    let len = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &len, text.as_bytes()].concat()
}

/// Height, width, and how many frames: of a folder, a GIF or a file.
fn seen(desk: &Desk, name: &str) -> (u32, u32, usize) {
    let signal = VideoSignal {
        path: Some(desk.path(name)),
        ..VideoSignal::default()
    };
    let mut frames = open(&signal).unwrap();
    let (mut size, mut count) = ((0, 0), 0);
    while let Some(frame) = frames.next().unwrap() {
        size = frame.dimensions();
        count += 1;
    }
    (size.1, size.0, count)
}

#[test]
fn a_file_that_is_no_usable_clip_is_refused_by_name() {
    let desk = desk();
    desk.film("odd", 3, 8);
    desk.draw("odd/9.png", 8, 9);
    fs::create_dir(desk.path("nothing")).unwrap();
    desk.write("nothing/readme.txt", "No pictures here.");
    desk.write("empty.mp4", "");
    desk.write("text.mp4", "This is not a clip.\n");
    desk.write(
        "cut.npy",
        [array_header("|u1", "(9, 2, 2, 3)"), vec![7; 50]].concat(),
    );
    desk.write(
        "gray.npy",
        [array_header("|u1", "(9, 2, 2)"), vec![7; 36]].concat(),
    );
    desk.write(
        "floats.npy",
        [array_header("<f4", "(1, 1, 1, 3)"), vec![0; 12]].concat(),
    );
    desk.write("huge.npy", array_header("|u1", "(9000000, 4000, 4000, 3)"));
    let y4m = b"YUV4MPEG2 W4 H4 F25:1 C420jpeg\nFRAME\n".as_slice();
    desk.write("cut.y4m", [y4m, &[100; 9]].concat());
    desk.write("head.gif", b"GIF89a\x04");
    let cases: &[Case] = &[
        ("absent.mp4", &["absent.mp4", "No such file"]),
        ("odd", &["odd/9.png", "8 × 9", "8 × 8"]),
        ("nothing", &["nothing", "without pictures"]),
        ("empty.mp4", &["empty.mp4", "empty"]),
        ("text.mp4", &["text.mp4", "FFmpeg"]),
        ("cut.npy", &["cut.npy", "9 frames", "within frame 4"]),
        (
            "gray.npy",
            &["gray.npy", "[9, 2, 2]", "(frames, height, width, 3)"],
        ),
        ("floats.npy", &["floats.npy", "uint8"]),
        (
            "huge.npy",
            &["signal.length", "9000000 frames", "MiB", "signal.resize"],
        ),
        ("cut.y4m", &["cut.y4m", "cut short"]),
        ("head.gif", &["head.gif", "GIF"]),
    ];
    for (name, words) in cases {
        let line = format!("run good.toml --out run --set signal.path={name}");
        refused_then_right(&desk, &line, words);
    }
}

#[test]
fn a_part_of_a_clip_that_is_not_there_is_refused_by_its_key() {
    let desk = desk();
    desk.film("clip", 10, 8);
    let cases: &[Case] = &[
        ("signal.start=2", &["signal.start", "2 seconds"]),
        ("signal.start=-1", &["signal.start", "at least 0"]),
        ("signal.length=0", &["signal.length", "above 0"]),
        ("signal.length=2.5", &["signal.length", "2 seconds"]),
        ("signal.length=nan", &["signal.length", "above 0"]),
        ("signal.stride=0", &["signal.stride", "1 to"]),
        ("signal.size=0", &["signal.size", "1 to"]),
        ("signal.crop=11", &["signal.crop", "10 × 10"]),
        ("signal.resize=0", &["signal.resize", "1 to"]),
        (
            "signal.evaluated_frames=0",
            &["signal.evaluated_frames", "1 to"],
        ),
        ("signal={path='clip',rate=0}", &["signal.rate", "above 0"]),
        (
            "signal={path='clip',rate=10,start=0.5,length=0.6}",
            &["signal.length", "0.5 seconds"],
        ),
        (
            "signal.sampling.subset.points=0",
            &["signal.sampling.subset.points", "1 to"],
        ),
        ("signal.fps=3", &["fps"]),
    ];
    for (set, words) in cases {
        let line = format!("run good.toml --out run --set {set}");
        refused_then_right(&desk, &line, words);
    }
}

#[test]
fn a_clip_is_played_at_any_rate_and_size() {
    let desk = desk();
    desk.run("run good.toml --out run").succeeded();
    for (options, height, width, frames) in [
        ("", 10, 10, 32),
        ("--fps 32 ", 10, 10, 63),
        ("--fps 5 --size 8x12 ", 8, 12, 10),
        ("--scale 2 --threads 1 ", 20, 20, 32),
    ] {
        for name in ["a.gif", "frames"] {
            desk.run(&format!("render run {options}-o {name}"))
                .succeeded();
            assert_eq!(
                seen(&desk, name),
                (height, width, frames),
                "{options}{name}"
            );
        }
        desk.remove("frames");
    }
    desk.run("resume run").succeeded();
    desk.run("export run -o a.safetensors").succeeded();
    let cases: &[Case] = &[
        ("render run --fps 0 -o a.gif", &["--fps", "above 0"]),
        ("render run --fps nan -o a.gif", &["--fps", "above 0"]),
        ("render run --scale -1 -o a.gif", &["-1"]),
        ("render run -o a.avi", &["a.avi", ".mp4", ".gif"]),
        ("render run -o run", &["run", "there already"]),
        (
            "render run -o absent/a.gif",
            &["absent/a.gif", "No such file"],
        ),
    ];
    let before = desk.files("");
    for (line, words) in cases {
        desk.run(line).refused(line, words);
        assert!(desk.files("") == before, "{line} left files behind");
    }
}

#[test]
fn a_clip_without_ffmpeg_is_read_from_pictures_arrays_and_y4m_alike() {
    let desk = desk();
    desk.film("clip", 4, 8);
    let mut bytes = Vec::new();
    for frame in 0..4 {
        let picture = image::open(desk.path(&format!("clip/{frame}.png"))).unwrap();
        bytes.extend(picture.to_rgb8().into_raw());
    }
    desk.write(
        "clip.npy",
        [array_header("|u1", "(4, 8, 8, 3)"), bytes].concat(),
    );
    let gray = [b"FRAME\n".as_slice(), &[126; 15]].concat();
    let y4m = [b"YUV4MPEG2 W5 H3 F25:1 Cmono\n".as_slice(), &gray, &gray].concat();
    desk.write("gray.y4m", y4m);
    assert_eq!(seen(&desk, "clip"), (8, 8, 4));
    assert_eq!(seen(&desk, "clip.npy"), (8, 8, 4));
    assert_eq!(seen(&desk, "gray.y4m"), (3, 5, 2));
    let config = |path: &str| format!("run good.toml --out {path} --set signal.path={path}");
    for (folder, path) in [("a", "clip"), ("b", "clip.npy")] {
        let line = config(path).replace(&format!("--out {path}"), &format!("--out {folder}"));
        desk.run(&line).succeeded();
    }
    // The same voxels, so the same run.
    assert!(desk.read("a/metrics.csv") == desk.read("b/metrics.csv"));
}

/// With FFmpeg's libraries alone.
#[cfg(feature = "ffmpeg")]
mod with_ffmpeg {
    use super::*;

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
        let cases: &[Case] = &[
            ("cut.mp4", &["cut.mp4", "cut short"]),
            ("head.mp4", &["head.mp4", "cut short"]),
            ("sound.wav", &["sound.wav", "no video stream"]),
        ];
        for (name, words) in cases {
            let line = format!("run good.toml --out run --set signal.path={name}");
            refused_then_right(&desk, &line, words);
        }
    }
}
