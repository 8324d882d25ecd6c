//! The program `siren-video`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    siren_video::PROGRAM.main()
}
