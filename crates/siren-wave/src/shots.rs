//! Fields of the Helmholtz equation as functions of space: network and offset together, and the medium that a network has learned.

use num_complex::Complex64;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use siren_core::Result;
use siren_core::field::Siren;
use siren_core::signal::Sample;

use crate::Point;
use crate::checks;
use crate::config::UnknownMedium;
use crate::objective::{
    LEAST_SQUARED_SLOWNESS, OFFSET, REMAINDER, STRETCH, SlownessMap, stretches,
};
use crate::offset::{Formulation, Offset, OffsetValue};
use crate::pml::Pml;
use crate::signal::Placement;
use crate::source::PointSource;

/// Fewest points at which a thread computes offsets or media.
pub(crate) const POINTS_PER_TASK: usize = 64;

/// Facts from which the channels of a network become fields of shots, and a medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShotFacts {
    /// Wavenumber k of the background, in coordinates.
    pub wavenumber: f64,
    /// Variance of the sources.
    pub source_variance: f64,
    /// Position of the source of each shot.
    pub sources: Vec<Point>,
    /// What the channels represent.
    pub formulation: Formulation,
    /// The absorbing layer.
    pub pml: Pml,
    /// The unknown medium, for the inverse problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<MediumFacts>,
}

/// Facts from which a network becomes a medium.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumFacts {
    /// Half the side of the square outside of which m = 1.
    pub half_width: f64,
    /// Where the medium comes from.
    pub unknown: UnknownMedium,
}

impl ShotFacts {
    /// Returns remarks for the user on what is hard to learn for a first layer of sines of frequency ω₀; `max_squared_slowness` is the largest m.
    /// The source itself is to be learned in the total formulation alone.
    pub(crate) fn frequency_notes(
        &self,
        max_squared_slowness: f64,
        first_omega_0: f64,
    ) -> Vec<String> {
        let waves = checks::wavenumber_note(self.wavenumber, max_squared_slowness, first_omega_0);
        let source = match self.formulation {
            Formulation::Total => checks::source_width_note(self.source_variance, first_omega_0),
            Formulation::NearField | Formulation::Scattered => None,
        };
        waves.into_iter().chain(source).collect()
    }
}

impl MediumFacts {
    /// Returns whether the medium is unknown at a point.
    #[must_use]
    pub fn contains(&self, [x, y]: Point) -> bool {
        x.abs().max(y.abs()) <= self.half_width
    }
}

/// The fields of the shots of a network: channels `2s, 2s + 1`, and offsets.
#[derive(Clone, Debug)]
pub(crate) struct ShotFields {
    facts: ShotFacts,
    offsets: Vec<Offset>,
}

impl ShotFields {
    /// Makes the fields from their facts.
    ///
    /// # Errors
    /// As [`Offset::new`].
    pub(crate) fn new(facts: ShotFacts) -> Result<Self> {
        let (k, inner) = (facts.wavenumber, facts.pml.inner());
        let offset = |&position: &Point| {
            let source = PointSource {
                variance: facts.source_variance,
                ..PointSource::at(position)
            };
            Offset::new(facts.formulation, source, k, inner)
        };
        Ok(Self {
            offsets: facts.sources.iter().map(offset).collect::<Result<_>>()?,
            facts,
        })
    }

    /// Returns the facts.
    pub(crate) fn facts(&self) -> &ShotFacts {
        &self.facts
    }

    /// Returns the offset of each shot.
    pub(crate) fn offsets(&self) -> &[Offset] {
        &self.offsets
    }

    /// Returns the number of channels of the network.
    pub(crate) fn channels(&self) -> usize {
        let is_channel = |facts: &MediumFacts| facts.unknown == UnknownMedium::Channel;
        2 * self.offsets.len() + usize::from(self.facts.medium.as_ref().is_some_and(is_channel))
    }

    /// Returns the sample of points outside the absorbing layer: the columns [`OFFSET`] and [`REMAINDER`] `(n, 2 S)`.
    pub(crate) fn interior(&self, points: &[Point], place: &Placement) -> Result<Sample> {
        let known: Vec<OffsetValue> = points
            .par_iter()
            .with_min_len(POINTS_PER_TASK)
            .flat_map_iter(|&point| self.offsets.iter().map(move |offset| offset.at(point)))
            .collect();
        let column = |part: fn(&OffsetValue) -> Complex64| {
            let parts = known.iter().map(part).flat_map(|u| [u.re, u.im]);
            place.rows(&parts.collect::<Vec<f64>>(), 2 * self.offsets.len())
        };
        Sample::new(place.tensor(points)?)?
            .with_column(OFFSET, column(|known| known.value)?)?
            .with_column(REMAINDER, column(|known| known.remainder)?)
    }

