//! The command line: the subcommands of all kinds, of sweeps, and those of this program.

use std::process::ExitCode;

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _, Subcommand};
use siren_core::Result;
use siren_run::program::Program;
use siren_sweep::{MemberArgs, RunArgs, SweepCommand, TableArgs};

use crate::configs::NewArgs;
use crate::generate::{CompletionsArgs, ManArgs};

/// Name of the executable.
pub const NAME: &str = "siren";

/// The programs of all kinds, by name.
pub const PROGRAMS: [Program; 7] = [
    siren_audio::PROGRAM,
    siren_hyper::PROGRAM,
    siren_image::PROGRAM,
    siren_poisson::PROGRAM,
    siren_shape::PROGRAM,
    siren_video::PROGRAM,
    siren_wave::PROGRAM,
];

/// Subcommands of every kind, with the argument that names a config or run folder.
pub const PATH_ARGS: [(&str, &str); 6] = [
    ("run", "config"),
    ("check", "config"),
    ("resume", "run"),
    ("render", "run"),
    ("export", "run"),
    ("report", "runs"),
];

/// Subcommands of sweeps, with their names in `siren-sweep`.
pub const SWEEP: [(&str, &str); 3] = [("sweep", "run"), ("table", "table"), ("member", "member")];

const EXAMPLES: &str = "\
Examples:
  siren new image                          write image.toml, a config to begin with
  siren run image.toml --set signal.path=photo.jpg
  siren render runs/image --scale 4 -o large.png
  siren export runs/image -o image.html
  siren report runs/image runs/image-2 -o both.html
  siren sweep optimizers.toml
  siren completions bash > ~/.local/share/bash-completion/completions/siren
  siren man --out ~/.local/share/man/man1

`siren COMMAND --help` explains a command.
Exit status: 0; 1 for an error; 2 for a wrong command line; 130 for a run that was stopped.";

const RENDER: &str = "\
The kind of the run decides which options there are: those below are of the kinds in their heading, and `siren render RUN --help` lists those of a run.";

/// Subcommands that no kind has.
#[derive(Debug, Subcommand)]
pub enum Own {
    /// Write a config to begin with, or list them.
    New(NewArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all subcommands.
    Man(ManArgs),
}

impl Own {
    /// Executes the subcommand.
    ///
    /// # Errors
    /// Those of the subcommand.
    pub fn execute(&self) -> Result<ExitCode> {
        match self {
            Self::New(args) => args.execute(),
            Self::Completions(args) => Ok(args.execute()),
            Self::Man(args) => args.execute(),
        }
    }
}

/// Returns the whole command line. Its subcommand `render` has the options of all kinds; the others have the same options for every kind.
pub fn all() -> Command {
    let shared = PROGRAMS[0].command(NAME);
    let of_any_kind = |name: &str| {
        let found = shared.find_subcommand(name).cloned();
        found.unwrap_or_else(|| Command::new(name.to_owned()))
    };
    let mut command = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true);
    for (name, _) in PATH_ARGS {
        command = command.subcommand(match name {
            "render" => render(),
            "export" => of_any_kind(name).after_help(""),
            _ => of_any_kind(name),
        });
    }
    let sweep = RunArgs::augment_args(Command::new("sweep"));
    let table = TableArgs::augment_args(Command::new("table"));
    let member = MemberArgs::augment_args(Command::new("member"));
    command = command
        .subcommand(sweep.about("Run every combination of the settings in a config's `[sweep]` table, and compare them in tables and plots"))
        .subcommand(table.about("Write the tables and plots of a sweep again, from the runs that are finished"))
        .subcommand(member.hide(true));
    // Set last: to add arguments or subcommands also sets what they are about.
    Own::augment_subcommands(command)
        .about("Fits implicit neural representations to pictures, sounds, clips, shapes and waves, and renders them at any resolution")
}

/// Returns the subcommand `render` with the options of all kinds.
fn render() -> Command {
    let all = PROGRAMS.map(|program| {
        let command = program.command(NAME);
        let render = command.find_subcommand("render").cloned();
        (program.kind(), render.unwrap_or_default())
    });
    let mut union = Command::new("render")
        .about("Evaluate the field of a run on a regular grid, and write the result to one file")
        .after_help(RENDER);
    for (_, own) in &all {
        for arg in own.get_arguments() {
            let id = arg.get_id();
            if union.get_arguments().any(|known| known.get_id() == id) {
                continue;
            }
            let has = |command: &Command| command.get_arguments().any(|one| one.get_id() == id);
            let kinds: Vec<&str> = all
                .iter()
                .filter(|(_, command)| has(command))
                .map(|(kind, _)| *kind)
                .collect();
            union = union.arg(if kinds.len() == all.len() {
                arg.clone()
            } else {
                let heading = format!("Options for runs of the kind {}", kinds.join(", "));
                arg.clone().required(false).help_heading(heading)
            });
        }
    }
    union
}

/// Reads a subcommand of sweeps.
///
/// # Errors
/// If `name` is none.
pub fn sweep_from(name: &str, matches: &ArgMatches) -> Result<SweepCommand, clap::Error> {
    Ok(match name {
        "sweep" => SweepCommand::Run(RunArgs::from_arg_matches(matches)?),
        "table" => SweepCommand::Table(TableArgs::from_arg_matches(matches)?),
        _ => SweepCommand::Member(MemberArgs::from_arg_matches(matches)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        all().debug_assert();
        for program in PROGRAMS {
            program.command(NAME).debug_assert();
        }
    }

    #[test]
    fn every_kind_has_the_same_options_but_those_of_render() {
        let options = |program: &Program, subcommand: &str| {
            let command = program.command(NAME);
            let found = command.find_subcommand(subcommand).unwrap();
            let ids = found.get_arguments().map(|arg| arg.get_id().to_string());
            ids.collect::<Vec<_>>()
        };
        for (subcommand, path) in PATH_ARGS {
            for program in &PROGRAMS {
                let own = options(program, subcommand);
                assert!(own.iter().any(|id| id == path), "{subcommand} {own:?}");
                if subcommand != "render" {
                    assert_eq!(own, options(&PROGRAMS[0], subcommand));
                }
            }
        }
    }
}
