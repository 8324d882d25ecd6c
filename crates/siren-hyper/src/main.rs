//! The program `siren-hyper`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    siren_hyper::PROGRAM.main()
}