    /// Returns the sample of points of the absorbing layer, where offsets are zero: the columns [`OFFSET`] and [`REMAINDER`] `(n, 2 S)`, and
    /// [`STRETCH`].
    pub(crate) fn layer(&self, points: &[Point], place: &Placement) -> Result<Sample> {
        let width = 2 * self.offsets.len();
        let none = place.rows(&vec![0.0; points.len() * width], width)?;
        let stretch = place.tensor(&stretches(&self.facts.pml, points))?;
        Sample::new(place.tensor(points)?)?
            .with_column(OFFSET, none.clone())?
            .with_column(REMAINDER, none)?
            .with_column(STRETCH, stretch)
    }

    /// Returns the fields at points, index `shot · n + point`.
    ///
    /// In the absorbing layer, scattered fields lack the field of the background.
    pub(crate) fn values(&self, field: &Siren, points: &[Point]) -> Result<Vec<Complex64>> {
        self.values_with(field, points, &self.offset_values(points))
    }

    /// Returns the offsets at points, index `shot · n + point`; zero in the absorbing layer.
    pub(crate) fn offset_values(&self, points: &[Point]) -> Vec<Complex64> {
        let points = points.par_iter().with_min_len(POINTS_PER_TASK);
        let of_shot = |offset: &Offset| -> Vec<Complex64> {
            let at = |&point: &Point| {
                if self.facts.pml.contains(point) {
                    Complex64::ZERO
                } else {
                    offset.at(point).value
                }
            };
            points.clone().map(at).collect()
        };
        self.offsets.iter().flat_map(of_shot).collect()
    }

    /// Returns the [`values`](Self::values) at points whose [`offset_values`](Self::offset_values) are known.
    pub(crate) fn values_with(
        &self,
        field: &Siren,
        points: &[Point],
        offsets: &[Complex64],
    ) -> Result<Vec<Complex64>> {
        let values = field.values(points.as_flattened())?;
        let rows = values.chunks(field.out_features());
        let of_shot = |shot| rows.clone().map(move |row| channel(row, shot));
        let channels = (0..self.offsets.len()).flat_map(of_shot);
        Ok(channels
            .zip(offsets)
            .map(|(own, offset)| own + offset)
            .collect())
    }

    /// Returns the medium m at points outside the absorbing layer; 1 without an unknown one.
    pub(crate) fn medium(&self, field: &Siren, points: &[Point]) -> Result<Vec<f64>> {
        let Some(facts) = &self.facts.medium else {
            return Ok(vec![1.0; points.len()]);
        };
        let values = match facts.unknown {
            UnknownMedium::Channel => {
                let values = field.values(points.as_flattened())?;
                let last = values
                    .chunks(field.out_features())
                    .map(|row| row[2 * self.offsets.len()]);
                last.map(|v| SlownessMap::Clamp.squared_slowness(v))
                    .collect()
            }
            UnknownMedium::ClosedForm => self.closed_form(field, points)?,
        };
        let at = |(&point, m): (&Point, f64)| if facts.contains(point) { m } else { 1.0 };
        Ok(points.iter().zip(values).map(at).collect())
    }

    /// Returns the medium at which the residuals of all shots have the least squares.
    fn closed_form(&self, field: &Siren, points: &[Point]) -> Result<Vec<f64>> {
        let fields = field.values(points.as_flattened())?;
        let laplacians = field.laplacians(points.as_flattened())?;
        let width = field.out_features();
        let rows = fields.par_chunks(width).zip(laplacians.par_chunks(width));
        let best = |((fields, laplacians), &point): ((&[f64], &[f64]), &Point)| {
            let (mut product, mut squares) = (0.0, f64::EPSILON);
            for (shot, offset) in self.offsets.iter().enumerate() {
                let at = offset.at(point);
                let waves = self.facts.wavenumber.powi(2) * (channel(fields, shot) + at.value);
                let rest = channel(laplacians, shot) + at.remainder;
                product += (waves.conj() * rest).re;
                squares += waves.norm_sqr();
            }
            (-product / squares).max(LEAST_SQUARED_SLOWNESS)
        };
        let rows = rows.zip(points).with_min_len(POINTS_PER_TASK);
        Ok(rows.map(best).collect())
    }
}

