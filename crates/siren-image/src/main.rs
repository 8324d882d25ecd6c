//! `siren-image`: fit pictures, resume, render, export.

use std::process::ExitCode;

use siren_core::run::cli::{self, About};
use siren_image::Image;
use siren_picture::RenderArgs;

fn main() -> ExitCode {
    cli::main::<Image, RenderArgs>(About {
        name: "siren-image",
        program: "Fits pictures by sinusoidal fields, and draws fitted ones at any size",
        render: "Draw a run's field, its gradient or its Laplacian at any size",
    })
}
