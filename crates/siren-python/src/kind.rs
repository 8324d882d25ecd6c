//! Fields of every kind of signal, and the units of their coordinates and values.

use std::path::Path;

use siren_audio::{Audio, SoundField};
use siren_core::Result;
use siren_core::candle_core::Tensor;
use siren_core::field::{Order, Siren};
use siren_image::{Image, PictureField};
use siren_run::Recorded as _;
use siren_shape::{Shape, ShapeField};
use siren_video::{ClipField, Video};
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
    /// `[gain, offset]` of each channel.
    tone: Vec<[f64; 2]>,
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

    /// Returns the units of the signal. Those of values are what exports of its kind display.
    fn units(&self) -> Result<Units> {
        let siren = self.siren();
        let (mut center, mut scale) = (vec![0.0; siren.in_features()], 1.0);
        if let Self::Shape(field) = self {
            let frame = field.frame();
            center = frame.center.to_vec();
            scale = frame.scale;
        }
        let tone = match self {
            Self::Picture(field) => Image::portable(field.metadata(), siren)?.look.tone,
            Self::Sound(field) => Audio::portable(&field.metadata(), siren)?.look.tone,
            Self::Clip(field) => Video::portable(&field.metadata(), siren)?.look.tone,
            Self::Shape(field) => Shape::portable(&field.frame(), siren)?.look.tone,
            Self::Wave(_) | Self::Grid(..) | Self::Plain(_) => {
                vec![[1.0, 0.0]; siren.out_features()]
            }
        };
        Ok(Units {
            center,
            scale,
            tone,
        })
    }

    /// Returns a part of the jet at `coords (n, d)`, both in the units of the signal.
    pub fn part(&self, coords: &Tensor, order: &Order, part: JetPart) -> Result<Tensor> {
        let units = self.units()?;
        let siren = self.siren();
        let like = |values: Vec<f64>, shape: &[usize]| {
            Tensor::from_vec(values, shape, coords.device())?.to_dtype(coords.dtype())
        };
        let dims = units.center.len();
        let channels = units.tone.len();
        let coords = if matches!(self, Self::Shape(_)) {
            let center = like(units.center.clone(), &[1, dims])?;
            (coords.broadcast_sub(&center)? * units.scale)?
        } else {
            coords.clone()
        };
        let jet = siren.evaluate(&coords, order)?;
        let gain = |power: i32| {
            let gains = units.tone.iter();
            let gains = gains.map(|[gain, _]| gain * units.scale.powi(power));
            like(gains.collect(), &[1, channels, 1])
        };
        Ok(match part {
            JetPart::Value => {
                let value = jet.value()?.unsqueeze(2)?.broadcast_mul(&gain(0)?)?;
                let offsets = units.tone.iter().map(|[_, offset]| *offset);
                let offset = like(offsets.collect(), &[1, channels, 1])?;
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
