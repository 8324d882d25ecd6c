//! The program `siren-wave`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    siren_wave::PROGRAM.main()
}
