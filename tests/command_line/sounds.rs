//! Files that are not sounds, parts beyond the end of a sound, and rendering of fitted sounds.

use std::fs;

use siren_audio::Sound;

use super::{Case, assert_refused_cleanly, desk_for};
use crate::support::desk::Desk;

/// A valid config of a sound whose training takes a fraction of a second.
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

/// Creates a folder for sounds that holds `good.toml`.
fn desk() -> Desk {
    desk_for("audio", GOOD_SOUND)
}

/// Creates a folder with a finished run `run`.
fn desk_with_run() -> Desk {
    let desk = desk();
    desk.run("run good.toml --out run").assert_success();
    desk
}

/// Reads a whole WAV file.
fn read_sound(desk: &Desk, name: &str) -> Sound {
    Sound::open(desk.path(name)).unwrap()
}

#[test]
fn a_file_that_is_not_a_usable_sound_is_refused_by_name() {
    let desk = desk();
    desk.write_sound("whole.wav", 1000);
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
    let silence = Sound::new(8000, 1, vec![0.0; 1000]).unwrap();
    silence.save(desk.path("silence.wav")).unwrap();
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
        assert_refused_cleanly(&desk, &line, words);
    }
}

#[test]
fn a_truncated_file_is_fitted_with_the_length_that_the_error_message_gives() {
    let desk = desk();
    desk.write_sound("whole.wav", 1000);
    let whole = desk.read("whole.wav");
    desk.write("cut.wav", &whole[..whole.len() - 8 * 700]);
    copy_golden(&desk, "tone.flac", 0.6, "cut.flac");
    copy_golden(&desk, "tone.mp3", 0.6, "cut.mp3");
    desk.write(
        "whole.toml",
        GOOD_SOUND.replace("length = 0.05", "channels = 'each'"),
    );
    for name in ["cut.wav", "cut.flac", "cut.mp3"] {
        let line = format!("run whole.toml --out run --set signal.path={name}");
        let ended = desk.run(&line);
        ended.assert_refused(&line, &[name, "cut short"]);
        let length = text_between(&ended.stderr, "`signal.length = ", "`");
        desk.run(&format!("{line} --set signal.length={length}"))
            .assert_success();
        let frames = read_sound(&desk, "run/artifacts/target.wav").frames();
        let found = text_between(&ended.stderr, "ends after ", " frames");
        assert_eq!(frames.to_string(), found, "{name}");
        desk.remove("run");
    }
}

/// Returns the text between two phrases of a message.
fn text_between(message: &str, before: &str, after: &str) -> String {
    let rest = message.split(before).nth(1).unwrap();
    rest.split(after).next().unwrap().to_owned()
}

#[test]
fn a_wav_file_without_a_length_is_fitted_to_its_end() {
    let desk = desk();
    desk.write_sound("mine.wav", 400);
    let whole = desk.read("mine.wav");
    for length in [0, 0x7FFF_F000, u32::MAX] {
        let mut streamed = whole.clone();
        streamed[64..68].copy_from_slice(&length.to_le_bytes());
        desk.write("streamed.wav", streamed);
        let line = "run good.toml --out run --set signal.path=streamed.wav";
        desk.run(&format!("{line} --set signal.channels=each"))
            .assert_success();
        assert_eq!(
            read_sound(&desk, "run/artifacts/target.wav"),
            read_sound(&desk, "mine.wav")
        );
        desk.remove("run");
    }
}

