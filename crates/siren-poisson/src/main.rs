//! The program `siren-poisson`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    siren_poisson::PROGRAM.main()
}
