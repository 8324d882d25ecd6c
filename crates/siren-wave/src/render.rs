//! Files of a fitted field: pictures, and values on a grid.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use siren_core::field::Siren;
use siren_core::file::{ArrayElement, ArrayHeader, PartialFile, has_extension};
use siren_core::{Error, Result};

use crate::WaveField;
use crate::artifacts::velocities;
use crate::draw::{self, Landmarks, SquareGrid};
use crate::field::{MotionFacts, WaveMetadata};
use crate::scores::grid;

/// Fewest and most points along each side.
const SIDES: std::ops::RangeInclusive<usize> = 2..=8192;

/// Settings of a file of a fitted field.
#[derive(Clone, Copy, Debug)]
pub struct WaveRendering {
    /// Number of points along each side of [−1, 1]².
    pub side: usize,
    /// The shot whose waves are drawn, from 0. Default: 0.
    pub shot: Option<usize>,
    /// The time at which a wave of the wave equation is drawn. Default: the last one of the fit.
    pub time: Option<f64>,
    /// What is drawn.
    pub quantity: WaveQuantity,
}

/// A quantity of a fitted field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaveQuantity {
    /// The waves.
    Waves,
    /// The medium: its velocity in a picture, its squared slowness in an array.
    Medium,
}

impl WaveRendering {
    /// Writes a picture (`.png`) or an array (`.npy`: float64, row by row from y = −1; waves of one frequency have a last axis of real and imaginary
    /// part).
    ///
    /// # Errors
    /// For another extension, settings out of range, or a quantity that the field does not have; [`Error::Io`].
    pub fn write(&self, field: &WaveField, path: &Path) -> Result<()> {
        if !SIDES.contains(&self.side) {
            let expected = format!("{} to {} points", SIDES.start(), SIDES.end());
            return Err(Error::invalid("--side", self.side, &expected));
        }
        let is_array = has_extension(path, &["npy"]);
        if !is_array && !has_extension(path, &["png"]) {
            let expected = "a name that ends in .png (picture) or .npy (values on a grid)";
            return Err(Error::invalid("--output", path.display(), expected));
        }
        self.check_used_by(field.metadata())?;
        let points = grid(self.side, 1.0);
        if self.quantity == WaveQuantity::Medium {
            let Some(medium) = field.medium(&points)? else {
                let expected = "`waves`: the medium of this run was known";
                return Err(Error::invalid("--quantity", "medium", expected));
            };
            if is_array {
                return write_array(&medium, &[self.side, self.side], path);
            }
            let range = velocities(&medium);
            let medium = [SquareGrid::new(&medium, self.side)?];
            return draw::media(&medium, range, &Landmarks::default(), path);
        }
        if let WaveMetadata::Medium(_) = field.metadata() {
            let expected = "`medium`: the waves of this run were computed by finite differences";
            return Err(Error::invalid("--quantity", "waves", expected));
        }
        if let WaveMetadata::Motion(facts) = field.metadata() {
            return self.write_motion(facts, field.siren(), path);
        }
        let waves = field.waves(self.shot.unwrap_or(0), &points)?;
        if is_array {
            let values: Vec<f64> = waves.iter().flat_map(|u| [u.re, u.im]).collect();
            return write_array(&values, &[self.side, self.side, 2], path);
        }
        let inner = match field.metadata() {
            WaveMetadata::Shots(facts) => Some(facts.pml.inner()),
            WaveMetadata::Medium(_) | WaveMetadata::Motion(_) => None,
        };
        let landmarks = Landmarks {
            inner,
            ..Landmarks::default()
        };
        let waves = SquareGrid::new(&waves, self.side)?;
        draw::complex_field(waves, &landmarks, path)?;
        Ok(())
    }
}

impl WaveRendering {
    /// Checks that no setting is given that the rendering would ignore.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with its option.
    fn check_used_by(&self, metadata: &WaveMetadata) -> Result<()> {
        let is_of_waves = self.quantity == WaveQuantity::Waves;
        let has_shots = is_of_waves && !matches!(metadata, WaveMetadata::Motion(_));
        if let Some(shot) = self.shot.filter(|_| !has_shots) {
            let expected = "nothing: only waves of one frequency have shots";
            return Err(Error::invalid("--shot", shot, expected));
        }
        let has_times = is_of_waves && matches!(metadata, WaveMetadata::Motion(_));
        if let Some(time) = self.time.filter(|_| !has_times) {
            let expected = "nothing: only waves of the wave equation have times";
            return Err(Error::invalid("--time", time, expected));
        }
        Ok(())
    }

    /// Writes a wave of the wave equation at one time.
    fn write_motion(&self, facts: &MotionFacts, field: &Siren, path: &Path) -> Result<()> {
        let time = self.time.unwrap_or(facts.duration);
        if !(0.0..=facts.duration).contains(&time) {
            let expected = format!("0 to {}, the times of the fit", facts.duration);
            return Err(Error::invalid("--time", time, &expected));
        }
        let wave = facts.wave(field, time, &grid(self.side, 1.0))?;
        if has_extension(path, &["npy"]) {
            return write_array(&wave, &[self.side, self.side], path);
        }
        draw::wave_picture(SquareGrid::new(&wave, self.side)?, path)
    }
}

/// Writes an array of float64.
fn write_array(values: &[f64], shape: &[usize], path: &Path) -> Result<()> {
    let (partial, file) = PartialFile::create(path)?;
    let mut writer = BufWriter::new(file);
    let written = ArrayHeader::c_order(shape, ArrayElement::FLOAT64)
        .write(&mut writer)
        .and_then(|()| {
            for value in values {
                writer.write_all(&value.to_le_bytes())?;
            }
            writer.flush()
        });
    written.map_err(|error| partial.write_error(error))?;
    drop(writer);
    partial.keep()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::SlownessFacts;
    use crate::objective::SlownessMap;
    use crate::wave::Ansatz;

    #[test]
    fn a_shot_or_a_time_that_a_field_does_not_have_is_refused() {
        let motion = WaveMetadata::Motion(MotionFacts {
            ansatz: Ansatz::Field,
            duration: 0.4,
        });
        let medium = WaveMetadata::Medium(SlownessFacts {
            half_width: 0.3,
            map: SlownessMap::Clamp,
        });
        let plain = |quantity| WaveRendering {
            side: 9,
            shot: None,
            time: None,
            quantity,
        };
        let time = |quantity| WaveRendering {
            time: Some(0.2),
            ..plain(quantity)
        };
        let shot = |quantity| WaveRendering {
            shot: Some(0),
            ..plain(quantity)
        };
        let (waves, found) = (WaveQuantity::Waves, WaveQuantity::Medium);
        time(waves).check_used_by(&motion).unwrap();
        plain(found).check_used_by(&medium).unwrap();
        for (rendering, metadata, option) in [
            (shot(waves), &motion, "`--shot` is 0"),
            (shot(found), &medium, "`--shot` is 0"),
            (time(found), &medium, "`--time` is 0.2"),
            (time(waves), &medium, "`--time` is 0.2"),
        ] {
            let message = rendering.check_used_by(metadata).unwrap_err().to_string();
            assert!(message.contains(option), "{message}");
        }
    }
}
