//! The program `siren-image`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    siren_image::PROGRAM.main()
}
