//! The `render` subcommand of the image domains: draws a fitted field at any size.

use std::process::ExitCode;

use clap::Args;
use siren_core::Result;
use siren_core::field::Siren;
use siren_run::Domain;
use siren_run::portable::{Axis, Direction, Look, Portable, Values};
use siren_run::program::{FittedArgs, Render, print_result};

use crate::canvas::Size;
use crate::draw::{Quantity, render};
use crate::metadata::PictureMetadata;
use crate::picture::LUMA;

/// Arguments of `render RUN -o FILE`.
#[derive(Args, Debug)]
pub struct RenderArgs {
    #[command(flatten)]
    fitted: FittedArgs,
    /// Height and width in pixels: `512x768` has 512 rows and 768 columns. Default: the size of the fitted picture.
    #[arg(long, value_name = "HxW", conflicts_with = "scale")]
    size: Option<Size>,
    /// Factor by which the size of the fitted picture is multiplied.
    #[arg(long, value_name = "S")]
    scale: Option<f64>,
    /// Quantity to draw. Derivatives are per pixel of the fitted picture.
    #[arg(long, value_enum, default_value_t)]
    quantity: Quantity,
}

/// Returns a picture's field and how it is looked at, as exports need it.
///
/// # Errors
/// If a side is zero.
pub fn portable<'a>(metadata: &PictureMetadata, field: &'a Siren) -> Result<Portable<'a>> {
    let canvas = metadata.canvas()?;
    let Size { height, width } = canvas.size();
    let extent = |axis| canvas.grid().extent(axis);
    let channels = field.out_features();
    let tone = |channel: usize| {
        let [gain, offset] = metadata.tone.get(channel).copied().unwrap_or([1.0, 0.0]);
        [0.5 * f64::from(gain), 0.5 * f64::from(offset) + 0.5]
    };
    let look = Look {
        values: Values::Intensity,
        axes: vec![
            Axis::of_samples("row", Direction::Down, extent(0), height),
            Axis::of_samples("column", Direction::Right, extent(1), width),
        ],
        tone: (0..channels).map(tone).collect(),
        channels: Vec::new(),
        weights: luma_weights(channels),
        notes: Vec::new(),
    };
    Ok(Portable { field, look })
}

/// Returns the weights of the channels of a picture in its luma, of which derivatives are drawn.
#[must_use]
pub fn luma_weights(channels: usize) -> Vec<f64> {
    if channels == LUMA.len() {
        LUMA.map(f64::from).to_vec()
    } else {
        vec![1.0; channels]
    }
}

impl<D: Domain<Model = Siren, Metadata = PictureMetadata>> Render<D> for RenderArgs {
    fn execute(&self) -> Result<ExitCode> {
        let (machine, run) = self.fitted.restore::<D>()?;
        let output = &self.fitted.output;
        let fitted = run.metadata.canvas()?;
        let size = match self.size {
            Some(size) => size,
            None => fitted.size().scaled(self.scale.unwrap_or(1.0))?,
        };
        let canvas = fitted.resized(size)?;
        machine.install(|| render(&run.model, &canvas, self.quantity, output))?;
        let (path, Size { height, width }) = (output.display(), size);
        print_result(format_args!("wrote {path} ({height} × {width})"));
        Ok(ExitCode::SUCCESS)
    }
}
