//! Texts that are made from the command line: completions of shells, and manual pages.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;
use siren_core::file::write_atomically;
use siren_core::{Error, Result};
use siren_run::program::print_result;

use crate::command::{self, NAME};

/// Arguments of `completions SHELL`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script.
    pub fn execute(&self) -> ExitCode {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command::all(), NAME, &mut script);
        print(&script)
    }
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// An existing folder for the pages of the program and of all subcommands, such as siren.1 and siren-run.1. Files of these names are replaced
    /// [default: the page of the program is printed].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl ManArgs {
    /// Prints the page, or writes all pages.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn execute(&self) -> Result<ExitCode> {
        let mut all = command::all().disable_help_subcommand(true);
        all.build();
        let Some(folder) = &self.out else {
            return Ok(print(&page(all)?));
        };
        let subcommands = all.get_subcommands().filter(|one| !one.is_hide_set());
        let mut commands: Vec<clap::Command> = subcommands.cloned().collect();
        commands.push(all);
        for command in commands {
            let name = command.get_display_name().unwrap_or(NAME).to_owned();
            let path = folder.join(format!("{name}.1"));
            write_atomically(&path, &page(command)?)?;
            print_result(format_args!("wrote {}", path.display()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the manual page of a command.
fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let man = clap_mangen::Man::new(command);
    man.render(&mut text)
        .map_err(Error::io("make", "the manual page"))?;
    Ok(text)
}

/// Writes bytes to standard output. A reader that ends early, such as `head`, is no error.
fn print(bytes: &[u8]) -> ExitCode {
    let written = std::io::stdout().lock().write_all(bytes);
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
