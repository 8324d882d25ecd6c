//! The program `siren-audio`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    siren_audio::PROGRAM.main()
}
