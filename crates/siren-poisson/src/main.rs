//! `siren-poisson`: fit pictures on their derivatives, resume, render, export.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use siren_picture::RenderArgs;
use siren_poisson::Poisson;
use siren_run::program::{self, About};

fn main() -> ExitCode {
    program::main::<Poisson, RenderArgs>(About {
        name: "siren-poisson",
        program: "Recovers pictures from their gradients or Laplacians by sinusoidal fields, and merges pictures by their gradients",
        render: "Draw a run's recovered picture, its gradient or its Laplacian at any size",
        render_examples: &[
            "runs/poisson --scale 4 -o large.png",
            "runs/poisson --quantity laplacian -o laplacian.png",
        ],
    })
}
