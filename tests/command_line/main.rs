//! What a user may get wrong: each mistake is refused with a message that names the culprit, and leaves nothing behind.

mod checkpoints;
mod clips;
mod derivatives;
#[cfg(feature = "ffmpeg")]
mod encoded_clips;
mod finished;
mod folders;
mod hyper;
mod pictures;
mod portable;
mod settings;
mod sounds;
#[path = "../support/mod.rs"]
mod support;

use support::desk::Desk;

/// A fit of no time.
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

/// A mistake, and words that the message must have.
type Case = (&'static str, &'static [&'static str]);

/// With `good.toml` on it.
fn desk() -> Desk {
    desk_for("image", GOOD)
}

/// For runs of a kind, with this `good.toml` on it.
fn desk_for(kind: &'static str, good: &str) -> Desk {
    let desk = Desk::of_kind(kind);
    desk.write("good.toml", good);
    desk
}

/// Makes the mistake, then does it right into the same folder `run`.
#[track_caller]
fn refused_then_right(desk: &Desk, line: &str, words: &[&str]) {
    let before = desk.files("");
    desk.run(line).refused(line, words);
    assert!(
        desk.files("") == before && !desk.path("run").exists(),
        "{line} left files behind"
    );
    desk.run("run good.toml --out run").succeeded();
    desk.remove("run");
}
