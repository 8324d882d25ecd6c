//! The subcommands of `siren-poisson`.

use siren_picture::RenderArgs;
use siren_run::program::{About, Program};

use crate::Poisson;

/// The program `siren-poisson`: its subcommands, for an executable of any name.
pub const PROGRAM: Program = Program::new::<Poisson, RenderArgs>(About {
    name: "siren-poisson",
    program: "Fits fields to the gradients or Laplacians of pictures, and blends two pictures by their gradients",
    render: "Draw the recovered picture of a run, its gradient or its Laplacian at any size",
    render_examples: &[
        "runs/poisson --scale 4 -o large.png",
        "runs/poisson --quantity laplacian -o laplacian.png",
    ],
});
