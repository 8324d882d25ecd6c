//! The subcommands of `siren-image`.

use siren_picture::RenderArgs;
use siren_run::program::{About, Program};

use crate::Image;

/// The program `siren-image`: its subcommands, for an executable of any name.
pub const PROGRAM: Program = Program::new::<Image, RenderArgs>(About {
    name: "siren-image",
    program: "Fits fields to pictures, and draws fitted fields at any size",
    render: "Draw the field of a run, its gradient or its Laplacian at any size",
    render_examples: &[
        "runs/image -o copy.png",
        "runs/image --scale 4 -o large.png",
        "runs/image --size 1080x1920 --quantity gradient -o gradient.png --checkpoint last",
    ],
});
