//! What files of a stranger cannot do: run code, write outside of the run folder, or take memory out of proportion. SECURITY.md lists the limits.
#![cfg(unix)]

mod files;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use files::{archive, array, compressed_zeros, safetensors, state_dict};
use support::desk::Desk;
use support::program::{Ended, program};

/// Address space in KiB of the programs that read bombs: 3 GiB, where a bomb asks for more.
const MEMORY_KIB: u32 = 3 << 20;

/// A file whose header claims more than the file holds, and words of the refusal.
struct Bomb {
    name: &'static str,
    bytes: Vec<u8>,
    words: &'static [&'static str],
}

fn bomb(name: &'static str, bytes: impl Into<Vec<u8>>, words: &'static [&'static str]) -> Bomb {
    Bomb {
        name,
        bytes: bytes.into(),
        words,
    }
}

/// Returns a config of the kind that reads the file `name` by a key.
fn config(kind: &str, key: &str, name: &str) -> String {
    let (own, rest) = match kind {
        "image" if key.starts_with("run.") => ("signal.size = 12\n", ""),
        "wave" => ("objective.equation = 'helmholtz'\n", ""),
        _ => ("", ""),
    };
    format!(
        "kind = '{kind}'\n{own}{key} = '{name}'\n{rest}train.steps = 1\nfield.hidden_features = 8\n"
    )
}

/// Asserts that a program with little memory refuses each file by its name, and writes nothing.
fn assert_harmless(kind: &'static str, key: &str, bombs: &[Bomb]) {
    let desk = Desk::of_kind(kind);
    for bomb in bombs {
        desk.write(bomb.name, &bomb.bytes);
        desk.write("bomb.toml", config(kind, key, bomb.name));
        let script =
            format!("ulimit -v {MEMORY_KIB}; exec \"$0\" run bomb.toml --out run --threads 2");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).arg(program(kind));
        let before = desk.files("");
        let ended = shell.current_dir(desk.path("")).output().unwrap();
        let ended = Ended::from(ended);
        ended.assert_refused(bomb.name, &[bomb.name]);
        ended.assert_refused(bomb.name, bomb.words);
        assert!(desk.files("") == before, "{} left files", bomb.name);
    }
}

#[test]
fn weights_that_claim_huge_tensors_are_refused() {
    let length = [&(1_u64 << 60).to_le_bytes(), b"{}".as_slice()].concat();
    let tensor = |shape: &str, end: u64| {
        let entry = format!("\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[0,{end}]");
        safetensors(&format!("{{\"net.net.0.0.weight\":{{{entry}}}}}"))
    };
    let nested = safetensors(&format!("{{\"a\":{}", "[".repeat(100_000)));
    assert_harmless(
        "image",
        "run.start_from",
        &[
            bomb("header.safetensors", length, &["header too large"]),
            bomb(
                "overflow.safetensors",
                tensor("4294967296,4294967296", 0),
                &["overflow"],
            ),
            bomb(
                "absent.safetensors",
                tensor("1000000000,1000", 4_000_000_000_000),
                &["not fully covered"],
            ),
            bomb("nested.safetensors", nested, &["recursion"]),
        ],
    );
}

#[test]
fn a_pickle_calls_nothing_and_takes_no_memory_beyond_its_file() {
    let call = b"\x80\x02cos\nsystem\n(X\x0e\x00\x00\x00touch executedtR.";
    let deep = [b"\x80\x02N".as_slice(), &vec![0x85; 1_000_000], b"."].concat();
    let doubled = [
        b"\x80\x02)q\0".as_slice(),
        &b"h\0h\0\x86q\0".repeat(60),
        b".",
    ]
    .concat();
    let pth =
        |pickle: &[u8]| archive(&[("archive/data.pkl", pickle), ("archive/data/0", &[0; 64])]);
    let none: &[&str] = &["no PyTorch state dict"];
    assert_harmless(
        "image",
        "run.start_from",
        &[
            bomb("call.pth", pth(call), none),
            bomb("deep.pth", pth(&deep), none),
            bomb("doubled.pth", pth(&doubled), none),
            bomb("text.pth", pth(b"\x80\x02X\xff\xff\xff\xff."), none),
            bomb(
                "huge.pth",
                pth(&state_dict([1_000_000_000, 1_000_000_000])),
                &["holds 16 elements"],
            ),
            bomb(
                "long.pth",
                pth(&vec![b'N'; 5 << 20]),
                &["longer than 4194304 bytes"],
            ),
            // A tensor that is really there is read, and is of another network.
            bomb("small.pth", pth(&state_dict([4, 4])), &["got [4, 4]"]),
        ],
    );
}

