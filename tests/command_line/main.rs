//! Command lines with mistakes: each is refused with a message that names the wrong file, key or option, and leaves no file behind.
//! The modules also test what the commands do with finished runs.

mod checkpoints;
mod clips;
mod derivatives;
#[cfg(feature = "ffmpeg")]
mod encoded_clips;
mod finished;
mod folders;
mod hyper;
mod meshes;
mod mosaics;
mod pictures;
mod portable;
mod settings;
mod shapes;
mod sounds;
#[path = "../support/mod.rs"]
mod support;
mod waves;

use support::desk::Desk;

/// A valid config whose training takes a fraction of a second.
const GOOD: &str = "
kind = 'image'
[signal]
size = 16
[field]
hidden_features = 8
hidden_layers = 1
[train]
steps = 3
[run]
evaluate_every = 2
";

/// A mistaken argument, and words that the error message must contain.
type Case = (&'static str, &'static [&'static str]);

/// Creates a folder for pictures that holds `good.toml`.
fn desk() -> Desk {
    desk_for("image", GOOD)
}

/// Creates a folder for runs of a kind that holds `good.toml` with the text `good`.
fn desk_for(kind: &'static str, good: &str) -> Desk {
    let desk = Desk::of_kind(kind);
    desk.write("good.toml", good);
    desk
}

/// Asserts that the command `line` is refused with `words` and changes no file, and that a correct run into the same folder then succeeds.
#[track_caller]
fn assert_refused_cleanly(desk: &Desk, line: &str, words: &[&str]) {
    let before = desk.files("");
    desk.run(line).assert_refused(line, words);
    assert!(
        desk.files("") == before && !desk.path("run").exists(),
        "{line} left files behind"
    );
    desk.run("run good.toml --out run").assert_success();
    desk.remove("run");
}
