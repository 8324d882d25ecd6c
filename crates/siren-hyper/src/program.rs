//! The subcommands of `siren-hyper`, which also reconstructs new pictures from some of their pixels.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use siren_core::{Error, Result};
use siren_run::program::{About, FittedArgs, Program, Render, print_result};
use siren_run::{ConfigOf, Machine};

use crate::montage::{grid, observed_pixels};
use crate::{ContextBatch, Drawing, Hyper, HyperNetwork, ObservedPixels, Picture, interpolate};

#[derive(Args, Debug)]
struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// A picture, of which the square at its center is resized to the size of the run's pictures.
    #[arg(long, value_name = "FILE")]
    picture: PathBuf,
    /// Another picture. The output is then a strip of pictures that interpolates from the first picture to this one.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Number of pictures of the strip, including both ends.
    #[arg(long, value_name = "N", default_value_t = 8, requires = "to")]
    frames: usize,
    /// Number of observed pixels, which are chosen at random. Default: all.
    #[arg(long, value_name = "N", conflicts_with = "mask")]
    context: Option<usize>,
    /// A mask: the observed pixels are those where this picture is brighter than half.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Number of steps that fit the code to the observed pixels, from the code of the encoder on.
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    fit: usize,
    /// Pixels per side of the output, relative to the pictures of the run.
    #[arg(long, value_name = "S", default_value_t = 1)]
    scale: usize,
    /// Extent of the output, which covers [−E, E]². Pictures of the run cover [−1, 1]².
    #[arg(long, value_name = "E", default_value_t = 1.0)]
    extent: f64,
    /// Also write the observed pixels as a picture that is gray elsewhere.
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
}

impl Render<Hyper> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, config, model) = self.fitted.restore_model::<Hyper>()?;
        self.draw(&machine, &config, &model)
            .map_err(|error| self.named_by_option(error))?;
        print_result(format_args!("wrote {}", self.fitted.output.display()));
        Ok(ExitCode::SUCCESS)
    }
}

impl RenderArgs {
    fn draw(
        &self,
        machine: &Machine,
        config: &ConfigOf<Hyper>,
        model: &HyperNetwork,
    ) -> Result<()> {
        let observed = self.observed_pixels(config.seed)?;
        let codes_of = |contexts: &ContextBatch| match self.fit {
            0 => model.latents(contexts, &config.objective),
            steps => model.fit_latents(contexts, &config.objective, steps),
        };
        let open = |file: &Path| {
            let picture = Picture::open(file, model.color_mode())?;
            model.context_of(&picture, &observed)
        };
        let (row, contexts) = machine.install(|| {
            let contexts = open(&self.picture)?;
            let mut codes = codes_of(&contexts)?;
            if let Some(to) = &self.to {
                let end = codes_of(&open(to)?)?;
                codes = interpolate(&codes.get(0)?, &end.get(0)?, self.frames)?;
            }
            let drawing = Drawing {
                side: self.scale.saturating_mul(model.side()?),
                extent: self.extent,
            };
            Ok((model.draw(&codes, drawing)?, contexts))
        })?;
        if let Some(file) = &self.seen {
            grid(&[observed_pixels(&contexts)?]).save(file)?;
        }
        grid(&[row]).save(&self.fitted.output)
    }

    /// Reads the mask, if there is one. `seed` determines random pixels.
    fn observed_pixels(&self, seed: u64) -> Result<ObservedPixels> {
        Ok(match (self.context, &self.mask) {
            (Some(count), _) => ObservedPixels::Random { count, seed },
            (None, Some(mask)) => ObservedPixels::Mask(Picture::open_mask(mask)?),
            (None, None) => ObservedPixels::All,
        })
    }

    /// Replaces the name of a library's parameter in an error by the option that set it.
    fn named_by_option(&self, error: Error) -> Error {
        let Error::InvalidValue {
            key,
            value,
            expected,
        } = error
        else {
            return error;
        };
        match (key.as_str(), &self.mask) {
            ("observed.count", _) => Error::invalid("--context", value, &expected),
            ("observed.mask", Some(mask)) => {
                let message = "marks no pixel: a mask must be brighter than half, and not transparent, where the picture is to be observed";
                Error::signal(mask, message)
            }
            ("drawing.side", _) => Error::invalid("--scale", self.scale, &expected),
            ("drawing.extent", _) => Error::invalid("--extent", value, &expected),
            ("count", _) => Error::invalid("--frames", value, &expected),
            _ => Error::InvalidValue {
                key,
                value,
                expected,
            },
        }
    }
}

/// The program `siren-hyper`: its subcommands, for an executable of any name.
pub const PROGRAM: Program = Program::new::<Hyper, RenderArgs>(About {
    name: "siren-hyper",
    program: "Trains an encoder and a hypernetwork on a set of pictures, each of which is a sinusoidal field",
    render: "Reconstruct a picture from some of its pixels, at any size, or interpolate between two pictures",
    render_examples: &[
        "runs/hyper --picture face.png --context 100 --scale 8 -o guess.png",
        "runs/hyper --picture face.png --mask mask.png --seen seen.png -o completed.png",
        "runs/hyper --picture face.png --to another.png --frames 8 -o strip.png",
    ],
});