#[test]
fn pictures_that_claim_huge_sizes_are_refused() {
    let gif = b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\0\0\0\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0\x3b".to_vec();
    let ppm = "P6\n100000 100000\n255\n";
    let tiff = |width: u32, height: u32| {
        let entries = [
            (256, width),
            (257, height),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, 8),
            (277, 1),
            (278, height),
            (279, 0xffff_fff0),
        ];
        let mut bytes = b"II*\0\x08\0\0\0\x09\0".to_vec();
        for (tag, value) in entries {
            bytes.extend([tag as u16, 4].map(u16::to_le_bytes).concat());
            bytes.extend([1, value].map(u32::to_le_bytes).concat());
        }
        bytes.extend([0; 4]);
        bytes
    };
    let bombs = [
        bomb("huge.gif", gif.clone(), &["65535x65535", "1000 million"]),
        bomb("huge.ppm", ppm, &["100000x100000", "65535 per side"]),
        bomb(
            "huge.tiff",
            tiff(100_000, 100_000),
            &["100000x100000", "65535 per side"],
        ),
        bomb("strip.tiff", tiff(16_000, 6_000), &["too much memory"]),
    ];
    assert_harmless("image", "signal.path", &bombs);
    assert_harmless("poisson", "signal.path", &bombs[..1]);
    // A clip reads all frames, which have sizes of their own.
    let mut frame = gif.clone();
    frame[6..10].copy_from_slice(&[4, 0, 4, 0]);
    // Two frames, one of a hundredth of a second and one of eleven minutes: 65,536 frames of 30 kB.
    let lasting = |ticks: u16| {
        let [low, high] = ticks.to_le_bytes();
        let control = [0x21, 0xf9, 4, 0, low, high, 0, 0];
        [
            &control,
            &b"\x2c\0\0\0\0\x04\0\x04\0\0\x02\x02\x44\x01\0"[..],
        ]
        .concat()
    };
    let mut long = gif[..19].to_vec();
    long[6..10].copy_from_slice(&[100, 0, 100, 0]);
    let long = [long, lasting(1), lasting(u16::MAX), b"\x3b".to_vec()].concat();
    assert_harmless(
        "video",
        "signal.path",
        &[
            bomb("huge.gif", gif, &["65535 × 65535", "16384"]),
            bomb(
                "frame.gif",
                frame,
                &["a frame, number 0, of 65535 × 65535", "16384"],
            ),
        ],
    );
    let desk = Desk::of_kind("video");
    desk.write("long.gif", long);
    let line = "run bomb.toml --out run";
    desk.write("bomb.toml", config("video", "signal.path", "long.gif"));
    desk.run(line)
        .assert_refused(line, &["65536 frames", "1024 MiB"]);
}

#[test]
fn clips_sounds_and_arrays_that_claim_huge_sizes_are_refused() {
    let y4m = |size: &str| format!("YUV4MPEG2 {size} F25:1 C420jpeg\nFRAME\n");
    assert_harmless(
        "video",
        "signal.path",
        &[
            bomb("wide.y4m", y4m("W999999999 H999999999"), &["wide.y4m"]),
            bomb(
                "overflow.y4m",
                y4m("W18446744073709551615 H2"),
                &["overflow.y4m"],
            ),
        ],
    );
    let desk = Desk::of_kind("video");
    desk.write(
        "huge.npy",
        array("|u1", "(1000000000, 1000000000, 1000, 3)"),
    );
    let line = "run bomb.toml --out run";
    desk.write("bomb.toml", config("video", "signal.path", "huge.npy"));
    desk.run(line).assert_refused(line, &["free memory"]);
    let wav = |channels: u16, rate: u32| {
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0".to_vec();
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate.to_le_bytes());
        bytes.extend(rate.wrapping_mul(2 * u32::from(channels)).to_le_bytes());
        bytes.extend(channels.wrapping_mul(2).to_le_bytes());
        bytes.extend(b"\x10\0data\x64\0\0\0");
        bytes.extend([1; 100]);
        bytes
    };
    assert_harmless(
        "audio",
        "signal.path",
        &[
            bomb(
                "channels.wav",
                wav(65_535, 8000),
                &["65535 channels", "1 to 32"],
            ),
            bomb("rate.wav", wav(1, u32::MAX), &["4294967295 Hz", "10000000"]),
        ],
    );
    assert_harmless(
        "wave",
        "signal.medium.file.path",
        &[
            bomb(
                "huge.npy",
                array("<f8", "(1000000000, 1000000000)"),
                &["100000000"],
            ),
            bomb("absent.npy", array("<f8", "(10000, 10000)"), &["800000000"]),
        ],
    );
}

