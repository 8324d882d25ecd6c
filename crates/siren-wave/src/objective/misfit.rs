//! Full waveform inversion by a field: the misfit of a finite-difference solver, as a functional of its medium.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use siren_core::field::{Order, Siren};
use siren_core::objective::{Constraint, FieldValues, Functional, FunctionalTerm};
use siren_core::signal::{Sample, WholeSampler};
use siren_core::{Error, Result};

use crate::reference::adjoint::Misfit;

/// Least squared slowness that an inversion finds (the authors' bound).
pub const LEAST_SQUARED_SLOWNESS: f64 = 0.001;

/// How a value `v` of the field becomes a squared slowness `m`: 0 is the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlownessMap {
    /// `m = max(eᵛ, 0.001)`: smooth, and positive without a bound in practice.
    #[default]
    Exponential,
    /// `m = max(1 + v, 0.001)` (the authors'). The gradient is zero where the bound holds.
    Clamp,
}

impl SlownessMap {
    /// Returns the squared slowness of a value.
    #[must_use]
    pub fn squared_slowness(self, value: f64) -> f64 {
        self.unbounded(value).max(LEAST_SQUARED_SLOWNESS)
    }

    fn unbounded(self, value: f64) -> f64 {
        match self {
            Self::Exponential => value.exp(),
            Self::Clamp => 1.0 + value,
        }
    }

    /// Returns `dm/dv`.
    fn derivative(self, value: f64) -> f64 {
        match self {
            _ if self.unbounded(value) <= LEAST_SQUARED_SLOWNESS => 0.0,
            Self::Exponential => value.exp(),
            Self::Clamp => 1.0,
        }
    }
}

/// The data misfit of full waveform inversion as a functional of a field with two coordinates and one channel, which gives the squared
/// slowness at the nodes of the finite-difference grid with |x|, |y| up to a half width. It is 1 at the other nodes.
///
/// Its one term `misfit` is that of [`Misfit`], `J = ½ Σ |P uₛ − dₛ|² / Σ |dₛ|²`, whose adjoint states give the gradient
/// `dJ/dv = dJ/dm · dm/dv`. An evaluation factorizes one matrix, so the solver takes nearly all of the time of a step.
///
/// There is no regularization but the frequencies of the field and the number of steps. The authors' data suit ω₀ from 12 to 15 in all layers and
/// some 100 steps of L-BFGS: the relative error of the medium is then 0.35, beside 0.44 of a grid. Adam leaves 0.5 to 0.8 at the same misfit.
#[derive(Debug)]
pub struct MediumMisfit {
    misfit: Misfit,
    /// Indices of the nodes where the medium varies, ascending.
    nodes: Vec<usize>,
    map: SlownessMap,
}

impl MediumMisfit {
    /// Makes the functional of a misfit. The square in which the medium varies should enclose what the receivers surround, and no more.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if `half_width` is not in (0, 1).
    pub fn new(misfit: Misfit, half_width: f64, map: SlownessMap) -> Result<Self> {
        let grid = misfit.grid();
        let varies = |&index: &usize| {
            let [x, y] = grid.point(index);
            x.abs().max(y.abs()) <= half_width
        };
        let nodes: Vec<usize> = (0..grid.points()).filter(varies).collect();
        if !(half_width > 0.0 && half_width < 1.0) || nodes.is_empty() {
            let expected = format!(
                "a number from {}, the spacing of the grid, to below 1",
                grid.spacing()
            );
            return Err(Error::invalid("half_width", half_width, &expected));
        }
        Ok(Self { misfit, nodes, map })
    }

    /// Returns the misfit as a function of the grid.
    #[must_use]
    pub fn misfit(&self) -> &Misfit {
        &self.misfit
    }

