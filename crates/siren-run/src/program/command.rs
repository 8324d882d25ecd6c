//! How the user starts this program, for advice that is to be copied.

use std::path::{Path, PathBuf};

/// Environment variable in which a wrapper that starts the programs, such as a task runner, names its own command.
const WRAPPER: &str = "SIREN_COMMAND";
/// Name of the program that has the subcommands of all kinds, and those of sweeps.
const PROGRAM_OF_ALL_KINDS: &str = "siren";

/// Returns the command that precedes a subcommand of any kind, `sweep` and `table`, if the user has one: that of the wrapper that started this
/// program (the environment variable `SIREN_COMMAND`), or `siren` if this is it.
#[must_use]
pub fn command_of_all_kinds() -> Option<String> {
    let wrapper = std::env::var(WRAPPER).ok();
    let wrapper = wrapper.filter(|command| !command.is_empty());
    wrapper.or_else(|| own_name().filter(|name| name == PROGRAM_OF_ALL_KINDS))
}

/// Returns the command that precedes a subcommand such as `resume`: that of all kinds, or else the name of this program.
#[must_use]
pub fn command_name() -> String {
    let command = command_of_all_kinds().or_else(own_name);
    command.unwrap_or_else(|| PROGRAM_OF_ALL_KINDS.to_owned())
}

/// Returns the name by which this program was started, without its folder and extension.
fn own_name() -> Option<String> {
    let program = std::env::args_os().next().map(PathBuf::from);
    let name = program.as_deref().and_then(Path::file_stem)?;
    Some(name.to_string_lossy().into_owned())
}
