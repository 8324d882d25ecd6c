//! `siren-video`: fit clips, resume, render, export.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Args;
use siren_core::Result;
use siren_picture::Size;
use siren_run::program::{self, About, FittedArgs, Render, print_result};
use siren_video::Video;
use siren_video::render::{Playback, render};

#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Frames a second. Default: the fitted clip's own.
    #[arg(long, value_name = "RATE")]
    fps: Option<f64>,
    /// Height, then width, in pixels: 512x768 is wider than high. Default: the fitted clip's own.
    #[arg(long, value_name = "HxW", conflicts_with = "scale")]
    size: Option<Size>,
    /// The clip's own size times this.
    #[arg(long, value_name = "S")]
    scale: Option<f64>,
}

impl Render<Video> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<Video>()?;
        let output = &self.fitted.output;
        let mut playback = Playback::new(run.metadata)?;
        if let Some(rate) = self.fps {
            playback = playback.at_rate(rate)?;
        }
        let size = match (self.size, self.scale) {
            (Some(size), _) => size,
            (None, Some(scale)) => playback.size().scaled(scale)?,
            (None, None) => playback.size(),
        };
        let playback = playback.at_size(size)?;
        let bar = program::progress_bar(playback.frames() as u64, "frames");
        machine.install(|| render(&run.model, &playback, output, |_| bar.inc(1)))?;
        bar.finish_and_clear();
        print_result(format_args!(
            "wrote {} ({} frames of {} × {}, {} a second)",
            output.display(),
            playback.frames(),
            size.height,
            size.width,
            playback.rate()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    program::main::<Video, RenderArgs>(About {
        name: "siren-video",
        program: "Fits clips by sinusoidal fields, and plays fitted ones at any frame rate and size",
        render: "Write a run's field as MP4, GIF, or a folder of PNG files, at any frame rate and size",
        render_examples: &[
            "runs/video --fps 60 -o slow.mp4",
            "runs/video --size 128x256 -o frames.gif",
        ],
    })
}