    /// Returns the constraint of a field of the given type and device.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn constraint(self: &Arc<Self>, dtype: DType, device: &Device) -> Result<Constraint> {
        let sampler = WholeSampler::new(self.sample(dtype, device)?);
        let shared = Arc::clone(self);
        let functional = move |at: &FieldValues<'_>| shared.evaluate(at);
        Ok(Constraint::functional("misfit", sampler, functional))
    }

    /// Returns the squared slowness of a field at all nodes of the grid, `(side²,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a field of other numbers of coordinates or channels.
    pub fn squared_slowness(&self, field: &Siren) -> Result<Vec<f64>> {
        let parameters = field.parameters();
        let sample = self.sample(parameters.dtype(), parameters.device())?;
        let values = field.evaluate(sample.coords(), &Order::Value)?.value()?;
        Ok(self.medium(&self.read(&values)?))
    }

    /// Returns the coordinates `(n, 2)` of the nodes where the medium varies.
    fn sample(&self, dtype: DType, device: &Device) -> Result<Sample> {
        let grid = self.misfit.grid();
        let coords: Vec<f64> = self.nodes.iter().flat_map(|&at| grid.point(at)).collect();
        let coords = Tensor::from_vec(coords, (self.nodes.len(), 2), &Device::Cpu)?;
        Sample::new(coords.to_dtype(dtype)?.to_device(device)?)
    }

    /// Returns the values `(n, 1)` of a field in double precision.
    fn read(&self, values: &Tensor) -> Result<Vec<f64>> {
        let expected = [self.nodes.len(), 1];
        if values.dims() != expected {
            return Err(Error::Shape {
                what: "values of the medium",
                expected: format!("{expected:?}, one channel at each node"),
                got: format!("{:?}", values.dims()),
            });
        }
        let values = values.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        Ok(values.flatten_all()?.to_vec1()?)
    }

    /// Returns the squared slowness at all nodes.
    fn medium(&self, values: &[f64]) -> Vec<f64> {
        let mut medium = vec![1.0; self.misfit.grid().points()];
        for (&node, &value) in self.nodes.iter().zip(values) {
            medium[node] = self.map.squared_slowness(value);
        }
        medium
    }
}

impl Functional for MediumMisfit {
    fn evaluate(&self, at: &FieldValues<'_>) -> Result<Vec<FunctionalTerm>> {
        let values = self.read(at.values)?;
        let found = match self.misfit.evaluate(&self.medium(&values)) {
            // The data is finite, so it is the medium of a step too long: line searches take a shorter one.
            Err(Error::NotFinite { .. }) => {
                return Err(Error::Diverged {
                    step: at.step,
                    what: "the medium or a field in it".to_owned(),
                });
            }
            found => found?,
        };
        let slopes = self.nodes.iter().zip(&values);
        let slopes = slopes.map(|(&node, &v)| found.gradient[node] * self.map.derivative(v));
        let gradient = Tensor::from_iter(slopes, &Device::Cpu)?.unsqueeze(1)?;
        Ok(vec![FunctionalTerm::new("misfit", found.misfit, gradient)])
    }
}

#[cfg(test)]
mod tests {
    use num_complex::Complex64;
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::optimizer::{LbfgsConfig, OptimizerConfig};
    use siren_core::signal::Stream;
    use siren_core::train::{Loss, TrainConfig, Trainer};

    use super::*;
    use crate::Point;
    use crate::pml::Pml;
    use crate::reference::frequency::FrequencyGrid;
    use crate::source::PointSource;

    const WAVENUMBER: f64 = 12.0;
    const RADIUS: f64 = 0.15;

    fn grid() -> FrequencyGrid {
        FrequencyGrid::new(49, WAVENUMBER, Pml::default()).unwrap()
    }

    /// A smooth disk of squared slowness ¼.
    fn disk(grid: &FrequencyGrid) -> Vec<f64> {
        let at = |index| {
            let [x, y] = grid.point(index);
            1.0 - 0.75 / (1.0 + ((x.hypot(y) - RADIUS) / 0.02).exp())
        };
        (0..grid.points()).map(at).collect()
    }

    /// Points on the border of a square.
    fn around(half_width: f64, side: u32) -> impl Iterator<Item = Point> {
        let along = move |i| half_width * (2.0 * f64::from(i) / f64::from(side) - 1.0);
        (0..side).flat_map(move |i| {
            let t = along(i);
            let h = half_width;
            [[t, -h], [h, t], [-t, h], [-h, -t]]
        })
    }

    fn functional(map: SlownessMap) -> Arc<MediumMisfit> {
        let sources: Vec<PointSource> = around(0.45, 1).map(PointSource::at).collect();
        let receivers: Vec<Point> = around(0.4, 6).collect();
        let placeholder = vec![Complex64::ONE; sources.len() * receivers.len()];
        let misfit = Misfit::new(grid(), &sources, &receivers, placeholder).unwrap();
        let data = misfit.predict(&disk(misfit.grid())).unwrap();
        let misfit = Misfit::new(grid(), &sources, &receivers, data).unwrap();
        Arc::new(MediumMisfit::new(misfit, 0.35, map).unwrap())
    }

