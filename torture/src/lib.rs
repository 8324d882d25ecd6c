//! A campaign of faults against the programs of the workspace, and mutations of their inputs. See `docs/internals/torture.md`.
//!
//! A trial is a function of its seed: a shipped config, shrunken to about a second, and faults that strike while it runs. Whatever happens, the
//! results of the run that was continued are those of an unbroken one, byte for byte, or the program refuses with a message that says what to do.

#![forbid(unsafe_code)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod disk;
pub mod mutate;
pub mod random;
#[cfg(unix)]
pub mod slurm;

#[cfg(target_os = "linux")]
pub mod campaign;
#[cfg(target_os = "linux")]
mod damage;
#[cfg(target_os = "linux")]
mod fault;
#[cfg(target_os = "linux")]
mod input;
#[cfg(target_os = "linux")]
mod launched;
#[cfg(target_os = "linux")]
mod outcome;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod subject;
#[cfg(target_os = "linux")]
mod trial;
