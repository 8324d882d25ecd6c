//! The subcommands of `siren-video`.

use std::process::ExitCode;

use clap::Args;
use siren_core::Result;
use siren_run::program::{About, FittedArgs, Program, Render, print_result, progress_bar};

use crate::config::MAX_RATE;
use crate::{ClipField, Size, Video};

#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Frame rate, in frames per second. Default: that of the fitted clip.
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    fps: Option<f64>,
    /// Height, then width, in pixels: 512x768 is wider than high. Default: those of the fitted clip.
    #[arg(long, value_name = "HxW", conflicts_with = "scale")]
    size: Option<Size>,
    /// Factor of the clip's own size.
    #[arg(long, value_name = "S")]
    scale: Option<f64>,
}

/// Parses a frame rate, in frames per second.
fn parse_rate(text: &str) -> std::result::Result<f64, String> {
    let rate = text.parse().unwrap_or(f64::NAN);
    if rate > 0.0 && rate <= MAX_RATE {
        return Ok(rate);
    }
    Err(format!(
        "expected a number above 0, at most {MAX_RATE}, in frames per second"
    ))
}

impl Render<Video> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<Video>()?;
        let output = &self.fitted.output;
        let field = ClipField::new(run.model, run.metadata)?;
        let mut playback = field.playback();
        if let Some(rate) = self.fps {
            playback = playback.at_rate(rate)?;
        }
        let size = match (self.size, self.scale) {
            (Some(size), _) => size,
            (None, Some(scale)) => playback.size().scaled(scale)?,
            (None, None) => playback.size(),
        };
        let playback = playback.at_size(size)?;
        let bar = progress_bar(playback.frames() as u64, "frames");
        machine.install(|| field.render_to(&playback, output, |_| bar.inc(1)))?;
        bar.finish_and_clear();
        print_result(format_args!(
            "wrote {} ({} frames of {} × {}, {} per second)",
            output.display(),
            playback.frames(),
            size.height,
            size.width,
            playback.rate()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// The program `siren-video`: its subcommands, for an executable of any name.
pub const PROGRAM: Program = Program::new::<Video, RenderArgs>(About {
    name: "siren-video",
    program: "Fits sinusoidal fields to clips, and renders fitted ones at any frame rate and size",
    render: "Write the field of a run as MP4, GIF, or a folder of PNG files, at any frame rate and size",
    render_examples: &[
        "runs/video --fps 60 -o slow.mp4",
        "runs/video --size 128x256 -o frames.gif",
    ],
});
