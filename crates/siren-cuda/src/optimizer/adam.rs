//! Adam and AdamW.

use std::ops::Range;

use super::{check_parameters, check_ranges};
use crate::arguments::{AdamRange, AdamUpdate};
use crate::array::DeviceArray;
use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::gradient::{Gradient, check_length};
use crate::kernels::{PtxFile, THREADS};

/// Constants of one step `t` of Adam:
///
/// ```text
/// g ← factor · g + decay · θ
/// m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
/// θ ← rest · θ − rate · m / (√v · inverse_root + ε)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Factor of the gradient.
    pub factor: f64,
    /// β₁ and β₂, the decay rates of the two moments.
    pub betas: [f64; 2],
    /// `1 / √(1 − β₂ᵗ)`.
    pub inverse_root: f64,
    /// ε, added to the denominator.
    pub epsilon: f64,
    /// `η / (1 − β₁ᵗ)`.
    pub rate: f64,
    /// Weight decay λ where it is added to the gradient, otherwise 0.
    pub decay: f64,
    /// `1 − η λ` where weight decay is decoupled from the gradient, otherwise 1.
    pub rest: f64,
}

/// The moments of a group of parameters on a device.
pub struct AdamMoments {
    device: Device,
    ranges: Buffer<AdamRange>,
    /// Number of elements of the largest range.
    largest: usize,
    /// Number of parameters that the ranges need.
    needed: usize,
    /// m and v `(G,)`.
    moments: [Buffer<f32>; 2],
}

impl AdamMoments {
    /// Uploads the moments m and v, `(G,)` each, of a group of `G` parameters: disjoint, ascending ranges of the flat parameters.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the ranges overlap or descend, or if a moment has not `G` elements;
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(device: &Device, ranges: &[Range<usize>], moments: [&[f32]; 2]) -> Result<Self> {
        let needed = check_ranges(ranges.iter().cloned())?;
        let mut count = 0;
        let place = |range: &Range<usize>| {
            let moment = count;
            count += range.len();
            AdamRange {
                parameter: range.start as i64,
                moment: moment as i64,
                length: range.len() as i64,
            }
        };
        let table: Vec<AdamRange> = ranges.iter().map(place).collect();
        let [first, second] = moments;
        check_length("first moments of a group", count, first.len())?;
        check_length("second moments of a group", count, second.len())?;
        Ok(Self {
            device: device.clone(),
            ranges: device.upload(&table)?,
            largest: ranges.iter().map(Range::len).max().unwrap_or(0),
            needed,
            moments: [device.upload(first)?, device.upload(second)?],
        })
    }

    /// Takes one step: changes the moments, and the group's elements of `parameters (P,)`, given the gradient `(P,)` before its factor.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if there are fewer parameters than the ranges need, or another number of elements of the gradient;
    /// [`Error::Driver`](crate::Error::Driver).
    pub fn step(
        &mut self,
        step: &AdamStep,
        parameters: &DeviceArray,
        gradient: &Gradient,
    ) -> Result<()> {
        check_parameters(self.needed, parameters, gradient)?;
        let device = &self.device;
        let [beta_1, beta_2] = step.betas;
        let argument = AdamUpdate {
            ranges: device.address(&self.ranges),
            parameters: device.address(&parameters.buffer),
            gradient: gradient.address(),
            first_moments: device.address(&self.moments[0]),
            second_moments: device.address(&self.moments[1]),
            factor: step.factor as f32,
            beta_1: beta_1 as f32,
            one_minus_beta_1: (1.0 - beta_1) as f32,
            beta_2: beta_2 as f32,
            one_minus_beta_2: (1.0 - beta_2) as f32,
            inverse_root: step.inverse_root as f32,
            epsilon: step.epsilon as f32,
            rate: step.rate as f32,
            decay: step.decay as f32,
            rest: step.rest as f32,
        };
        let grid = [self.largest.div_ceil(THREADS), self.ranges.len(), 1];
        device.launch(PtxFile::Training, grid, &argument)
    }

    /// Returns copies of the moments m and v, `(G,)` each.
    ///
    /// # Errors
    /// [`Error::Driver`](crate::Error::Driver) if a kernel failed.
    pub fn read(&self) -> Result<[Vec<f32>; 2]> {
        let [first, second] = &self.moments;
        Ok([self.device.download(first)?, self.device.download(second)?])
    }
}
