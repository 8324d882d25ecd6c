//! Fields of every kind of signal, and the units of their coordinates and values.

use std::path::Path;

use siren_audio::SoundField;
use siren_core::Result;
use siren_core::candle_core::Tensor;
use siren_core::field::{Order, Siren};
use siren_image::PictureField;
use siren_shape::ShapeField;
use siren_video::ClipField;
use siren_wave::WaveField;

/// A field and what is known of its signal.
pub enum FieldKind {
    Picture(PictureField),
    Sound(SoundField),
    Clip(ClipField),
    Shape(ShapeField),
    Wave(WaveField),
    /// Values on a grid of these sides.
    Grid(Siren, Vec<usize>),
    Plain(Siren),
}

/// How coordinates and values of a network become those of the user: `x = (p − center) · scale`, and `gain · y + offset` for each channel.
struct Units {
    center: Vec<f64>,
    scale: f64,
    gain: Vec<f64>,
    offset: Vec<f64>,
}

impl FieldKind {
    /// Returns the network with its parameters.
    pub fn siren(&self) -> &Siren {
        match self {
            Self::Picture(field) => field.siren(),
            Self::Sound(field) => field.siren(),
            Self::Clip(field) => field.siren(),
            Self::Shape(field) => field.siren(),
            Self::Wave(field) => field.siren(),
            Self::Grid(siren, _) | Self::Plain(siren) => siren,
        }
    }

    /// Returns the name of the kind, for users.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Picture(_) => "picture",
            Self::Sound(_) => "sound",
            Self::Clip(_) => "clip",
            Self::Shape(_) => "shape",
            Self::Wave(_) => "wave",
            Self::Grid(..) => "grid",
            Self::Plain(_) => "points",
        }
    }

    /// Writes the field with the facts of its signal.
    pub fn save(&self, path: &Path) -> Result<()> {
        match self {
            Self::Picture(field) => field.save(path),
            Self::Sound(field) => field.save(path),
            Self::Clip(field) => field.save(path),
            Self::Shape(field) => field.save(path),
            Self::Wave(field) => field.save(path),
            Self::Grid(siren, _) | Self::Plain(siren) => siren.save(path),
        }
    }

    /// Reads a file of a field. The facts of its signal tell the kind.
    pub fn open(path: &Path) -> Result<Self> {
        // First, so that a damaged file gives the error of fields.
        let plain = Siren::open(path)?;
        let dims = plain.in_features();
        let opened = match dims {
            1 => SoundField::open(path).ok().map(Self::Sound),
            2 => PictureField::open(path).ok().map(Self::Picture),
            3 => ClipField::open(path)
                .ok()
                .map(Self::Clip)
                .or_else(|| ShapeField::open(path).ok().map(Self::Shape)),
            _ => None,
        };
        let opened = opened.or_else(|| WaveField::open(path).ok().map(Self::Wave));
        Ok(opened.unwrap_or(Self::Plain(plain)))
    }

    fn units(&self) -> Units {
        let siren = self.siren();
        let channels = siren.out_features();
        let mut units = Units {
            center: vec![0.0; siren.in_features()],
            scale: 1.0,
            gain: vec![1.0; channels],
            offset: vec![0.0; channels],
        };
        match self {
            Self::Picture(field) => {
                let tone = &field.metadata().tone;
                for channel in 0..channels {
                    let [gain, offset] = tone.get(channel).copied().unwrap_or([1.0, 0.0]);
                    units.gain[channel] = 0.5 * f64::from(gain);
                    units.offset[channel] = 0.5 * f64::from(offset) + 0.5;
                }
            }
            Self::Sound(field) => units.gain.fill(f64::from(field.metadata().peak)),
            Self::Clip(_) => {
                units.gain.fill(0.5);
                units.offset.fill(0.5);
            }
            Self::Shape(field) => {
                let frame = field.frame();
                units.center = frame.center.to_vec();
                units.scale = frame.scale;
                units.gain.fill(1.0 / frame.scale);
            }
            Self::Wave(_) | Self::Grid(..) | Self::Plain(_) => {}
        }
        units
    }

    /// Returns a part of the jet at `coords (n, d)`, both in the units of the signal.
    pub fn part(&self, coords: &Tensor, order: &Order, part: JetPart) -> Result<Tensor> {
        let units = self.units();
        let siren = self.siren();
        let like = |values: Vec<f64>, shape: &[usize]| {
            Tensor::from_vec(values, shape, coords.device())?.to_dtype(coords.dtype())
        };
        let dims = units.center.len();
        let channels = units.gain.len();
        let coords = if matches!(self, Self::Shape(_)) {
            let center = like(units.center.clone(), &[1, dims])?;
            (coords.broadcast_sub(&center)? * units.scale)?
        } else {
            coords.clone()
        };
        let jet = siren.evaluate(&coords, order)?;
        let gain = |power: i32| {
            let gains = units.gain.iter().map(|gain| gain * units.scale.powi(power));
            like(gains.collect(), &[1, channels, 1])
        };
        Ok(match part {
            JetPart::Value => {
                let value = jet.value()?.unsqueeze(2)?.broadcast_mul(&gain(0)?)?;
                let offset = like(units.offset.clone(), &[1, channels, 1])?;
                value.broadcast_add(&offset)?.squeeze(2)?
            }
            JetPart::Gradient => jet.gradient()?.broadcast_mul(&gain(1)?)?,
            JetPart::Traces => jet.traces()?.broadcast_mul(&gain(2)?)?,
        })
    }
}

/// A part of a jet.
#[derive(Clone, Copy)]
pub enum JetPart {
    Value,
    Gradient,
    Traces,
}