/// Returns the value of a shot in a row of channels.
fn channel(row: &[f64], shot: usize) -> Complex64 {
    Complex64::new(row[2 * shot], row[2 * shot + 1])
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::objective::{Coefficients, Context, Objective};
    use siren_core::signal::Stream;

    use super::*;
    use crate::config::ShotChoice;
    use crate::objective::{InverseHelmholtz, Region, ResidualNorm, UNKNOWN};

    const WAVENUMBER: f64 = 20.0;
    const POINTS: [Point; 5] = [
        [0.1, 0.05],
        [-0.2, 0.3],
        [0.0, -0.1],
        [0.25, 0.2],
        [-0.05, 0.12],
    ];

    fn fields(unknown: UnknownMedium) -> ShotFields {
        let facts = ShotFacts {
            wavenumber: WAVENUMBER,
            source_variance: 1e-4,
            sources: vec![[-0.5, -0.5], [0.4, -0.5]],
            formulation: Formulation::Scattered,
            pml: Pml::default(),
            medium: Some(MediumFacts {
                half_width: 0.35,
                unknown,
            }),
        };
        ShotFields::new(facts).unwrap()
    }

    fn network(channels: usize) -> Siren {
        let config = SirenConfig {
            hidden_features: 16.into(),
            hidden_layers: 1,
            first_omega_0: 15.0.into(),
            hidden_omega_0: 5.0,
            ..SirenConfig::default()
        };
        let mut rng = Stream::PARAMETERS.rng(5, 0);
        let shape = FieldShape::new(2, channels);
        config
            .init(shape, &mut rng, DType::F64, &Device::Cpu)
            .unwrap()
    }

    /// Returns the residuals `(n, 2 S)` of the equation, row by row.
    fn residuals(field: &Siren, sample: &Sample, unknown: UnknownMedium) -> Vec<f64> {
        let law = InverseHelmholtz {
            name: "equation",
            order: Region::Interior.order(),
            wavenumber: WAVENUMBER,
            scale: 1.0,
            norm: ResidualNorm::Mse,
            unknown,
            shots: ShotChoice::All,
            forward_steps: 0,
        };
        let context = Context {
            jet: &field.evaluate(sample.coords(), law.order()).unwrap(),
            sample,
            step: 0,
            progress: 0.0,
            coefficients: &Coefficients::default(),
        };
        let term = law.terms(&context).unwrap().remove(0);
        let values = term.residuals.unwrap().flatten_all().unwrap();
        values.to_vec1().unwrap()
    }

    /// The residual of a medium m is that of the background plus `(m − 1) k² u`.
    #[test]
    fn the_medium_that_is_scored_is_the_one_in_the_residuals() {
        let place = Placement {
            dtype: DType::F64,
            device: Device::Cpu,
        };
        for unknown in [UnknownMedium::ClosedForm, UnknownMedium::Channel] {
            let fields = fields(unknown);
            let field = network(fields.channels());
            let background = fields.interior(&POINTS, &place).unwrap();
            let column = place.rows(&[1.0; POINTS.len()], 1).unwrap();
            let inside = background.clone().with_column(UNKNOWN, column).unwrap();
            let with_medium = residuals(&field, &inside, unknown);
            let without = residuals(&field, &background, unknown);
            let waves = fields.values(&field, &POINTS).unwrap();
            let scored = fields.medium(&field, &POINTS).unwrap();
            for (point, &m) in scored.iter().enumerate() {
                let (mut product, mut squares) = (0.0, 0.0);
                for shot in 0..2 {
                    let u = WAVENUMBER.powi(2) * waves[shot * POINTS.len() + point];
                    let at = 4 * point + 2 * shot;
                    product += u.re * (with_medium[at] - without[at]);
                    product += u.im * (with_medium[at + 1] - without[at + 1]);
                    squares += u.norm_sqr();
                }
                let expected = 1.0 + product / squares;
                assert!((m - expected).abs() < 1e-9, "{unknown:?} {m} {expected}");
            }
            let is_free = |m: &&f64| **m > LEAST_SQUARED_SLOWNESS && (**m - 1.0).abs() > 1e-6;
            let free = scored.iter().filter(is_free).count();
            assert!(free >= 2, "{unknown:?} {scored:?}");
        }
    }
}