    fn field(dtype: DType) -> Siren {
        let config = SirenConfig {
            hidden_features: 24.into(),
            hidden_layers: 1,
            first_omega_0: 10.0.into(),
            hidden_omega_0: 10.0,
            ..SirenConfig::default()
        };
        let mut rng = Stream::PARAMETERS.rng(0, 0);
        let shape = FieldShape::new(2, 1);
        config.init(shape, &mut rng, dtype, &Device::Cpu).unwrap()
    }

    fn loss(functional: &Arc<MediumMisfit>, field: Siren) -> Loss {
        let constraint = functional.constraint(DType::F64, &Device::Cpu).unwrap();
        let trainer = Trainer::new(field, &TrainConfig::default()).unwrap();
        trainer.loss_and_gradient(&[constraint]).unwrap()
    }

    #[test]
    fn the_gradient_in_the_parameters_is_that_of_central_differences_to_second_order() {
        for map in [SlownessMap::Exponential, SlownessMap::Clamp] {
            let functional = functional(map);
            let start = field(DType::F64).parameters().flat().unwrap();
            let direction = (0..start.elem_count()).map(|i| (0.7 * i as f64).cos());
            let direction = Tensor::from_iter(direction, &Device::Cpu).unwrap();
            let found = loss(&functional, field(DType::F64))
                .gradient
                .tensor()
                .unwrap();
            let slope: f64 = (found * &direction)
                .and_then(|products| products.sum_all()?.to_scalar())
                .unwrap();
            let central = |h: f64| {
                let at = |h: f64| {
                    let moved = field(DType::F64);
                    let values = (&start + (&direction * h).unwrap()).unwrap();
                    moved.parameters().set(&values).unwrap();
                    loss(&functional, moved).value
                };
                (at(h) - at(-h)) / (2.0 * h)
            };
            let [coarse, fine] = [2e-4, 1e-4].map(|h| (central(h) / slope - 1.0).abs());
            assert!(fine < 1e-2, "{map:?}, {slope}: {coarse} {fine}");
            assert!((coarse / fine / 4.0 - 1.0).abs() < 0.05, "{coarse} {fine}");
        }
    }

    #[test]
    fn a_field_finds_a_disk_from_the_waves_around_it() {
        let functional = functional(SlownessMap::default());
        let config = TrainConfig {
            steps: 60,
            optimizer: OptimizerConfig::Lbfgs(LbfgsConfig::default()),
            ..TrainConfig::default()
        };
        let mut trainer = Trainer::new(field(DType::F32), &config).unwrap();
        let constraint = functional.constraint(DType::F32, &Device::Cpu).unwrap();
        trainer.run(&[constraint]).unwrap();
        let found = functional.squared_slowness(trainer.model()).unwrap();
        let truth = disk(functional.misfit().grid());
        let distance = |a: &[f64]| {
            let squares = a.iter().zip(&truth).map(|(a, t)| (a - t) * (a - t));
            squares.sum::<f64>().sqrt()
        };
        let error = distance(&found) / distance(&vec![1.0; truth.len()]);
        let misfit = functional.misfit().evaluate(&found).unwrap();
        assert!(error < 0.5, "{error}, {}", misfit.residual_ratio);
        assert!(misfit.residual_ratio < 0.05, "{}", misfit.residual_ratio);
    }

    #[test]
    fn a_medium_is_one_outside_its_square_and_bounded_below() {
        let functional = functional(SlownessMap::Clamp);
        let medium = functional.medium(&vec![-3.0; functional.nodes.len()]);
        let grid = functional.misfit().grid();
        for (index, m) in medium.into_iter().enumerate() {
            let [x, y] = grid.point(index);
            let expected = if x.abs().max(y.abs()) <= 0.35 {
                0.001
            } else {
                1.0
            };
            assert!((m - expected).abs() < 1e-15, "{x} {y}: {m}");
        }
    }

    #[test]
    fn a_square_without_nodes_and_a_field_of_two_channels_are_refused() {
        for half_width in [0.0, 1.0, f64::NAN] {
            let misfit = Arc::into_inner(functional(SlownessMap::Clamp))
                .unwrap()
                .misfit;
            let refused = MediumMisfit::new(misfit, half_width, SlownessMap::Clamp).unwrap_err();
            assert!(refused.to_string().contains("`half_width`"), "{refused}");
        }
        let two = SirenConfig::default()
            .init_seeded(FieldShape::new(2, 2), 0)
            .unwrap();
        let refused = functional(SlownessMap::Clamp)
            .squared_slowness(&two)
            .unwrap_err();
        assert!(refused.to_string().contains("one channel"), "{refused}");
    }
}
