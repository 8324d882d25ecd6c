//! Parameters and points of a case. All engines have the same, so that the losses of their first steps can be compared: `peers/cases.py`
//! holds the same formulas.

use anyhow::Result;
use candle_core::{Device, Tensor};
use siren_core::field::Siren;
use siren_core::signal::Sample;
use siren_shape::objective::NORMALS;

use crate::case::{Case, Kind};

/// ω₀ of every case.
const OMEGA: f64 = 30.0;
/// Radius of the sphere that shape cases fit.
const RADIUS: f64 = 0.5;
/// Index of the first random number of the points in the volume, beyond those of the parameters.
pub const VOLUME: u64 = 1 << 32;

/// Returns the random number of an index, uniform in [−1, 1): `SplitMix64` with the seed 0.
pub fn uniform(index: u64) -> f64 {
    let mut bits = (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Replaces the parameters of a field by random numbers with the bounds of the paper.
pub fn initialize(field: &Siren, case: &Case) -> Result<()> {
    let parameters = field.parameters();
    let mut flat = Vec::with_capacity(parameters.len());
    for (index, entry) in parameters.layout().entries().iter().enumerate() {
        // Weight and bias of a layer follow each other.
        let is_first = index < 2;
        let fan_in = if is_first {
            case.in_features
        } else {
            case.width
        } as f64;
        let bound = match (entry.shape.len(), is_first) {
            (1, _) => 1.0 / fan_in.sqrt(),
            (_, true) => 1.0 / fan_in,
            (_, false) => (6.0 / fan_in).sqrt() / OMEGA,
        };
        let range = entry.range.start as u64..entry.range.end as u64;
        flat.extend(range.map(|element| (bound * uniform(element)) as f32));
    }
    let count = flat.len();
    let flat = Tensor::from_vec(flat, count, parameters.device())?;
    Ok(parameters.set(&flat.to_dtype(parameters.dtype())?)?)
}

/// Returns coordinates `(points, dims)` on a grid, the last axis fastest, and the targets of the case, `(points, components)`. Both have a
/// leading dimension `fields` for [`Kind::Batched`].
pub fn grid(case: &Case, device: &Device) -> Result<(Tensor, Tensor)> {
    let (points, dims) = (case.points * case.fields, case.in_features);
    let side = (case.points as f64).powf(1.0 / dims as f64).round() as usize;
    let extent = f64::from(case.extent);
    let axis = |index: usize| (2.0 * index as f64 / (side - 1) as f64 - 1.0) * extent;
    let coords = (0..points).flat_map(|point| {
        let point = point % case.points;
        let strides = (0..dims).rev().map(move |d| side.pow(d as u32));
        strides.map(move |stride| axis(point / stride % side) as f32)
    });
    let coords = Tensor::from_iter(coords, device)?;
    let per_point = match case.kind {
        Kind::Gradient => case.out_features * dims,
        Kind::Hessian => case.out_features * dims * (dims + 1) / 2,
        _ => case.out_features,
    };
    let targets = (0..points * per_point).map(|i| (i as f64 * 0.001).sin() as f32);
    let targets = Tensor::from_iter(targets, device)?;
    if case.kind == Kind::Batched {
        return Ok((
            coords.reshape((case.fields, case.points, dims))?,
            targets.reshape((case.fields, case.points, per_point))?,
        ));
    }
    Ok((
        coords.reshape((points, dims))?,
        targets.reshape((points, per_point))?,
    ))
}

/// Points of a shape case, half of them on a sphere and half in the cube around it.
pub struct ShapeSamples {
    /// With normals.
    pub surface: Sample,
    pub volume: Sample,
}

/// Returns the points of a shape case: a spiral on the sphere, and random points in the volume.
pub fn shape(case: &Case, device: &Device) -> Result<ShapeSamples> {
    let count = case.points / 2;
    let turn = std::f64::consts::PI * (3.0 - 5.0_f64.sqrt());
    let normals: Vec<f64> = (0..count)
        .flat_map(|point| {
            let z = 1.0 - (2 * point + 1) as f64 / count as f64;
            let (sin, cos) = (turn * point as f64).sin_cos();
            let radius = (1.0 - z * z).sqrt();
            [radius * cos, radius * sin, z]
        })
        .collect();
    let rows = |numbers: &mut dyn Iterator<Item = f64>| -> Result<Tensor> {
        let numbers: Vec<f32> = numbers.map(|x| x as f32).collect();
        Ok(Tensor::from_vec(numbers, (count, 3), device)?)
    };
    let on_sphere = rows(&mut normals.iter().map(|x| RADIUS * x))?;
    let in_volume = rows(&mut (0..3 * count as u64).map(|index| uniform(VOLUME + index)))?;
    let normals = rows(&mut normals.into_iter())?;
    Ok(ShapeSamples {
        surface: Sample::new(on_sphere)?.with_column(NORMALS, normals)?,
        volume: Sample::new(in_volume)?,
    })
}
