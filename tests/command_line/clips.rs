//! Files that are not clips, parts beyond the end of a clip, and rendering of fitted clips.

use std::fs;

use siren_video::frames::open;
use siren_video::{Clip, VideoSignalConfig};

use super::{Case, assert_refused_cleanly, desk_for};
use crate::support::desk::Desk;

/// A valid config of a clip whose training takes a fraction of a second.
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

/// Creates a folder for clips that holds `good.toml`.
pub(super) fn desk() -> Desk {
    desk_for("video", GOOD_CLIP)
}

/// Returns the header of a `.npy` file with elements of type `kind` (`|u1`, `<f4`, …).
fn array_header(kind: &str, shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let padding = 64 - (10 + text.len() + 1) % 64;
    let text = format!("{text}{}\n", " ".repeat(padding));
    let len = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &len, text.as_bytes()].concat()
}

/// Decodes a clip and returns its height, its width and its number of frames.
pub(super) fn clip_size(desk: &Desk, name: &str) -> (u32, u32, usize) {
    let signal = VideoSignalConfig {
        path: Some(desk.path(name)),
        ..VideoSignalConfig::default()
    };
    let mut frames = open(&signal).unwrap();
    let (mut size, mut count) = ((0, 0), 0);
    while let Some(frame) = frames.read_next().unwrap() {
        size = frame.dimensions();
        count += 1;
    }
    (size.1, size.0, count)
}

#[test]
fn a_file_that_is_no_usable_clip_is_refused_by_name() {
    let desk = desk();
    desk.write_clip("odd", 3, 8);
    desk.write_picture("odd/9.png", 8, 9);
    fs::create_dir(desk.path("no_frames")).unwrap();
    desk.write("no_frames/readme.txt", "No pictures here.");
    desk.write("empty.mp4", "");
    desk.write("text.mp4", "This is not a clip.\n");
    desk.write(
        "cut.npy",
        [array_header("|u1", "(9, 2, 2, 3)"), vec![7; 50]].concat(),
    );
    for (name, kind, shape, bytes) in [
        ("flat.npy", "|u1", "(9, 7)", 63),
        ("narrow.npy", "|u1", "(9, 7, 3)", 189),
        ("first.npy", "|u1", "(2, 3, 9, 7)", 378),
        ("deep.npy", "|u1", "(2, 2, 2, 2, 2)", 32),
        ("complex.npy", "<c8", "(1, 1, 1, 3)", 24),
        ("half.npy", "<f2", "(1, 1, 1, 3)", 6),
    ] {
        desk.write(name, [array_header(kind, shape), vec![7; bytes]].concat());
    }
    fs::create_dir_all(desk.path("outer/inner")).unwrap();
    desk.write_picture("outer/inner/1.png", 8, 8);
    desk.write_picture("outer/._1.png", 8, 8);
    desk.write("huge.npy", array_header("|u1", "(9000000, 4000, 4000, 3)"));
    let y4m = b"YUV4MPEG2 W4 H4 F25:1 C420jpeg\nFRAME\n".as_slice();
    desk.write("cut.y4m", [y4m, &[100; 9]].concat());
    desk.write("head.gif", b"GIF89a\x04");
    let cases: &[Case] = &[
        ("absent.mp4", &["absent.mp4", "No such file"]),
        ("odd", &["odd/9.png", "8 × 9", "8 × 8"]),
        ("no_frames", &["no_frames", "without pictures"]),
        ("empty.mp4", &["empty.mp4", "empty"]),
        ("text.mp4", &["text.mp4", "FFmpeg"]),
        ("cut.npy", &["cut.npy", "9 frames", "within frame 4"]),
        ("outer", &["outer", "without pictures", "inner"]),
        ("flat.npy", &["flat.npy", "[9, 7]", "clip[numpy.newaxis]"]),
        (
            "narrow.npy",
            &[
                "[9, 7, 3]",
                "clip[numpy.newaxis]",
                "clip[..., numpy.newaxis]",
            ],
        ),
        ("first.npy", &["[2, 3, 9, 7]", "transpose(0, 2, 3, 1)"]),
        (
            "deep.npy",
            &["[2, 2, 2, 2, 2]", "(frames, height, width, 3)"],
        ),
        ("complex.npy", &["complex.npy", "<c8", "uint8"]),
        ("half.npy", &["half.npy", "<f2", "astype(numpy.float32)"]),
        (
            "huge.npy",
            &["signal.length", "9000000 frames", "MiB", "signal.resize"],
        ),
        ("cut.y4m", &["cut.y4m", "cut short"]),
        ("head.gif", &["head.gif", "GIF"]),
    ];
    for (name, words) in cases {
        let line = format!("run good.toml --out run --set signal.path={name}");
        assert_refused_cleanly(&desk, &line, words);
    }
}

