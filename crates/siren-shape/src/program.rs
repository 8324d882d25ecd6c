//! The subcommands of `siren-shape`.

use std::process::ExitCode;

use clap::Args;
use siren_core::Result;
use siren_run::program::{About, FittedArgs, Program, Render, print_result};

use crate::extract::Component;
use crate::{Bounds, RenderedShape, Shape, ShapeField, ShapeRendering};

/// Options of a mesh of a fitted field.
#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Number of cells along each axis, 8 to 2048; of a picture, the side of each view in pixels.
    #[arg(long, value_name = "N", default_value = "256")]
    resolution: usize,
    /// Distance from the surface at which the mesh lies, in the units of the input; above 0 is outside.
    #[arg(
        long,
        value_name = "DISTANCE",
        default_value = "0",
        allow_negative_numbers = true
    )]
    level: f64,
    /// The box that is searched, in the units of the input [default: that of the fit, the coordinates −1 to 1].
    #[arg(
        long = "box",
        value_name = "X0,X1,Y0,Y1,Z0,Z1",
        allow_hyphen_values = true
    )]
    bounds: Option<Bounds>,
    /// Keep the component with the largest area alone.
    #[arg(long)]
    largest: bool,
}

impl Render<Shape> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<Shape>()?;
        let output = &self.fitted.output;
        let field = ShapeField::new(run.model, run.metadata)?;
        let rendering = ShapeRendering {
            resolution: self.resolution,
            level: self.level,
            bounds: self.bounds,
            component: if self.largest {
                Component::Largest
            } else {
                Component::All
            },
        };
        let rendered = machine.install(|| rendering.write(&field, output))?;
        let output = output.display();
        match rendered {
            RenderedShape::Mesh { vertices, faces } => print_result(format_args!(
                "wrote {output} ({vertices} vertices, {faces} triangles)"
            )),
            RenderedShape::Grid { side } => print_result(format_args!(
                "wrote {output} ({side} x {side} x {side} signed distances)"
            )),
            RenderedShape::Picture { width, height } => {
                print_result(format_args!("wrote {output} ({width} x {height} pixels)"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The program `siren-shape`: its subcommands, for an executable of any name.
pub const PROGRAM: Program = Program::new::<Shape, RenderArgs>(About {
    name: "siren-shape",
    program: "Fits signed distance functions to points and meshes, and extracts closed surfaces from them",
    render: "Write the surface of a run as a mesh or a picture, or its signed distance on a grid, at any resolution",
    render_examples: &[
        "runs/shape --resolution 512 -o shape.ply",
        "runs/shape --largest --level 0.01 -o shell.stl",
        "runs/shape --resolution 128 -o distances.npy",
    ],
});
