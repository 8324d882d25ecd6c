//! The program `siren-image`: `run`, `resume`, `render` and `export` for pictures.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use siren_image::Image;
use siren_picture::RenderArgs;
use siren_run::program::{self, About};

fn main() -> ExitCode {
    program::main::<Image, RenderArgs>(About {
        name: "siren-image",
        program: "Fits fields to pictures, and draws fitted fields at any size",
        render: "Draw the field of a run, its gradient or its Laplacian at any size",
        render_examples: &[
            "runs/image -o copy.png",
            "runs/image --scale 4 -o large.png",
            "runs/image --size 1080x1920 --quantity gradient -o gradient.png --checkpoint last",
        ],
    })
}
