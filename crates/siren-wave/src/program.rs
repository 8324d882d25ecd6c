//! The subcommands of `siren-wave`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use siren_core::Result;
use siren_run::program::{About, FittedArgs, Program, Render, print_result};

use crate::{WaveField, WaveQuantity, WaveRendering, Waves};

/// Options of a drawing of a fitted field.
#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Number of points along each side of the domain, 2 to 8192.
    #[arg(long, value_name = "N", default_value = "513")]
    side: usize,
    /// What is drawn: the waves, or the medium that an inverse problem has found [default: the medium, if it was unknown].
    #[arg(long, value_enum)]
    quantity: Option<Quantity>,
    /// The shot whose waves are drawn, from 0 [default: 0].
    #[arg(long, value_name = "N")]
    shot: Option<usize>,
    /// The time at which a wave of the wave equation is drawn [default: the last one of the fit].
    #[arg(long, value_name = "T")]
    time: Option<f64>,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Quantity {
    /// The waves: real part, imaginary part, absolute value and phase; in an array, real and imaginary part.
    Waves,
    /// The medium: the velocity relative to the background; in an array, the squared slowness.
    Medium,
}

impl Render<Waves> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<Waves>()?;
        let output = &self.fitted.output;
        let field = WaveField::new(run.model, run.metadata)?;
        let quantity = match self.quantity {
            Some(Quantity::Medium) => WaveQuantity::Medium,
            None if field.medium(&[])?.is_some() => WaveQuantity::Medium,
            Some(Quantity::Waves) | None => WaveQuantity::Waves,
        };
        let rendering = WaveRendering {
            side: self.side,
            shot: self.shot,
            time: self.time,
            quantity,
        };
        machine.install(|| rendering.write(&field, output))?;
        print_result(format_args!("wrote {}", output.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// The program `siren-wave`: its subcommands, for an executable of any name.
pub const PROGRAM: Program = Program::new::<Waves, RenderArgs>(About {
    name: "siren-wave",
    program: "Fits fields to the Helmholtz equation, to its inverse problem and to the wave equation",
    render: "Draw the waves of a run, or the medium that it has found",
    render_examples: &[
        "runs/helmholtz --side 1025 -o waves.png",
        "runs/helmholtz_inverse -o medium.npy",
        "runs/wave --time 0.2 -o wave.png",
    ],
});
