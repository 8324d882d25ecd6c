//! The program `siren-wave`: fits fields to equations of waves, resumes runs, draws and exports fitted fields.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Args;
use siren_core::Result;
use siren_run::program::{self, About, FittedArgs, Render};
use siren_wave::Waves;

/// Options of a drawing of a fitted field.
#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
}

impl Render<Waves> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (_machine, _run) = self.fitted.restore::<Waves>()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    program::main::<Waves, RenderArgs>(About {
        name: "siren-wave",
        program: "Fits fields to the Helmholtz equation, to its inverse problem and to the wave equation",
        render: "Draw the waves of a run",
        render_examples: &["runs/helmholtz -o waves.png"],
    })
}