/// Reads a clip and returns its values, 0 to 255, frame by frame, or the error message.
fn levels(desk: &Desk, name: &str) -> Result<Vec<u8>, String> {
    let signal = VideoSignalConfig {
        path: Some(desk.path(name)),
        ..VideoSignalConfig::default()
    };
    let clip = Clip::from_config(&signal).map_err(|error| error.to_string())?;
    assert_eq!(clip.levels().len(), clip.voxels() * clip.channels());
    Ok(clip.into_levels())
}

#[test]
fn arrays_of_bytes_floats_integers_and_booleans_give_the_same_values_and_gray_has_one_channel() {
    let desk = desk();
    let save = |kind: &str, shape: &str, bytes: Vec<u8>| {
        desk.write("a.npy", [array_header(kind, shape), bytes].concat());
        levels(&desk, "a.npy").unwrap()
    };
    let bytes: Vec<u8> = (0..24).map(|k| 11 * k).collect();
    let floats = bytes.iter().map(|&level| f32::from(level) / 255.0);
    let floats: Vec<f32> = floats.collect();
    let float_bytes =
        |to_bytes: fn(f32) -> [u8; 4]| floats.iter().flat_map(|&y| to_bytes(y)).collect();
    assert_eq!(save("|u1", "(2, 2, 2, 3)", bytes.clone()), bytes);
    assert_eq!(
        save("<f4", "(2, 2, 2, 3)", float_bytes(f32::to_le_bytes)),
        bytes
    );
    assert_eq!(
        save(">f4", "(2, 2, 2, 3)", float_bytes(f32::to_be_bytes)),
        bytes
    );
    let integers: Vec<u8> = bytes
        .iter()
        .flat_map(|&y| u64::from(y).to_le_bytes())
        .collect();
    assert_eq!(save("<i8", "(2, 2, 2, 3)", integers), bytes);
    assert_eq!(save("|u1", "(2, 2, 6)", bytes.clone()), bytes);
    assert_eq!(save("|u1", "(2, 2, 6, 1)", bytes.clone()), bytes);
    assert_eq!(save("|b1", "(1, 2, 2)", vec![0, 1, 1, 0]), [0, 255, 255, 0]);
    let transparent = vec![10, 20, 30, 255, 10, 20, 30, 0];
    assert_eq!(
        save("|u1", "(1, 1, 2, 4)", transparent),
        [10, 20, 30, 255, 255, 255]
    );
    // A gray clip is fitted by a field with one output, and its artifacts are gray.
    desk.write(
        "gray.npy",
        [array_header("|u1", "(4, 6, 8)"), vec![70; 192]].concat(),
    );
    desk.run("run good.toml --out run --set signal.path=gray.npy")
        .assert_success();
    let target = image::open(desk.path("run/artifacts/target.png")).unwrap();
    assert_eq!(target.color(), image::ColorType::L8);
    assert_eq!((target.height(), target.width()), (6, 8));
    desk.run("render run -o a.gif").assert_success();
    assert_eq!(clip_size(&desk, "a.gif"), (6, 8, 4));
    desk.run("render run -o frames").assert_success();
    assert_eq!(clip_size(&desk, "frames"), (6, 8, 4));
}

/// A map of one value.
type Change = fn(f64) -> f64;

