//! `siren-audio`: fit sounds, resume, render, export.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Args;
use siren_audio::Audio;
use siren_audio::render::render;
use siren_core::Result;
use siren_run::program::{self, About, FittedArgs, Render, print_result};

#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Samples a second of every channel, 32-bit floats. Default: the fitted sound's own.
    #[arg(long, value_name = "HZ")]
    rate: Option<u32>,
}

impl Render<Audio> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<Audio>()?;
        let output = &self.fitted.output;
        let timeline = run.metadata.timeline(self.rate)?;
        machine.install(|| render(run.metadata.peak, &run.model, &timeline, output))?;
        print_result(format_args!(
            "wrote {} ({} frames at {} Hz)",
            output.display(),
            timeline.frames(),
            timeline.rate()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    program::main::<Audio, RenderArgs>(About {
        name: "siren-audio",
        program: "Fits sounds by sinusoidal fields, and plays fitted ones at any rate",
        render: "Write a run's field as a WAV file at any rate",
        render_examples: &[
            "runs/audio -o copy.wav",
            "runs/audio --rate 48000 -o sound.wav",
        ],
    })
}
