//! The program `siren-poisson`: `run`, `resume`, `render` and `export` for pictures from their derivatives.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use siren_picture::RenderArgs;
use siren_poisson::Poisson;
use siren_run::program::{self, About};

fn main() -> ExitCode {
    program::main::<Poisson, RenderArgs>(About {
        name: "siren-poisson",
        program: "Fits fields to the gradients or Laplacians of pictures, and blends two pictures by their gradients",
        render: "Draw the recovered picture of a run, its gradient or its Laplacian at any size",
        render_examples: &[
            "runs/poisson --scale 4 -o large.png",
            "runs/poisson --quantity laplacian -o laplacian.png",
        ],
    })
}