/// Copies the first `share` (0 to 1) of the bytes of a golden file of siren-audio into the folder, under the name `copy`.
pub fn copy_golden(desk: &Desk, name: &str, share: f64, copy: &str) {
    let path = format!(
        "{}/../crates/siren-audio/tests/golden/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let bytes = fs::read(path).unwrap();
    desk.write(copy, &bytes[..(share * bytes.len() as f64) as usize]);
}

#[test]
fn flac_mp3_and_ogg_are_decoded_to_the_encoded_tone() {
    for (name, frames, tolerance) in [
        ("tone.flac", 8000, 1e-4),
        ("tone.ogg", 8000, 0.05),
        ("tone.mp3", 8000, 0.05),
    ] {
        let desk = desk();
        // The format is detected from the contents of the file, not from its name.
        copy_golden(&desk, name, 1.0, "tone.wav");
        let line = "run good.toml --out run --set signal.path=tone.wav --set signal.channels=each";
        desk.run(&format!("{line} --set signal.length=0.5"))
            .assert_success();
        let sound = read_sound(&desk, "run/artifacts/target.wav");
        assert_eq!((sound.rate(), sound.channels()), (16_000, 2), "{name}");
        assert_eq!(sound.frames(), frames, "{name}");
        // Lossy encoders have their largest errors where the tone begins and ends.
        for frame in 2000..6000 {
            let phase = std::f32::consts::TAU * 500.0 * frame as f32 / 16_000.0;
            let expected = [0.5 * phase.sin(), 0.25 * (2.0 * phase).sin()];
            for (channel, expected) in expected.into_iter().enumerate() {
                let y = sound.samples()[2 * frame + channel];
                assert!(
                    (y - expected).abs() < tolerance,
                    "{name} {frame}: {y} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_truncated_or_damaged_encoded_file_is_refused_by_name() {
    let desk = desk();
    copy_golden(&desk, "tone.flac", 0.6, "cut.flac");
    copy_golden(&desk, "tone.flac", 0.004, "head.flac");
    copy_golden(&desk, "tone.mp3", 0.05, "head.mp3");
    copy_golden(&desk, "tone.ogg", 0.02, "head.ogg");
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
        assert_refused_cleanly(&desk, &line, words);
    }
}

#[test]
fn a_sound_is_resampled_to_signal_rate_and_its_waveforms_are_drawn() {
    let desk = desk();
    copy_golden(&desk, "tone.flac", 1.0, "tone.flac");
    let line = "run good.toml --out run --set signal.path=tone.flac --set signal.rate=8000";
    desk.run(&format!("{line} --set signal.length=0.5"))
        .assert_success();
    let sound = read_sound(&desk, "run/artifacts/target.wav");
    assert_eq!((sound.rate(), sound.channels()), (8000, 1));
    assert!(sound.frames().abs_diff(4000) <= 1);
    for frame in 1000..3000 {
        let phase = std::f32::consts::TAU * 500.0 * frame as f32 / 8000.0;
        let mixed = 0.25 * phase.sin() + 0.125 * (2.0 * phase).sin();
        assert!((sound.samples()[frame] - mixed).abs() < 2e-3, "{frame}");
    }
    for name in [
        "waveforms",
        "target_spectrogram",
        "value_spectrogram",
        "error_spectrogram",
    ] {
        let picture = image::open(desk.path(&format!("run/artifacts/{name}.png"))).unwrap();
        assert!(picture.width() > picture.height());
    }
}

#[test]
fn a_part_beyond_the_end_of_a_sound_is_refused_by_its_key() {
    let desk = desk();
    desk.write_sound("mine.wav", 1000);
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
        assert_refused_cleanly(&desk, &line, words);
    }
}

#[test]
fn a_fitted_sound_is_rendered_at_any_rate_and_at_its_own_rate_equals_its_artifact() {
    let desk = desk_with_run();
    for (option, rate, frames) in [
        ("", 22_050, 1103),
        ("--rate 22050 ", 22_050, 1103),
        ("--rate 44100 --threads 1 ", 44_100, 2205),
        ("--rate 8000 ", 8000, 400),
        ("--rate 1 ", 1, 1),
    ] {
        desk.run(&format!("render run {option}--checkpoint last -o a.WAV"))
            .assert_success();
        let sound = read_sound(&desk, "a.WAV");
        assert_eq!((sound.rate(), sound.frames()), (rate, frames), "{option}");
        if rate == 22_050 {
            assert!(desk.read("a.WAV") == desk.read("run/artifacts/value.wav"));
        }
    }
    let [target, value, error] = ["target", "value", "error"]
        .map(|name| read_sound(&desk, &format!("run/artifacts/{name}.wav")));
    let pairs = target.samples().iter().zip(value.samples());
    for ((target, value), error) in pairs.zip(error.samples()) {
        assert!((value - target - error).abs() < 1e-6);
    }
}

/// Returns the frequency with the largest Fourier amplitude within 100 Hz of `guess_hz`, in Hz.
fn strongest_frequency_hz(sound: &Sound, guess_hz: u32) -> f64 {
    let strength = |hertz: f64| {
        let step = std::f64::consts::TAU * hertz / f64::from(sound.rate());
        let waves = sound.samples().iter().enumerate().map(|(frame, &y)| {
            let (sine, cosine) = (step * frame as f64).sin_cos();
            [f64::from(y) * sine, f64::from(y) * cosine]
        });
        let [sine, cosine] = waves.fold([0.0; 2], |sum, wave| [sum[0] + wave[0], sum[1] + wave[1]]);
        sine.hypot(cosine)
    };
    let hertz = (10 * (guess_hz - 100)..10 * (guess_hz + 100)).map(|tenth| f64::from(tenth) / 10.0);
    let strongest = hertz.max_by(|a, b| strength(*a).total_cmp(&strength(*b)));
    strongest.unwrap()
}

#[test]
fn a_sound_fitted_at_44100_hz_keeps_its_frequency_at_48000_hz() {
    let desk = desk();
    let wave = |frame: u16| (std::f32::consts::TAU * 1000.0 * f32::from(frame) / 44_100.0).sin();
    let sound = Sound::new(44_100, 1, (0..2205).map(wave).collect()).unwrap();
    sound.save(desk.path("tone.wav")).unwrap();
    let sets = "--set signal.path=tone.wav --set train.steps=200 --set field.hidden_features=32 --set train.learning_rate=1e-3";
    desk.run(&format!("run good.toml --out run {sets}"))
        .assert_success();
    desk.run("render run --rate 48000 -o tone_48000.wav")
        .assert_success();
    let (fitted, rendered) = (
        read_sound(&desk, "tone.wav"),
        read_sound(&desk, "tone_48000.wav"),
    );
    assert_eq!((rendered.rate(), rendered.frames()), (48_000, 2399));
    let [fitted, rendered] = [fitted, rendered].map(|sound| strongest_frequency_hz(&sound, 1000));
    assert!((fitted - 1000.0).abs() < 1.0, "{fitted}");
    assert!((rendered - fitted).abs() < 1.0, "{rendered}");
}

#[test]
fn channels_each_fits_both_channels() {
    let desk = desk();
    desk.write_sound("mine.wav", 1000);
    desk.run("run good.toml --out run --set signal.path=mine.wav --set signal.channels=each")
        .assert_success();
    let target = read_sound(&desk, "run/artifacts/target.wav");
    let mine = read_sound(&desk, "mine.wav");
    assert_eq!(target, mine.part(0..400));
    assert_eq!(read_sound(&desk, "run/artifacts/value.wav").channels(), 2);
    desk.run("resume run").assert_success();
    desk.run("export run -o a.safetensors").assert_success();
    desk.write_sound("mine.wav", 999);
    // Rendering needs no source file, so a changed one does not matter. Resuming evaluates against it, so it is refused.
    desk.run("render run --checkpoint last -o a.wav")
        .assert_success();
    assert_eq!(
        read_sound(&desk, "a.wav"),
        read_sound(&desk, "run/artifacts/value.wav")
    );
    fs::remove_file(desk.path("run/summary.toml")).unwrap();
    let line = "resume run";
    desk.run(line)
        .assert_refused(line, &["run", "no longer the one"]);
}

#[test]
fn a_bad_rate_file_name_or_folder_of_a_rendered_sound_is_refused() {
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
        desk.run(line).assert_refused(line, words);
        assert!(desk.files("") == before, "{line} left files behind");
    }
}