/// Arrays with values outside the accepted ranges are refused. The conversion that the message advises recovers the intended values.
#[test]
fn an_array_converted_as_the_error_message_advises_is_read() {
    let desk = desk();
    let bytes: Vec<u8> = (0..12).map(|k| 23 * k).collect();
    // The meaning named by the message, the map from [0, 1] to the stored values, the advised expression, and its effect.
    let cases: [(&str, Change, &str, Change); 4] = [
        (
            "levels of 8 bits",
            |y| 255.0 * y,
            "clip / 255)",
            |v| v / 255.0,
        ),
        (
            "centered at zero",
            |y| 2.0 * y - 1.0,
            "(clip + 1) / 2)",
            |v| 0.5 * v + 0.5,
        ),
        (
            "levels of 10 bits",
            |y| (1023.0 * y).round(),
            "clip / 1023)",
            |v| v / 1023.0,
        ),
        (
            "levels of 16 bits",
            |y| (65_535.0 * y).round(),
            "clip / 65535)",
            |v| v / 65_535.0,
        ),
    ];
    let save = |values: &[f64]| {
        let stored = values.iter().flat_map(|value| value.to_le_bytes());
        let header = array_header("<f8", "(1, 2, 2, 3)");
        desk.write("a.npy", [header, stored.collect()].concat());
        levels(&desk, "a.npy")
    };
    for (meaning, stored, advice, back) in cases {
        let values: Vec<f64> = bytes
            .iter()
            .map(|&y| stored(f64::from(y) / 255.0))
            .collect();
        let message = save(&values).unwrap_err();
        let last = values[11];
        for word in [meaning, advice, "a.npy", "[0, 1]", &format!("to {last}")] {
            assert!(message.contains(word), "{word}: {message}");
        }
        let values: Vec<f64> = values.iter().map(|&value| back(value)).collect();
        assert_eq!(save(&values).unwrap(), bytes, "{advice}");
    }
}

#[test]
fn hidden_files_and_files_of_operating_systems_are_not_frames() {
    let desk = desk();
    desk.write_clip("clip", 11, 8);
    let before = levels(&desk, "clip").unwrap();
    for name in [
        "._0.png",
        ".thumb.png",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "notes.txt",
    ] {
        desk.write(&format!("clip/{name}"), "no picture");
    }
    fs::create_dir(desk.path("clip/.cache")).unwrap();
    assert_eq!(levels(&desk, "clip").unwrap(), before);
}

#[test]
fn a_part_beyond_the_end_of_a_clip_is_refused_by_its_key() {
    let desk = desk();
    desk.write_clip("clip", 10, 8);
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
        assert_refused_cleanly(&desk, &line, words);
    }
}

#[test]
fn a_fitted_clip_is_rendered_at_any_rate_and_size() {
    let desk = desk();
    desk.run("run good.toml --out run").assert_success();
    for (options, height, width, frames) in [
        ("", 10, 10, 32),
        ("--fps 32 ", 10, 10, 63),
        ("--fps 5 --size 8x12 ", 8, 12, 10),
        ("--scale 2 --threads 1 ", 20, 20, 32),
    ] {
        for name in ["a.gif", "frames"] {
            desk.run(&format!("render run {options}-o {name}"))
                .assert_success();
            assert_eq!(
                clip_size(&desk, name),
                (height, width, frames),
                "{options}{name}"
            );
        }
        desk.remove("frames");
    }
    desk.run("resume run").assert_success();
    desk.run("export run -o a.safetensors").assert_success();
    let cases: &[Case] = &[
        ("render run --fps 0 -o a.gif", &["--fps", "above 0"]),
        ("render run --fps nan -o a.gif", &["--fps", "above 0"]),
        ("render run --scale -1 -o a.gif", &["-1"]),
        ("render run -o a.avi", &["a.avi", ".mp4", ".gif"]),
        ("render run -o run", &["run", "already exists"]),
        (
            "render run -o absent/a.gif",
            &["absent/a.gif", "No such file"],
        ),
    ];
    let before = desk.files("");
    for (line, words) in cases {
        desk.run(line).assert_refused(line, words);
        assert!(desk.files("") == before, "{line} left files behind");
    }
}

#[test]
fn pictures_arrays_and_y4m_are_read_without_ffmpeg() {
    let desk = desk();
    desk.write_clip("clip", 4, 8);
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
    assert_eq!(clip_size(&desk, "clip"), (8, 8, 4));
    assert_eq!(clip_size(&desk, "clip.npy"), (8, 8, 4));
    assert_eq!(clip_size(&desk, "gray.y4m"), (3, 5, 2));
    let config = |path: &str| format!("run good.toml --out {path} --set signal.path={path}");
    for (folder, path) in [("a", "clip"), ("b", "clip.npy")] {
        let line = config(path).replace(&format!("--out {path}"), &format!("--out {folder}"));
        desk.run(&line).assert_success();
    }
    // Equal voxels give equal runs.
    assert!(desk.read("a/metrics.csv") == desk.read("b/metrics.csv"));
}
