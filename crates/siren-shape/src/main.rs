//! The program `siren-shape`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    siren_shape::PROGRAM.main()
}
