//! Parameters, gradients and optimizer states that an engine keeps on its device between training steps.

use std::any::Any;
use std::ops::Range;

use candle_core::{Result, Tensor};

/// Parameters `(P,)` of one network on a device, and the optimizers that change them there.
pub(crate) trait Resident: Any + Send + Sync {
    /// Returns a copy `(P,)` in CPU memory.
    fn read(&self) -> Result<Tensor>;

    /// Returns the Euclidean norm.
    fn norm(&self) -> Result<f64>;

    /// Uploads the moments `(G,)` of a group of the parameters: disjoint ranges, ascending.
    fn adam(&self, ranges: &[Range<usize>], moments: [&Tensor; 2])
    -> Result<Box<dyn ResidentAdam>>;

    /// Uploads the momenta of some matrices, each of the shape of its matrix.
    fn muon(
        &self,
        matrices: &[ResidentMatrix],
        momenta: &[&Tensor],
    ) -> Result<Box<dyn ResidentMuon>>;
}

/// Gradient with respect to parameters `(P,)` on a device. Clones of its `Arc` share it.
pub(crate) trait ResidentGradient: Any + Send + Sync {
    /// Returns a copy `(P,)` in CPU memory.
    fn read(&self) -> Result<Tensor>;

    /// Returns the Euclidean norm.
    fn norm(&self) -> Result<f64>;

    /// Adds another gradient with respect to the same parameters.
    fn add(&self, other: &dyn ResidentGradient) -> Result<()>;
}

/// Place of a matrix `(rows, columns)`, row-major, in flat parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResidentMatrix {
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// Constants of one step of Adam; the formula is that of the optimizer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamConstants {
    /// Of the gradient.
    pub(crate) factor: f64,
    pub(crate) betas: [f64; 2],
    /// `1 / √(1 − β₂ᵗ)`.
    pub(crate) inverse_root: f64,
    pub(crate) epsilon: f64,
    /// `η / (1 − β₁ᵗ)`.
    pub(crate) rate: f64,
    /// λ where it is added to the gradient.
    pub(crate) decay: f64,
    /// `1 − η λ` where decay is decoupled.
    pub(crate) rest: f64,
}

/// Constants of one step of Muon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MuonConstants {
    /// Of the gradient.
    pub(crate) factor: f64,
    /// Momentum μ.
    pub(crate) momentum: f64,
    /// Learning rate η.
    pub(crate) rate: f64,
    /// Decoupled weight decay λ.
    pub(crate) weight_decay: f64,
    /// Number of Newton–Schulz iterations.
    pub(crate) iterations: usize,
}

/// State of Adam on a device.
pub(crate) trait ResidentAdam: Send + Sync {
    /// Changes parameters and moments.
    fn step(
        &mut self,
        constants: &AdamConstants,
        parameters: &dyn Resident,
        gradient: &dyn ResidentGradient,
    ) -> Result<()>;

    /// Returns a copy of the moments `(G,)` in CPU memory.
    fn read(&self) -> Result<[Tensor; 2]>;
}

/// State of Muon on a device.
pub(crate) trait ResidentMuon: Send + Sync {
    /// Changes matrices and momenta.
    fn step(
        &mut self,
        constants: &MuonConstants,
        parameters: &dyn Resident,
        gradient: &dyn ResidentGradient,
    ) -> Result<()>;

    /// Returns a copy of the momenta in CPU memory, each of the shape of its matrix.
    fn read(&self) -> Result<Vec<Tensor>>;
}
