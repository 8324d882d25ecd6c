//! Runs that cannot be continued as they are.

use std::fs;

use super::desk;
use crate::support::desk::Desk;

const LAST: &str = "run/checkpoints/last.safetensors";

/// A finished run `run`, and its weights alone in `weights.safetensors`.
fn desk_with_run() -> Desk {
    let desk = desk();
    desk.run("run good.toml --out run").succeeded();
    desk.run("export run -o weights.safetensors").succeeded();
    desk
}

/// Each line is refused with the words, and changes nothing.
#[track_caller]
fn refused(desk: &Desk, lines: &[&str], what: &str, words: &[&str]) {
    let before = desk.files("");
    for line in lines {
        desk.run(line).refused(what, words);
        assert!(desk.files("") == before, "{what}: {line} changed files");
    }
}

#[test]
fn only_a_run_folder_can_be_continued_drawn_or_exported() {
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
        refused(
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
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damages = [
        ("a flipped bit at the end", flipped(good.len() - 2)),
        ("a flipped bit in the middle", flipped(good.len() * 2 / 3)),
        ("a flipped bit in the length of the header", flipped(3)),
        ("cut in the tensors", good[..good.len() - 100].to_vec()),
        ("cut in the header", good[..40].to_vec()),
        ("empty", Vec::new()),
        ("weights alone", desk.read("weights.safetensors")),
        ("text", b"hello, world".to_vec()),
    ];
    for (what, bytes) in damages {
        desk.write(LAST, bytes);
        let lines = [
            "resume run",
            "render run --checkpoint last -o a.png",
            "export run --checkpoint last -o a.safetensors",
        ];
        refused(&desk, &lines, what, &["last.safetensors", "damaged"]);
    }
    desk.write(LAST, &good);
    desk.run("resume run").succeeded();
}

/// The tensors are not all: steps taken and moments' age are in the header's text.
#[test]
fn a_flipped_bit_in_the_training_state_is_found() {
    let desk = desk_with_run();
    let good = desk.read(LAST);
    let state = b"step = 3";
    let at = good.windows(state.len()).position(|bytes| bytes == state);
    let digit = at.unwrap() + state.len() - 1;
    let mut flipped = good.clone();
    flipped[digit] ^= 1;
    desk.write(LAST, flipped);
    refused(
        &desk,
        &["resume run"],
        "step 3 became 2",
        &["last.safetensors", "damaged"],
    );
}

#[test]
fn a_changed_config_is_refused_with_the_key_that_changed() {
    let desk = desk_with_run();
    let config = String::from_utf8(desk.read("run/config.toml")).unwrap();
    for (was, is, words) in [
        ("steps = 3", "steps = 4", ["`train.steps` was 3, is 4"]),
        (
            "hidden_features = 8",
            "hidden_features = 9",
            ["`field.hidden_features` was 8, is 9"],
        ),
        ("seed = 0", "seed = 1", ["`seed` was 0, is 1"]),
    ] {
        assert!(config.contains(was), "{config}");
        desk.write("run/config.toml", config.replace(was, is));
        refused(&desk, &["resume run", "render run -o a.png"], is, &words);
    }
    desk.write("run/config.toml", config);
    desk.run("resume run").succeeded();
}

#[test]
fn a_run_does_not_go_on_with_another_picture_than_it_started_with() {
    let desk = desk();
    desk.draw("mine.png", 12, 12);
    desk.run("run good.toml --out run --set signal={path='mine.png'}")
        .succeeded();
    let picture = desk.read("mine.png");
    // As if it had been killed between its last checkpoint and its end.
    fs::remove_file(desk.path("run/summary.toml")).unwrap();
    desk.draw("mine.png", 12, 13);
    let words = ["run", "no longer the one"];
    refused(&desk, &["resume run"], "another picture", &words);
    fs::remove_file(desk.path("mine.png")).unwrap();
    refused(&desk, &["resume run"], "no picture", &["mine.png"]);
    desk.run("render run -o a.png").succeeded();
    desk.run("export run -o a.safetensors").succeeded();
    desk.write("mine.png", picture);
    desk.run("resume run").succeeded();
}

#[test]
fn a_run_that_diverges_after_a_checkpoint_keeps_it() {
    let desk = desk();
    let line = "run good.toml --out run --set run.evaluate_every=1 --set train.learning_rate=1e30";
    desk.run(line).refused(line, &["not finite at step 2"]);
    assert!(desk.path("run/checkpoints/best.safetensors").exists());
    assert!(!desk.path(LAST).exists());
    desk.run("export run -o a.safetensors").succeeded();
}

#[test]
fn a_run_is_for_one_process_at_a_time() {
    let desk = desk_with_run();
    let lock = fs::File::open(desk.path("run/.lock")).unwrap();
    lock.lock().unwrap();
    let words = ["run", "in use by another process"];
    refused(&desk, &["resume run"], "a locked run", &words);
    drop(lock);
    desk.run("resume run").succeeded();
}

#[test]
fn parameters_of_another_network_are_refused() {
    let desk = desk_with_run();
    desk.run("run good.toml --out wide --set field.hidden_features=9")
        .succeeded();
    let line = "run good.toml --out new --set field.hidden_features=9 --set run.start_from=weights.safetensors";
    refused(
        &desk,
        &[line],
        line,
        &["weights.safetensors", "another network"],
    );
    let line = "run good.toml --out new --set run.start_from=weights.safetensors --set field.activation=relu";
    let words = ["weights.safetensors", "`field.activation` is"];
    refused(&desk, &[line], line, &words);
    for (file, word) in [
        ("absent.pth", "No such file"),
        ("good.toml", ".safetensors"),
    ] {
        let line = format!("run good.toml --out new --set run.start_from={file}");
        refused(&desk, &[&line], &line, &[file, word]);
    }
    fs::copy(
        desk.path("wide/checkpoints/last.safetensors"),
        desk.path(LAST),
    )
    .unwrap();
    refused(
        &desk,
        &["resume run"],
        "a checkpoint of `wide`",
        &["run/", "hidden_features"],
    );
}

#[test]
fn an_omega_that_is_left_open_is_that_of_the_parameters_a_run_starts_from() {
    let desk = desk();
    desk.run("run good.toml --out run --set field.first_omega_0=12.5")
        .succeeded();
    desk.run("export run -o weights.safetensors").succeeded();
    desk.run("run good.toml --out again --set field.first_omega_0=auto --set run.start_from=weights.safetensors")
        .succeeded();
    let config = String::from_utf8(desk.read("again/config.toml")).unwrap();
    assert!(config.contains("first_omega_0 = 12.5"), "{config}");
}
