//! A fitted field of waves, with all that is needed to evaluate it.

use std::path::Path;

use num_complex::Complex64;
use serde::{Deserialize, Serialize};
use siren_core::field::Siren;
use siren_core::signal::SignalMetadata;
use siren_core::{Error, Result};

use crate::Point;
use crate::objective::SlownessMap;
use crate::shots::{ShotFacts, ShotFields};
use crate::wave::{Ansatz, Event};

/// Facts of a problem from which a fitted field is evaluated without its config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaveMetadata {
    /// Fields of the Helmholtz equation, and perhaps the medium.
    Shots(ShotFacts),
    /// The medium alone.
    Medium(SlownessFacts),
    /// Waves in time.
    Motion(MotionFacts),
}

impl SignalMetadata for WaveMetadata {
    const VERSION: u32 = 1;
}

/// Facts from which the value of a network becomes a squared slowness.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlownessFacts {
    /// Half the side of the square outside of which m = 1.
    pub half_width: f64,
    /// Map from the value of the field to the medium.
    pub map: SlownessMap,
}

impl SlownessFacts {
    /// Returns the medium of a field at points.
    ///
    /// # Errors
    /// Only from candle.
    pub fn medium(&self, field: &Siren, points: &[Point]) -> Result<Vec<f64>> {
        let values = field.values(points.as_flattened())?;
        let at = |(&[x, y], value): (&Point, f64)| {
            if x.abs().max(y.abs()) <= self.half_width {
                self.map.squared_slowness(value)
            } else {
                1.0
            }
        };
        Ok(points.iter().zip(values).map(at).collect())
    }
}

/// Facts from which the value of a network becomes a wave in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionFacts {
    /// How the wave is made of the field.
    pub ansatz: Ansatz,
    /// The last time.
    pub duration: f64,
}

impl MotionFacts {
    /// Returns the wave u of a field at a time and at points.
    ///
    /// # Errors
    /// Only from candle.
    pub fn wave(&self, field: &Siren, time: f64, points: &[Point]) -> Result<Vec<f64>> {
        let events: Vec<Event> = points.iter().map(|&[x, y]| [time, x, y]).collect();
        let values = field.values(events.as_flattened())?;
        let wave = |(&event, value): (&Event, &f64)| {
            let known = self.ansatz.at(event);
            known.offset + known.factor[0] * value
        };
        Ok(events.iter().zip(&values).map(wave).collect())
    }
}

/// A fitted field of waves or of a medium, in coordinates.
#[derive(Debug)]
pub struct WaveField {
    siren: Siren,
    metadata: WaveMetadata,
}

impl WaveField {
    /// Puts a fitted field and the facts of its problem, [`Waves::metadata`](crate::Waves::metadata), together.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has other numbers of coordinates or channels than the problem.
    pub fn new(siren: Siren, metadata: WaveMetadata) -> Result<Self> {
        let expected = match &metadata {
            WaveMetadata::Shots(facts) => [2, ShotFields::new(facts.clone())?.channels()],
            WaveMetadata::Medium(_) => [2, 1],
            WaveMetadata::Motion(_) => [3, 1],
        };
        let sizes = [siren.in_features(), siren.out_features()];
        if sizes != expected {
            return Err(Error::Shape {
                what: "field of waves",
                expected: format!("{} coordinates and {} channels", expected[0], expected[1]),
                got: format!("{} and {}", sizes[0], sizes[1]),
            });
        }
        Ok(Self { siren, metadata })
    }

    /// Writes the field and its facts to a `.safetensors` file, whole or not at all.
    ///
    /// # Errors
    /// As [`Siren::save_with`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.siren.save_with(&self.metadata, path)
    }

    /// Reads what [`save`](Self::save) wrote, in the precision of the file, to the CPU.
    ///
    /// # Errors
    /// As [`Siren::open_with`] and [`new`](Self::new).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (siren, metadata) = Siren::open_with(path)?;
        Self::new(siren, metadata)
    }

    /// Returns the field, a function of coordinates.
    #[must_use]
    pub fn siren(&self) -> &Siren {
        &self.siren
    }

    /// Returns the facts of the problem.
    #[must_use]
    pub fn metadata(&self) -> &WaveMetadata {
        &self.metadata
    }

    /// Returns the complex field u of a shot at points `(n, 2)`; offsets are included, but for scattered fields in the absorbing layer, which lack
    /// the field of the background there.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if there is no such shot.
    pub fn waves(&self, shot: usize, points: &[Point]) -> Result<Vec<Complex64>> {
        let (fields, shots) = match &self.metadata {
            WaveMetadata::Shots(facts) => (Some(facts), facts.sources.len()),
            WaveMetadata::Medium(_) | WaveMetadata::Motion(_) => (None, 0),
        };
        match fields {
            Some(facts) if shot < shots => {
                let fields = ShotFields::new(facts.clone())?.values(&self.siren, points)?;
                Ok(fields[shot * points.len()..(shot + 1) * points.len()].to_vec())
            }
            _ => {
                let expected = format!("below {shots}, the number of fields of this network");
                Err(Error::invalid("--shot", shot, &expected))
            }
        }
    }

    /// Returns the medium m that the network has learned at points `(n, 2)`; `None` if it was known.
    ///
    /// # Errors
    /// Only from candle.
    pub fn medium(&self, points: &[Point]) -> Result<Option<Vec<f64>>> {
        match &self.metadata {
            WaveMetadata::Shots(facts) if facts.medium.is_none() => Ok(None),
            WaveMetadata::Shots(facts) => {
                let fields = ShotFields::new(facts.clone())?;
                Ok(Some(fields.medium(&self.siren, points)?))
            }
            WaveMetadata::Medium(facts) => Ok(Some(facts.medium(&self.siren, points)?)),
            WaveMetadata::Motion(_) => Ok(None),
        }
    }

    /// Returns the wave u of the wave equation at a time and at points `(n, 2)`; `None` for a field of another equation.
    ///
    /// # Errors
    /// Only from candle.
    pub fn wave_at(&self, time: f64, points: &[Point]) -> Result<Option<Vec<f64>>> {
        match &self.metadata {
            WaveMetadata::Motion(facts) => Ok(Some(facts.wave(&self.siren, time, points)?)),
            WaveMetadata::Shots(_) | WaveMetadata::Medium(_) => Ok(None),
        }
    }
}
