//! The Helmholtz equation at the authors' settings: points, source and absorbing layer of the cases. `peers/cases.py` and
//! `peers/helmholtz.py` hold the same formulas.

use candle_core::{DType, Device, Tensor};
use siren_core::objective::Constraint;
use siren_core::signal::Sample;
use siren_wave::Point;
use siren_wave::objective::{Helmholtz, MEDIUM, OFFSET, REMAINDER, Region, ResidualNorm, STRETCH};
use siren_wave::pml::Pml;
use siren_wave::source::PointSource;

use crate::case::{Case, Kind};
use crate::inputs::{VOLUME, uniform};

/// The authors' wavenumber.
const WAVENUMBER: f64 = 20.0;
/// The authors' absorbing layer.
const PML: Pml = Pml {
    width: 0.5,
    strength: 5.0,
};
/// One of so many points of the interior is moved towards the source, ten times as close.
const NEAR_SOURCE: usize = 64;
/// Divisor of the weight of points in the source, which is that of the other points times their number (the authors').
const SOURCE_DIVISOR: f64 = 1e3;

/// Returns how many of a number of points lie in the interior: its share of the area is (1 − L)² = ¼.
pub fn interior_points(points: usize) -> usize {
    points / 4
}

/// Points of a case, by the equation that holds there.
struct Points {
    /// Outside the layer and the source.
    interior: Vec<Point>,
    source: Vec<Point>,
    layer: Vec<Point>,
}

impl Points {
    fn new(case: &Case, at: &PointSource) -> Self {
        let interior = interior_points(case.points);
        let pair = |index: usize| {
            let first = VOLUME + 2 * index as u64;
            [uniform(first), uniform(first + 1)]
        };
        let (source, interior) = (0..interior)
            .map(|index| {
                let closer = if index % NEAR_SOURCE == 0 { 0.1 } else { 1.0 };
                pair(index).map(|x| PML.inner() * closer * x)
            })
            .partition(|&point| at.value(point).norm() > 0.0);
        let count = interior_points(case.points);
        let layer = (count..case.points).map(|index| in_layer(index, pair(index)));
        Self {
            interior,
            source,
            layer: layer.collect(),
        }
    }
}

/// Returns a point of one of the four rectangles around the interior, given two numbers in [−1, 1).
fn in_layer(index: usize, [u, v]: Point) -> Point {
    let along = (1.0 + PML.inner()) * (u + 1.0) / 2.0 - 1.0;
    let depth = PML.inner() + PML.width * (v + 1.0) / 2.0;
    match index % 4 {
        0 => [along, depth],
        1 => [depth, -along],
        2 => [-along, -depth],
        _ => [-depth, along],
    }
}

/// Returns the equation in the interior, in the source and in the layer. As in a fit, the columns of the sample are computed in every step.
///
/// Their sum is the authors' sum of absolute values per point, or for [`Kind::GaussNewton`] that of squares.
pub fn constraints(case: &Case, device: &Device) -> Vec<Constraint> {
    let source = PointSource::at([0.0, 0.0]);
    let points = Points::new(case, &source);
    let total = case.points as f64;
    let (norm, scale) = match case.kind {
        Kind::GaussNewton => (ResidualNorm::Mse, WAVENUMBER.powi(2)),
        _ => (ResidualNorm::L1, 1.0),
    };
    let constraint = |name, region, points: Vec<Point>| {
        let share = points.len() as f64 / total;
        let law = Helmholtz::new(name, region, WAVENUMBER, scale, norm);
        let columns = Columns {
            points,
            region,
            source,
            dtype: case.precision.dtype(),
            device: device.clone(),
        };
        let sampler = move |_| columns.sample();
        Constraint::new(name, sampler, law).weighted(share)
    };
    let at_source = points.source.len() as f64 / SOURCE_DIVISOR;
    vec![
        constraint("interior", Region::Interior, points.interior),
        constraint("source", Region::Interior, points.source).weighted(at_source),
        constraint("layer", Region::Layer, points.layer),
    ]
}

/// Makes the sample of one constraint in every step.
struct Columns {
    points: Vec<Point>,
    region: Region,
    source: PointSource,
    dtype: DType,
    device: Device,
}

impl Columns {
    fn sample(&self) -> siren_core::Result<Sample> {
        let remainder = |&point: &Point| {
            let value = -self.source.value(point);
            [value.re, value.im]
        };
        let remainder: Vec<[f64; 2]> = self.points.iter().map(remainder).collect();
        let medium = vec![[1.0]; self.points.len()];
        let offset = vec![[0.0; 2]; self.points.len()];
        let sample = Sample::new(self.tensor(&self.points)?)?
            .with_column(MEDIUM, self.tensor(&medium)?)?
            .with_column(OFFSET, self.tensor(&offset)?)?
            .with_column(REMAINDER, self.tensor(&remainder)?)?;
        if self.region == Region::Interior {
            return Ok(sample);
        }
        let stretch: Vec<[f64; 10]> = self.points.iter().map(|&point| stretch(point)).collect();
        sample.with_column(STRETCH, self.tensor(&stretch)?)
    }

    /// Returns rows as a tensor.
    fn tensor<const K: usize>(&self, rows: &[[f64; K]]) -> siren_core::Result<Tensor> {
        let shape = (rows.len(), K);
        let tensor = if self.dtype == DType::F32 {
            let values = rows.as_flattened().iter().map(|&x| x as f32);
            Tensor::from_vec(values.collect::<Vec<f32>>(), shape, &self.device)?
        } else {
            Tensor::from_slice(rows.as_flattened(), shape, &self.device)?
        };
        Ok(tensor)
    }
}

/// Returns a row of the column [`STRETCH`].
fn stretch(point: Point) -> [f64; 10] {
    let at = PML.at(point);
    let [a, b] = at.second;
    let [a_x, b_y] = at.first;
    let c = at.zeroth;
    [
        a.re, a.im, b.re, b.im, a_x.re, a_x.im, b_y.re, b_y.im, c.re, c.im,
    ]
}
