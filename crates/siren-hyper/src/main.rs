//! `siren-hyper`: learn a space of pictures, resume, export, reconstruct.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use siren_core::Result;
use siren_hyper::Hyper;
use siren_hyper::restore::{Drawing, Restorer, Seen};
use siren_run::Machine;
use siren_run::program::{self, About, FittedArgs, Render, print_result};

#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// A picture; its middle square is resized to what the run knows.
    #[arg(long, value_name = "FILE")]
    picture: PathBuf,
    /// Another picture: a strip of pictures leads from the first to it.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Pictures of the strip, both ends among them.
    #[arg(long, value_name = "N", default_value_t = 8, requires = "to")]
    frames: usize,
    /// See so many pixels only, chosen at random. Default: all.
    #[arg(long, value_name = "N", conflicts_with = "mask")]
    context: Option<usize>,
    /// See only what is bright in this picture.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Improve the code by so many steps on the pixels that are seen.
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    fit: usize,
    /// Draw so many pixels for every one that the pictures of the run have on a side.
    #[arg(long, value_name = "S", default_value_t = 1)]
    scale: usize,
    /// Draw from −E to E, where pictures are from −1 to 1.
    #[arg(long, value_name = "E", default_value_t = 1.0)]
    extent: f64,
    /// Also write what is seen of the picture.
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
}

impl Render<Hyper> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, config, model) = self.fitted.restore_model::<Hyper>()?;
        self.draw(&machine, &Restorer { config, model })?;
        print_result(format_args!("wrote {}", self.fitted.output.display()));
        Ok(ExitCode::SUCCESS)
    }
}

impl RenderArgs {
    fn draw(&self, machine: &Machine, restorer: &Restorer) -> Result<()> {
        let seen = match (self.context, &self.mask) {
            (Some(number), _) => Seen::Pixels(number),
            (None, Some(mask)) => Seen::Mask(mask.clone()),
            (None, None) => Seen::All,
        };
        let drawing = Drawing {
            scale: self.scale,
            extent: self.extent,
        };
        let (picture, context) = machine.install(|| {
            let (mut codes, context) = restorer.code(&self.picture, &seen, self.fit)?;
            if let Some(to) = &self.to {
                let (end, _) = restorer.code(to, &seen, self.fit)?;
                codes = restorer.between(&codes, &end, self.frames)?;
            }
            Ok((restorer.draw(&codes, drawing)?, context))
        })?;
        if let Some(file) = &self.seen {
            context.save(file)?;
        }
        picture.save(&self.fitted.output)
    }
}

fn main() -> ExitCode {
    program::main::<Hyper, RenderArgs>(About {
        name: "siren-hyper",
        program: "Learns a space of pictures, each of which is a sinusoidal field that a hypernetwork gives",
        render: "Reconstruct a picture from some of its pixels, at any size; or draw what lies between two pictures",
        render_examples: &[
            "runs/hyper --picture face.png --context 100 --scale 8 -o guess.png",
            "runs/hyper --picture face.png --mask mask.png --seen seen.png -o completed.png",
            "runs/hyper --picture face.png --to another.png --frames 8 -o strip.png",
        ],
    })
}
