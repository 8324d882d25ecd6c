//! How the user starts this program, for advice that is to be copied.

use std::path::{Path, PathBuf};

/// Environment variable in which a wrapper that starts the programs, such as a task runner, names its own command.
const WRAPPER: &str = "SIREN_COMMAND";

/// Returns the command of the wrapper that started this program: the environment variable `SIREN_COMMAND`.
#[must_use]
pub fn wrapper_command() -> Option<String> {
    std::env::var(WRAPPER)
        .ok()
        .filter(|command| !command.is_empty())
}

/// Returns the command that precedes a subcommand such as `resume`: that of the wrapper, or else the name of this program.
#[must_use]
pub fn command_name() -> String {
    wrapper_command().unwrap_or_else(|| {
        let program = std::env::args_os().next().map(PathBuf::from);
        let name = program.as_deref().and_then(Path::file_stem);
        name.map_or_else(
            || "siren".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    })
}