#[test]
fn shapes_that_claim_huge_counts_are_refused() {
    let ply = |format: &str, count: &str| {
        format!(
            "ply\nformat {format} 1.0\nelement vertex {count}\nproperty float x\nproperty float y\nproperty float z\nend_header\n1 2 3\n"
        )
    };
    let mut stl = vec![b' '; 80];
    stl.extend([0xff; 4]);
    stl.extend([0; 100]);
    let glb = |json: &str| {
        let mut text = json.as_bytes().to_vec();
        text.resize(text.len().next_multiple_of(4), b' ');
        let lengths = [2, 20 + text.len() as u32, text.len() as u32].map(u32::to_le_bytes);
        [b"glTF".as_slice(), &lengths.concat(), b"JSON", &text].concat()
    };
    let twice: Vec<String> = (1..41)
        .map(|child| format!("{{\"children\":[{child},{child}]}}"))
        .collect();
    let nodes = |nodes: &str| {
        glb(&format!(
            "{{\"asset\":{{\"version\":\"2.0\"}},\"scenes\":[{{\"nodes\":[0]}}],\"nodes\":[{nodes}]}}"
        ))
    };
    assert_harmless(
        "shape",
        "signal.path",
        &[
            bomb("text.ply", ply("ascii", "4294967295"), &["cut short"]),
            bomb(
                "binary.ply",
                ply("binary_little_endian", "18446744073709551615"),
                &["cut short"],
            ),
            bomb("huge.stl", stl, &["4294967295 triangles"]),
            bomb(
                "huge.npy",
                array("<f4", "(1000000000000000000, 3)"),
                &["cut short"],
            ),
            bomb("cycle.glb", nodes("{\"children\":[0]}"), &["two parents"]),
            bomb(
                "doubled.glb",
                nodes(&format!("{},{{}}", twice.join(","))),
                &["two parents"],
            ),
        ],
    );
}

#[test]
fn a_compressed_variable_is_read_up_to_a_gibibyte() {
    let file = compressed_zeros();
    assert!(file.len() < 8 << 20);
    assert_harmless(
        "wave",
        "signal.medium.file.path",
        &[bomb("bomb.mat", file, &["more than 1024 MiB"])],
    );
}

#[test]
fn the_name_of_a_run_is_the_name_of_a_folder_below_runs() {
    let desk = Desk::new();
    for name in [
        "/tmp/elsewhere",
        "../elsewhere",
        "a/b",
        "..",
        ".hidden",
        "a\\\\b",
        "a\\u0000b",
    ] {
        desk.write(
            "named.toml",
            format!("kind = 'image'\nname = \"{name}\"\n[signal]\nsize = 8\n[train]\nsteps = 1\n"),
        );
        let before = desk.files("");
        let line = "run named.toml";
        desk.run(line)
            .assert_refused(name, &["`name`", "the name of a folder"]);
        assert!(desk.files("") == before);
    }
}

#[test]
fn a_config_that_is_nested_without_end_is_refused() {
    let desk = Desk::new();
    for text in [
        format!("a = {}", "[".repeat(200_000)),
        format!("{}b = 1", "a.".repeat(100_000)),
    ] {
        desk.write("deep.toml", format!("kind = 'image'\n{text}\n"));
        let line = "run deep.toml --out run";
        desk.run(line).assert_refused(line, &["deep.toml"]);
    }
}
