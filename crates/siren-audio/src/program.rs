//! The subcommands of `siren-audio`.

use std::process::ExitCode;

use clap::Args;
use siren_core::Result;
use siren_run::program::{About, FittedArgs, Program, Render, print_result};

use crate::sound::MAX_RATE;
use crate::{Audio, SoundField};

#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Sample rate in Hz. Default: that of the fitted sound. Samples are 32-bit floats.
    #[arg(long, value_name = "HZ", value_parser = parse_rate)]
    rate: Option<u32>,
}

/// Parses a sample rate in Hz.
fn parse_rate(text: &str) -> std::result::Result<u32, String> {
    match text.parse() {
        Ok(rate @ 1..=MAX_RATE) => Ok(rate),
        _ => Err(format!(
            "expected a whole number from 1 to {MAX_RATE}, in Hz"
        )),
    }
}

impl Render<Audio> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<Audio>()?;
        let output = &self.fitted.output;
        let field = SoundField::new(run.model, run.metadata)?;
        let rate = self.rate.unwrap_or(run.metadata.rate);
        machine.install(|| field.render_to(rate, output))?;
        print_result(format_args!(
            "wrote {} ({} frames at {rate} Hz)",
            output.display(),
            field.timeline().at_rate(rate)?.frames()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// The program `siren-audio`: its subcommands, for an executable of any name.
pub const PROGRAM: Program = Program::new::<Audio, RenderArgs>(About {
    name: "siren-audio",
    program: "Fits sinusoidal fields to sounds, and renders fitted ones at any sample rate",
    render: "Write the field of a run as a WAV file, at any sample rate",
    render_examples: &[
        "runs/audio -o copy.wav",
        "runs/audio --rate 48000 -o sound.wav",
    ],
});
