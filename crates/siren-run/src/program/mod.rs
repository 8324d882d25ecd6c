//! What the `main` function of a domain's program needs: command line, progress, interrupts.

mod cli;
mod console;
mod interrupt;
mod progress;

pub use self::cli::{
    About, FittedArgs, MachineArgs, Render, SharedCommand, command_name, exit, main,
};
pub use self::console::{bar, print_note, print_result};
pub use self::interrupt::{EXIT_STATUS, Interrupt};
pub use self::progress::Progress;
