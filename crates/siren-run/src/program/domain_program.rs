//! The program of a domain, as a value: a crate's executable runs one, another executable may hold several.

use std::fmt;
use std::process::ExitCode;

use clap::{ArgMatches, Args, FromArgMatches as _, Subcommand};
use siren_core::Result;

use super::cli::{Render, SharedCommand, exit};
use crate::Domain;

/// Name and help texts of a domain's program.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// `siren-<kind>`.
    pub name: &'static str,
    /// One sentence about the program.
    pub program: &'static str,
    /// One sentence about its subcommand `render`.
    pub render: &'static str,
    /// Arguments of `render` for the examples in its help, such as `runs/image --scale 4 -o large.png`.
    pub render_examples: &'static [&'static str],
}

#[derive(Subcommand)]
enum Command<R: Args> {
    #[command(flatten)]
    Shared(SharedCommand),
    Render(R),
}

/// The subcommands of a domain: `run`, `check`, `resume`, `export`, `report` and `render`.
#[derive(Clone, Copy)]
pub struct Program {
    kind: &'static str,
    about: About,
    augment: fn(clap::Command) -> clap::Command,
    execute: fn(&ArgMatches) -> Result<ExitCode>,
}

impl Program {
    /// Makes the program of domain `D`, whose subcommand `render` has the arguments `R`.
    #[must_use]
    pub const fn new<D: Domain, R: Render<D>>(about: About) -> Self {
        Self {
            kind: D::KIND,
            about,
            augment: |command| Command::<R>::augment_subcommands(command),
            execute: |matches| {
                let parsed = Command::<R>::from_arg_matches(matches);
                match parsed.unwrap_or_else(|error| error.exit()) {
                    Command::Shared(command) => command.execute::<D>(),
                    Command::Render(command) => command.execute(),
                }
            },
        }
    }

    /// Returns the `kind` of its configs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns the command line of an executable `name` that has the subcommands of this program alone.
    #[must_use]
    pub fn command(&self, name: &'static str) -> clap::Command {
        let command = clap::Command::new(name)
            .version(env!("CARGO_PKG_VERSION"))
            .subcommand_required(true)
            .arg_required_else_help(true);
        // `augment_subcommands` replaces the program's `about` by that of the shared subcommands, so it is set afterwards.
        let command = (self.augment)(command)
            .about(self.about.program)
            .mut_subcommand("render", |render| render.about(self.about.render));
        let kind = self.kind;
        let run = [
            format!("configs/{kind}.toml"),
            format!(
                "configs/{kind}.toml --set train.steps=2000 --set seed=7 --out runs/{kind}-seed-7"
            ),
            format!("configs/{kind}.toml --device cuda:0"),
        ];
        let resume = [
            format!("runs/{kind}"),
            format!("runs/{kind} --threads 2"),
            format!("runs/{kind} --device cuda:0"),
        ];
        let export =
            ["safetensors", "html", "onnx"].map(|to| format!("runs/{kind} -o {kind}.{to}"));
        let command = with_examples(command, "run", &run);
        let command = with_examples(command, "resume", &resume);
        let report = [
            format!("runs/{kind}"),
            format!("runs/{kind} runs/{kind}-2 -o both.html"),
        ];
        let command = with_examples(command, "export", &export);
        let command = with_examples(command, "report", &report);
        with_examples(command, "render", self.about.render_examples)
    }

    /// Executes a command line that [`command`](Self::command), or one with the same arguments, has parsed. An error is printed.
    #[must_use]
    pub fn execute(&self, matches: &ArgMatches) -> ExitCode {
        exit((self.execute)(matches))
    }

    /// Runs the command line of this process as that of the executable `siren-<kind>`, and returns its exit status.
    #[must_use]
    pub fn main(&self) -> ExitCode {
        self.execute(&self.command(self.about.name).get_matches())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut program = formatter.debug_struct("Program");
        program.field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Adds examples to the help of a subcommand. `lines` are its arguments.
fn with_examples(
    command: clap::Command,
    subcommand: &'static str,
    lines: &[impl fmt::Display],
) -> clap::Command {
    let name = command.get_name();
    let examples: Vec<String> = lines
        .iter()
        .map(|line| format!("\n  {name} {subcommand} {line}"))
        .collect();
    let text = format!("Examples:{}", examples.concat());
    command.mut_subcommand(subcommand, |subcommand| subcommand.after_help(text))
}
