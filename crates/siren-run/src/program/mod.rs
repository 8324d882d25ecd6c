//! The command line of the domain programs, for their `main` functions: subcommands, progress, interrupts, exit status.
//!
//! Only this module prints, exits and installs a signal handler.

mod cli;
mod command;
mod console;
mod domain_program;
mod interrupt;
mod launcher;
#[cfg(feature = "mpi")]
mod mpi;
mod progress;

pub use self::cli::{FittedArgs, MachineArgs, Render, STOP_AT_EOF, SharedCommand, exit};
pub use self::command::{command_name, command_of_all_kinds};
pub use self::console::{print_note, print_result, progress_bar};
pub use self::domain_program::{About, Program};
pub use self::interrupt::{EXIT_STATUS, Interrupt};
pub use self::launcher::ranks;
pub use self::progress::Progress;
