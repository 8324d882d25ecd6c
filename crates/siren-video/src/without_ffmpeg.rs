//! What a build without FFmpeg says of a file that needs it.

use std::path::Path;

use siren_core::Error;

/// Returns the error for a file that `task`, such as `cannot be read`; `instead` is what such a build does.
pub(crate) fn needs_ffmpeg(path: &Path, task: &str, instead: &str) -> Error {
    let message = format!(
        "{task}: it needs FFmpeg, and {}; or {instead}",
        remedy(&command())
    );
    Error::signal(path, message)
}

/// Returns how the user started this program; the name of this crate without its program.
fn command() -> String {
    #[cfg(feature = "cli")]
    let command = siren_run::program::command_name();
    #[cfg(not(feature = "cli"))]
    let command = String::new();
    command
}

/// Returns that a program has no FFmpeg, and how the user gets one that has.
fn remedy(command: &str) -> String {
    match command {
        "siren" | "siren-video" => format!(
            "this `{command}` was built without it; in its sources, `cargo xtask setup` installs FFmpeg's libraries and \
             `cargo install --path crates/{command} --features ffmpeg` builds a `{command}` with it"
        ),
        "cargo xtask" => {
            "it is not installed: `cargo xtask setup` installs FFmpeg's libraries, with which the program is built when it is started again".to_owned()
        }
        _ => "this build of siren-video has the feature `ffmpeg` off: install FFmpeg's development libraries and build with it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_for_the_program_that_the_user_has() {
        let one = remedy("siren");
        assert!(
            one.contains("--path crates/siren --features ffmpeg"),
            "{one}"
        );
        assert!(!one.contains("siren-video"), "{one}");
        let video = remedy("siren-video");
        assert!(video.contains("--path crates/siren-video"), "{video}");
        let task = remedy("cargo xtask");
        assert!(
            task.contains("`cargo xtask setup`") && !task.contains("--path"),
            "{task}"
        );
        assert!(remedy("python3").contains("feature `ffmpeg`"));
    }
}
