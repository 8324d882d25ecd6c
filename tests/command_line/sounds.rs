//! Files that are no sounds, parts that are not there, and what can be done with a fitted sound.

use std::fs;

use siren_audio::sound::Sound;
use siren_audio::wav::WavFile;

use super::{Case, desk_for, refused_then_right};
use crate::support::desk::Desk;

/// A fit of no time.
const GOOD_SOUND: &str = "
kind = 'audio'
[signal]
length = 0.05
[field]
first_omega_0 = 300.0
hidden_features = 8
hidden_layers = 1
[train]
steps = 3
[run]
evaluate_every = 2
";

/// With `good.toml`, of a sound, on it.
fn desk() -> Desk {
    desk_for("audio", GOOD_SOUND)
}

fn desk_with_run() -> Desk {
    let desk = desk();
    desk.run("run good.toml --out run").succeeded();
    desk
}

fn heard(desk: &Desk, name: &str) -> Sound {
    let file = WavFile::open(&desk.path(name)).unwrap();
    let frames = file.frames();
    file.read(0..frames).unwrap()
}

#[test]
fn a_file_that_is_no_usable_sound_is_refused_by_name() {
    let desk = desk();
    desk.play("whole.wav", 1000);
    let whole = desk.read("whole.wav");
    desk.write("cut.wav", &whole[..whole.len() - 8 * 700]);
    desk.write("head.wav", &whole[..40]);
    let mut long = whole.clone();
    long[64..68].copy_from_slice(&4_000_000_000_u32.to_le_bytes());
    desk.write("long.wav", long);
    let mut bad = whole;
    bad[76..80].copy_from_slice(&f32::NAN.to_le_bytes());
    desk.write("bad.wav", bad);
    desk.write("empty.wav", "");
    desk.write("text.wav", "This is not a sound.\n");
    fs::create_dir(desk.path("folder.wav")).unwrap();
    let silence = Sound {
        rate: 8000,
        channels: 1,
        values: vec![0.0; 1000],
    };
    silence.save(&desk.path("silence.wav")).unwrap();
    let cases: &[Case] = &[
        ("absent.wav", &["absent.wav", "No such file"]),
        ("cut.wav", &["cut.wav", "1000 frames", "ends after 300"]),
        ("head.wav", &["head.wav", "cut short"]),
        (
            "long.wav --set signal.length=1",
            &["long.wav", "ends after 1000"],
        ),
        ("bad.wav", &["bad.wav", "NaN", "0.000125 seconds"]),
        ("empty.wav", &["empty.wav", "empty"]),
        ("text.wav", &["text.wav", "not a WAV file"]),
        ("folder.wav", &["folder.wav", "is a folder"]),
        ("silence.wav", &["silence.wav", "nothing is heard"]),
    ];
    for (name, words) in cases {
        let line = "run good.toml --out run --set signal.length=0.125 --set signal.path=";
        let line = format!("{line}{name}");
        refused_then_right(&desk, &line, words);
    }
}

#[test]
fn what_is_there_of_a_file_that_is_cut_short_is_fitted_by_following_the_message() {
    let desk = desk();
    desk.play("whole.wav", 1000);
    let whole = desk.read("whole.wav");
    desk.write("cut.wav", &whole[..whole.len() - 8 * 700]);
    golden(&desk, "tone.flac", 0.6, "cut.flac");
    golden(&desk, "tone.mp3", 0.6, "cut.mp3");
    desk.write(
        "whole.toml",
        GOOD_SOUND.replace("length = 0.05", "channels = 'each'"),
    );
    for name in ["cut.wav", "cut.flac", "cut.mp3"] {
        let line = format!("run whole.toml --out run --set signal.path={name}");
        let ended = desk.run(&line);
        ended.refused(&line, &[name, "cut short"]);
        let length = between(&ended.stderr, "`signal.length = ", "`");
        desk.run(&format!("{line} --set signal.length={length}"))
            .succeeded();
        let frames = heard(&desk, "run/artifacts/target.wav").frames();
        let found = between(&ended.stderr, "ends after ", " frames");
        assert_eq!(frames.to_string(), found, "{name}");
        desk.remove("run");
    }
}

