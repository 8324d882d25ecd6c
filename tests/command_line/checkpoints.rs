//! Runs that cannot be resumed: damaged or foreign checkpoints, changed configs and changed source files.

use std::fs;

use super::desk;
use crate::support::desk::Desk;

const LAST: &str = "run/checkpoints/last.safetensors";

/// Creates a folder with a finished run `run` and its exported weights in `weights.safetensors`.
fn desk_with_run() -> Desk {
    let desk = desk();
    desk.run("run good.toml --out run").assert_success();
    desk.run("export run -o weights.safetensors")
        .assert_success();
    desk
}

/// Asserts that each command line is refused with `words` and changes no file. `case` names the tested case.
#[track_caller]
fn assert_refused_unchanged(desk: &Desk, lines: &[&str], case: &str, words: &[&str]) {
    let before = desk.files("");
    for line in lines {
        desk.run(line).assert_refused(case, words);
        assert!(desk.files("") == before, "{case}: {line} changed files");
    }
}

#[test]
fn only_a_run_folder_can_be_resumed_rendered_or_exported() {
    let desk = desk_with_run();
    fs::create_dir(desk.path("photos")).unwrap();
    for (folder, word) in [
        ("photos", "not a run folder"),
        ("absent", "does not exist"),
        ("good.toml", "is a file"),
    ] {
        let lines = [
            format!("resume {folder}"),
            format!("render {folder} -o a.png"),
            format!("export {folder} -o a.safetensors"),
        ];
        assert_refused_unchanged(
            &desk,
            &lines.each_ref().map(String::as_str),
            folder,
            &[folder, word],
        );
    }
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_refused_by_name() {
    let desk = desk_with_run();
    let good = desk.read(LAST);
    let with_flipped_bit = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damages = [
        ("a flipped bit at the end", with_flipped_bit(good.len() - 2)),
        (
            "a flipped bit in the middle",
            with_flipped_bit(good.len() * 2 / 3),
        ),
        (
            "a flipped bit in the length of the header",
            with_flipped_bit(3),
        ),
        ("cut in the tensors", good[..good.len() - 100].to_vec()),
        ("cut in the header", good[..40].to_vec()),
        ("empty", Vec::new()),
        ("weights alone", desk.read("weights.safetensors")),
        ("text", b"hello, world".to_vec()),
    ];
    for (case, bytes) in damages {
        desk.write(LAST, bytes);
        let lines = [
            "resume run",
            "render run --checkpoint last -o a.png",
            "export run --checkpoint last -o a.safetensors",
        ];
        assert_refused_unchanged(&desk, &lines, case, &["last.safetensors", "damaged"]);
    }
    desk.write(LAST, &good);
    desk.run("resume run").assert_success();
}

/// The checksum covers the text of the header too, which holds the number of steps and the age of the moments.
#[test]
fn a_flipped_bit_in_the_training_state_is_detected() {
    let desk = desk_with_run();
    let good = desk.read(LAST);
    let state = b"step = 3";
    let at = good.windows(state.len()).position(|bytes| bytes == state);
    let digit = at.unwrap() + state.len() - 1;
    let mut flipped = good.clone();
    flipped[digit] ^= 1;
    desk.write(LAST, flipped);
    assert_refused_unchanged(
        &desk,
        &["resume run"],
        "step 3 became 2",
        &["last.safetensors", "damaged"],
    );
}

#[test]
fn a_changed_config_is_refused_with_the_changed_key() {
    let desk = desk_with_run();
    let config = String::from_utf8(desk.read("run/config.toml")).unwrap();
    for (old, new, words) in [
        ("steps = 3", "steps = 4", ["`train.steps` was 3, is 4"]),
        (
            "hidden_features = 8",
            "hidden_features = 9",
            ["`field.hidden_features` was 8, is 9"],
        ),
        ("seed = 0", "seed = 1", ["`seed` was 0, is 1"]),
    ] {
        assert!(config.contains(old), "{config}");
        desk.write("run/config.toml", config.replace(old, new));
        assert_refused_unchanged(&desk, &["resume run", "render run -o a.png"], new, &words);
    }
    desk.write("run/config.toml", config);
    desk.run("resume run").assert_success();
}

#[test]
fn a_changed_config_is_refused_by_its_name_before_the_first_checkpoint_too() {
    let desk = desk_with_run();
    desk.remove("run/checkpoints");
    fs::remove_file(desk.path("run/summary.toml")).unwrap();
    let config = String::from_utf8(desk.read("run/config.toml")).unwrap();
    // A signal that cannot be opened.
    let changed = config.replace("[signal]\n", "[signal]\ncrop = 16000\n");
    assert!(changed != config);
    desk.write("run/config.toml", changed);
    let words = ["config.toml", "was changed since the run was created"];
    assert_refused_unchanged(&desk, &["resume run"], "another signal", &words);
}

#[test]
fn a_run_is_not_resumed_with_another_picture() {
    let desk = desk();
    desk.write_picture("mine.png", 12, 12);
    desk.run("run good.toml --out run --set signal={path='mine.png'}")
        .assert_success();
    let picture = desk.read("mine.png");
    // Without its summary, the run looks as if it was killed after its last checkpoint.
    fs::remove_file(desk.path("run/summary.toml")).unwrap();
    desk.write_picture("mine.png", 12, 13);
    let words = ["run", "no longer the one"];
    assert_refused_unchanged(&desk, &["resume run"], "another picture", &words);
    fs::remove_file(desk.path("mine.png")).unwrap();
    assert_refused_unchanged(&desk, &["resume run"], "no picture", &["mine.png"]);
    desk.run("render run -o a.png").assert_success();
    desk.run("export run -o a.safetensors").assert_success();
    desk.write("mine.png", picture);
    desk.run("resume run").assert_success();
}

#[test]
fn a_run_that_diverges_after_a_checkpoint_keeps_it() {
    let desk = desk();
    let line = "run good.toml --out run --set run.evaluate_every=1 --set train.learning_rate=1e30";
    desk.run(line)
        .assert_refused(line, &["not finite at step 2"]);
    assert!(desk.path("run/checkpoints/best.safetensors").exists());
    assert!(!desk.path(LAST).exists());
    desk.run("export run -o a.safetensors").assert_success();
}

#[test]
fn only_one_process_at_a_time_can_use_a_run() {
    let desk = desk_with_run();
    let lock = fs::File::open(desk.path("run/.lock")).unwrap();
    lock.lock().unwrap();
    let words = ["run", "in use by another run"];
    assert_refused_unchanged(&desk, &["resume run"], "a locked run", &words);
    drop(lock);
    desk.run("resume run").assert_success();
}

#[test]
fn parameters_of_another_network_are_refused() {
    let desk = desk_with_run();
    desk.run("run good.toml --out wide --set field.hidden_features=9")
        .assert_success();
    let line = "run good.toml --out new --set field.hidden_features=9 --set run.start_from=weights.safetensors";
    assert_refused_unchanged(
        &desk,
        &[line],
        line,
        &["weights.safetensors", "another network"],
    );
    let line = "run good.toml --out new --set run.start_from=weights.safetensors --set field.activation=relu";
    let words = ["weights.safetensors", "`field.activation` is"];
    assert_refused_unchanged(&desk, &[line], line, &words);
    for (file, word) in [
        ("absent.pth", "No such file"),
        ("good.toml", ".safetensors"),
    ] {
        let line = format!("run good.toml --out new --set run.start_from={file}");
        assert_refused_unchanged(&desk, &[&line], &line, &[file, word]);
    }
    fs::copy(
        desk.path("wide/checkpoints/last.safetensors"),
        desk.path(LAST),
    )
    .unwrap();
    assert_refused_unchanged(
        &desk,
        &["resume run"],
        "a checkpoint of `wide`",
        &["run/", "hidden_features"],
    );
}

#[test]
fn an_automatic_omega_is_taken_from_the_weights_that_a_run_starts_from() {
    let desk = desk();
    desk.run("run good.toml --out run --set field.first_omega_0=12.5")
        .assert_success();
    desk.run("export run -o weights.safetensors")
        .assert_success();
    desk.run("run good.toml --out again --set field.first_omega_0=auto --set run.start_from=weights.safetensors")
        .assert_success();
    let config = String::from_utf8(desk.read("again/config.toml")).unwrap();
    assert!(config.contains("first_omega_0 = 12.5"), "{config}");
}