/// What stands between two phrases of a message.
fn between(message: &str, before: &str, behind: &str) -> String {
    let rest = message.split(before).nth(1).unwrap();
    rest.split(behind).next().unwrap().to_owned()
}

#[test]
fn a_file_that_was_written_to_a_pipe_is_fitted_to_its_end() {
    let desk = desk();
    desk.play("mine.wav", 400);
    let whole = desk.read("mine.wav");
    for length in [0, 0x7FFF_F000, u32::MAX] {
        let mut streamed = whole.clone();
        streamed[64..68].copy_from_slice(&length.to_le_bytes());
        desk.write("streamed.wav", streamed);
        let line = "run good.toml --out run --set signal.path=streamed.wav";
        desk.run(&format!("{line} --set signal.channels=each"))
            .succeeded();
        assert_eq!(
            heard(&desk, "run/artifacts/target.wav"),
            heard(&desk, "mine.wav")
        );
        desk.remove("run");
    }
}

/// An encoded tone of `tests/golden`, whole or cut.
fn golden(desk: &Desk, name: &str, share: f64, copy: &str) {
    let path = format!("{}/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = fs::read(path).unwrap();
    desk.write(copy, &bytes[..(share * bytes.len() as f64) as usize]);
}

#[test]
fn flac_mp3_and_ogg_are_heard_as_they_were_encoded() {
    for (name, frames, tolerance) in [
        ("tone.flac", 8000, 1e-4),
        ("tone.ogg", 8000, 0.05),
        ("tone.mp3", 8000, 0.05),
    ] {
        let desk = desk();
        // The beginning of a file tells its format, not its name.
        golden(&desk, name, 1.0, "tone.wav");
        let line = "run good.toml --out run --set signal.path=tone.wav --set signal.channels=each";
        desk.run(&format!("{line} --set signal.length=0.5"))
            .succeeded();
        let sound = heard(&desk, "run/artifacts/target.wav");
        assert_eq!((sound.rate, sound.channels), (16_000, 2), "{name}");
        assert_eq!(sound.frames(), frames, "{name}");
        // Encoders that lose something lose most where the tone begins and ends.
        for frame in 2000..6000 {
            let phase = std::f32::consts::TAU * 500.0 * frame as f32 / 16_000.0;
            let expected = [0.5 * phase.sin(), 0.25 * (2.0 * phase).sin()];
            for (channel, expected) in expected.into_iter().enumerate() {
                let y = sound.values[2 * frame + channel];
                assert!(
                    (y - expected).abs() < tolerance,
                    "{name} {frame}: {y} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_cut_or_damaged_encoded_file_is_refused_by_name() {
    let desk = desk();
    golden(&desk, "tone.flac", 0.6, "cut.flac");
    golden(&desk, "tone.flac", 0.004, "head.flac");
    golden(&desk, "tone.mp3", 0.05, "head.mp3");
    golden(&desk, "tone.ogg", 0.02, "head.ogg");
    desk.write("false.mp3", [b"ID3".as_slice(), &[0; 3000]].concat());
    let cases: &[Case] = &[
        ("cut.flac", &["cut.flac"]),
        ("head.flac", &["head.flac"]),
        ("head.mp3", &["head.mp3"]),
        ("head.ogg", &["head.ogg"]),
        ("false.mp3", &["false.mp3"]),
    ];
    for (name, words) in cases {
        let line =
            format!("run good.toml --out run --set signal.length=0.5 --set signal.path={name}");
        refused_then_right(&desk, &line, words);
    }
}

#[test]
fn a_sound_is_fitted_at_another_rate_if_asked_for_and_drawn() {
    let desk = desk();
    golden(&desk, "tone.flac", 1.0, "tone.flac");
    let line = "run good.toml --out run --set signal.path=tone.flac --set signal.rate=8000";
    desk.run(&format!("{line} --set signal.length=0.5"))
        .succeeded();
    let sound = heard(&desk, "run/artifacts/target.wav");
    assert_eq!((sound.rate, sound.channels), (8000, 1));
    assert!(sound.frames().abs_diff(4000) <= 1);
    for frame in 1000..3000 {
        let phase = std::f32::consts::TAU * 500.0 * frame as f32 / 8000.0;
        let mixed = 0.25 * phase.sin() + 0.125 * (2.0 * phase).sin();
        assert!((sound.values[frame] - mixed).abs() < 2e-3, "{frame}");
    }
    for name in ["waveforms", "spectrograms"] {
        let picture = image::open(desk.path(&format!("run/artifacts/{name}.png"))).unwrap();
        assert!(picture.width() > picture.height());
    }
}

#[test]
fn a_part_that_is_not_there_is_refused_by_its_key() {
    let desk = desk();
    desk.play("mine.wav", 1000);
    let cases: &[Case] = &[
        ("signal.start=2", &["--set signal.start=2", "2 seconds"]),
        ("signal.start=-1", &["--set signal.start=-1", "at least 0"]),
        (
            "signal.start=nan",
            &["--set signal.start=nan", "at least 0"],
        ),
        (
            "signal.start=1.99",
            &[
                "good.toml:4:10",
                "`signal.length` is 0.05",
                "0.009977 seconds",
            ],
        ),
        ("signal.length=0", &["--set signal.length=0", "above 0"]),
        (
            "signal.length=1e-9",
            &["--set signal.length=1e-9", "one frame"],
        ),
        (
            "signal.path=mine.wav --set signal.length=0.2",
            &["signal.length", "0.125"],
        ),
        ("signal.rate=0", &["--set signal.rate=0", "1 to"]),
        ("signal.rate=10000001", &["--set signal.rate", "10000000"]),
        ("signal.channels=left", &["left", "mix"]),
        ("signal.chanels=mix", &["did you mean `channels`?"]),
        (
            "signal.sampling.subset.points=0",
            &["--set signal.sampling.subset.points=0", "1 to"],
        ),
        (
            "objective.prior=none",
            &["--set objective.prior=none", "prior"],
        ),
    ];
    for (set, words) in cases {
        let line = format!("run good.toml --out run --set {set}");
        refused_then_right(&desk, &line, words);
    }
}

#[test]
fn a_run_is_played_at_any_rate_and_at_its_own_as_its_artifact() {
    let desk = desk_with_run();
    for (option, rate, frames) in [
        ("", 22_050, 1103),
        ("--rate 22050 ", 22_050, 1103),
        ("--rate 44100 --threads 1 ", 44_100, 2205),
        ("--rate 8000 ", 8000, 400),
        ("--rate 1 ", 1, 1),
    ] {
        desk.run(&format!("render run {option}--checkpoint last -o a.WAV"))
            .succeeded();
        let sound = heard(&desk, "a.WAV");
        assert_eq!((sound.rate, sound.frames()), (rate, frames), "{option}");
        if rate == 22_050 {
            assert!(desk.read("a.WAV") == desk.read("run/artifacts/value.wav"));
        }
    }
    let [target, value, error] =
        ["target", "value", "error"].map(|name| heard(&desk, &format!("run/artifacts/{name}.wav")));
    for ((target, value), error) in target.values.iter().zip(&value.values).zip(&error.values) {
        assert!((value - target - error).abs() < 1e-6);
    }
}

/// Frequency of the strongest wave near `guess` hertz.
fn pitch(sound: &Sound, guess: u32) -> f64 {
    let strength = |hertz: f64| {
        let step = std::f64::consts::TAU * hertz / f64::from(sound.rate);
        let waves = sound.values.iter().enumerate().map(|(frame, &y)| {
            let (sine, cosine) = (step * frame as f64).sin_cos();
            [f64::from(y) * sine, f64::from(y) * cosine]
        });
        let [sine, cosine] = waves.fold([0.0; 2], |sum, wave| [sum[0] + wave[0], sum[1] + wave[1]]);
        sine.hypot(cosine)
    };
    let hertz = (10 * (guess - 100)..10 * (guess + 100)).map(|tenth| f64::from(tenth) / 10.0);
    let strongest = hertz.max_by(|a, b| strength(*a).total_cmp(&strength(*b)));
    strongest.unwrap()
}

#[test]
fn a_sound_fitted_at_44100_is_in_tune_at_48000() {
    let desk = desk();
    let wave = |frame: u16| (std::f32::consts::TAU * 1000.0 * f32::from(frame) / 44_100.0).sin();
    let sound = Sound {
        rate: 44_100,
        channels: 1,
        values: (0..2205).map(wave).collect(),
    };
    sound.save(&desk.path("tone.wav")).unwrap();
    let sets = "--set signal.path=tone.wav --set train.steps=200 --set field.hidden_features=32 --set train.learning_rate=1e-3";
    desk.run(&format!("run good.toml --out run {sets}"))
        .succeeded();
    desk.run("render run --rate 48000 -o tone_48000.wav")
        .succeeded();
    let (fitted, played) = (heard(&desk, "tone.wav"), heard(&desk, "tone_48000.wav"));
    assert_eq!((played.rate, played.frames()), (48_000, 2399));
    let [fitted, played] = [fitted, played].map(|sound| pitch(&sound, 1000));
    assert!((fitted - 1000.0).abs() < 1.0, "{fitted}");
    assert!((played - fitted).abs() < 1.0, "{played}");
}

#[test]
fn both_channels_are_fitted_if_asked_for() {
    let desk = desk();
    desk.play("mine.wav", 1000);
    desk.run("run good.toml --out run --set signal.path=mine.wav --set signal.channels=each")
        .succeeded();
    let target = heard(&desk, "run/artifacts/target.wav");
    let mine = heard(&desk, "mine.wav");
    assert_eq!(target, mine.part(0..400));
    assert_eq!(heard(&desk, "run/artifacts/value.wav").channels, 2);
    desk.run("resume run").succeeded();
    desk.run("export run -o a.safetensors").succeeded();
    desk.play("mine.wav", 999);
    // The sound that was fitted is played, whatever lies in its place by now; metrics would be those of another.
    desk.run("render run --checkpoint last -o a.wav")
        .succeeded();
    assert_eq!(
        heard(&desk, "a.wav"),
        heard(&desk, "run/artifacts/value.wav")
    );
    fs::remove_file(desk.path("run/summary.toml")).unwrap();
    let line = "resume run";
    desk.run(line).refused(line, &["run", "no longer the one"]);
}

#[test]
fn a_bad_rate_name_or_place_of_a_sound_is_refused() {
    let desk = desk_with_run();
    fs::create_dir(desk.path("folder.wav")).unwrap();
    let cases: &[Case] = &[
        ("render run --rate 0 -o a.wav", &["--rate", "1 to"]),
        (
            "render run --rate 10000001 -o a.wav",
            &["--rate", "10000000"],
        ),
        ("render run --rate -1 -o a.wav", &["-1"]),
        ("render run --rate fast -o a.wav", &["--rate", "fast"]),
        ("render run --size 4x5 -o a.wav", &["--size"]),
        ("render run -o a.mp3", &["a.mp3", ".wav"]),
        (
            "render run -o absent/a.wav",
            &["absent/a.wav", "No such file"],
        ),
        ("render run -o folder.wav", &["folder.wav", "folder"]),
        ("render run --threads 0 -o a.wav", &["--threads", "1 to"]),
    ];
    let before = desk.files("");
    for (line, words) in cases {
        desk.run(line).refused(line, words);
        assert!(desk.files("") == before, "{line} left files behind");
    }
}
