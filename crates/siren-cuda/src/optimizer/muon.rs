//! Muon.

use super::{check_parameters, check_ranges};
use crate::arguments::{
    MuonGram, MuonMomentum, MuonMultiply, MuonNormalize, MuonPolynomial, MuonUpdate, TallMatrix,
};
use crate::array::DeviceArray;
use crate::device::{Buffer, Device};
use crate::error::{Error, Result};
use crate::gradient::{Gradient, check_length};
use crate::kernels::{PtxFile, THREADS};

/// Elements of a matrix that a block of an elementwise kernel has: `BLOCK_ELEMENTS` of muon.cuh.
const BLOCK_ELEMENTS: usize = 8 * THREADS;
/// Rows and columns of a tile of a product: `MUON_TILE` of muon.cuh.
const TILE: usize = 32;
/// Largest number of elements of a matrix: the kernels count them in 32 bits.
const MAX_ELEMENTS: usize = 1 << 30;

/// Constants of one step of Muon for a matrix `W (m, n)` with momentum M and gradient G:
///
/// ```text
/// M ← μ M + (1 − μ) factor · G        U = μ M + (1 − μ) factor · G
/// W ← W (1 − η λ) − η √max(1, m/n) · NS(U / (‖U‖ + 10⁻⁷))
/// ```
///
/// where `NS` iterates `X ← a X + (b A + c A²) X`, `A = X Xᵀ`: an approximation of the nearest orthogonal matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuonStep {
    /// Factor of the gradient.
    pub factor: f64,
    /// Momentum μ.
    pub momentum: f64,
    /// Learning rate η.
    pub rate: f64,
    /// Decoupled weight decay λ.
    pub weight_decay: f64,
    /// Number of iterations.
    pub iterations: usize,
}

/// A matrix in the flat parameters, in row-major order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MuonMatrix {
    /// Offset of its first element.
    pub first: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

/// The momenta of matrices on a device, and memory for the iteration.
pub struct MuonMomenta {
    device: Device,
    matrices: Vec<MuonMatrix>,
    /// `matrices` on the device.
    table: Buffer<TallMatrix>,
    /// Number of parameters that the matrices need.
    needed: usize,
    grids: Grids,
    /// Momenta of all matrices, one after the other.
    momenta: Buffer<f32>,
    /// The present iterate Y of every matrix, and the next one.
    iterates: [Buffer<f32>; 2],
    /// `A = YᵀY` of every matrix.
    squares: Buffer<f32>,
    /// `b A + c A²` of every matrix.
    polynomials: Buffer<f32>,
    /// Sums of squares of U (matrix, block).
    sums: Buffer<f64>,
}

/// Grids of the kernels. The largest matrix decides about the first two axes.
#[derive(Clone, Copy)]
struct Grids {
    /// Of elementwise kernels.
    elements: [usize; 3],
    /// Of tiles of `YᵀY`.
    squares: [usize; 3],
    /// Of tiles of Y.
    iterates: [usize; 3],
}

impl MuonMatrix {
    fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Returns the number of columns of Y, which is the matrix or its transpose, whichever is tall.
    fn tall_columns(&self) -> usize {
        self.rows.min(self.columns)
    }

    fn tall_rows(&self) -> usize {
        self.rows.max(self.columns)
    }

    /// Checks that the kernels can count the elements.
    fn check(&self) -> Result<()> {
        match self.rows.checked_mul(self.columns) {
            Some(elements) if elements <= MAX_ELEMENTS => Ok(()),
            _ => Err(Error::Length {
                what: "elements of a matrix that Muon updates",
                expected: format!("at most {MAX_ELEMENTS}"),
                got: self.rows.saturating_mul(self.columns),
            }),
        }
    }
}

impl Grids {
    fn of(matrices: &[MuonMatrix]) -> Self {
        let count = matrices.len();
        let largest = |size: fn(&MuonMatrix) -> usize| matrices.iter().map(size).max().unwrap_or(0);
        let columns = largest(MuonMatrix::tall_columns).div_ceil(TILE);
        let rows = largest(MuonMatrix::tall_rows).div_ceil(TILE);
        let blocks = largest(MuonMatrix::len).div_ceil(BLOCK_ELEMENTS);
        Self {
            elements: [blocks, 1, count],
            squares: [columns, columns, count],
            iterates: [columns, rows, count],
        }
    }
}

/// Returns where the matrices lie in the parameters, among the elements of all matrices, and among their squares.
fn table(matrices: &[MuonMatrix]) -> Vec<TallMatrix> {
    let (mut elements, mut squares) = (0, 0);
    let place = |matrix: &MuonMatrix| {
        let placed = TallMatrix {
            first: matrix.first as i64,
            elements: elements as i64,
            squares: squares as i64,
            rows: matrix.rows as i32,
            columns: matrix.columns as i32,
            scale: (matrix.rows as f64 / matrix.columns as f64).max(1.0).sqrt(),
        };
        elements += matrix.len();
        squares += matrix.tall_columns().pow(2);
        placed
    };
    matrices.iter().map(place).collect()
}

impl MuonMomenta {
    /// Uploads the momentum `(rows, columns)` of each matrix. The matrices are disjoint and ascend in the flat parameters.
    ///
    /// # Errors
    /// [`Error::Length`] if matrices overlap or descend, if one is too large, or if the momenta do not fit; [`Error::OutOfMemory`].
    pub fn new(device: &Device, matrices: &[MuonMatrix], momenta: &[Vec<f32>]) -> Result<Self> {
        check_length("momenta of matrices", matrices.len(), momenta.len())?;
        for (matrix, momentum) in matrices.iter().zip(momenta) {
            matrix.check()?;
            let what = "elements of the momentum of a matrix";
            check_length(what, matrix.len(), momentum.len())?;
        }
        let range = |matrix: &MuonMatrix| matrix.first..matrix.first + matrix.len();
        let grids = Grids::of(matrices);
        let elements: usize = matrices.iter().map(MuonMatrix::len).sum();
        let squares = matrices.iter().map(|matrix| matrix.tall_columns().pow(2));
        let squares: usize = squares.sum();
        let memory = |elements| device.uninitialized(elements, "the iteration of Muon");
        let [blocks, _, count] = grids.elements;
        Ok(Self {
            device: device.clone(),
            matrices: matrices.to_vec(),
            table: device.upload(&table(matrices))?,
            needed: check_ranges(matrices.iter().map(range))?,
            grids,
            momenta: device.upload(&momenta.concat())?,
            iterates: [memory(elements)?, memory(elements)?],
            squares: memory(squares)?,
            polynomials: memory(squares)?,
            sums: device.uninitialized(blocks * count, "sums of squares")?,
        })
    }

    /// Takes one step: changes the momenta, and the matrices in `parameters (P,)`, given the gradient `(P,)` before its factor.
    ///
    /// # Errors
    /// [`Error::Length`] if there are fewer parameters than the matrices need, or another number of elements of the gradient;
    /// [`Error::Driver`].
    pub fn step(
        &mut self,
        step: &MuonStep,
        parameters: &DeviceArray,
        gradient: &Gradient,
    ) -> Result<()> {
        check_parameters(self.needed, parameters, gradient)?;
        self.start(step, gradient)?;
        for _ in 0..step.iterations {
            self.iterate()?;
        }
        let argument = MuonUpdate {
            matrices: self.device.address(&self.table),
            y: self.device.address(&self.iterates[0]),
            parameters: self.device.address(&parameters.buffer),
            rate: step.rate,
            rest: (1.0 - step.rate * step.weight_decay) as f32,
        };
        let grid = self.grids.elements;
        self.device.launch(PtxFile::Training, grid, &argument)
    }

    /// Changes the momenta, and computes the first iterate.
    fn start(&self, step: &MuonStep, gradient: &Gradient) -> Result<()> {
        let device = &self.device;
        let (matrices, y) = (
            device.address(&self.table),
            device.address(&self.iterates[0]),
        );
        let sums = device.address(&self.sums);
        let momentum = MuonMomentum {
            matrices,
            gradient: gradient.address(),
            momenta: device.address(&self.momenta),
            y,
            sums,
            factor: step.factor as f32,
            momentum: step.momentum as f32,
            rest: (1.0 - step.momentum) as f32,
        };
        let normalize = MuonNormalize { matrices, sums, y };
        device.launch(PtxFile::Training, self.grids.elements, &momentum)?;
        device.launch(PtxFile::Training, self.grids.elements, &normalize)
    }

    /// Replaces the iterates by the next ones.
    fn iterate(&mut self) -> Result<()> {
        let device = &self.device;
        let [y, next] = self.iterates.each_ref().map(|y| device.address(y));
        let (matrices, squares) = (device.address(&self.table), device.address(&self.squares));
        let polynomials = device.address(&self.polynomials);
        let gram = MuonGram {
            matrices,
            y,
            squares,
        };
        let polynomial = MuonPolynomial {
            matrices,
            squares,
            polynomials,
        };
        let multiply = MuonMultiply {
            matrices,
            y,
            polynomials,
            next,
        };
        device.launch(PtxFile::Training, self.grids.squares, &gram)?;
        device.launch(PtxFile::Training, self.grids.squares, &polynomial)?;
        device.launch(PtxFile::Training, self.grids.iterates, &multiply)?;
        self.iterates.swap(0, 1);
        Ok(())
    }

    /// Returns a copy of the momentum `(rows, columns)` of each matrix.
    ///
    /// # Errors
    /// [`Error::Driver`] if a kernel failed.
    pub fn read(&self) -> Result<Vec<Vec<f32>>> {
        let all = self.device.download(&self.momenta)?;
        let mut rest = all.as_slice();
        let momentum = |matrix: &MuonMatrix| {
            let (own, others) = rest.split_at(matrix.len());
            rest = others;
            own.to_vec()
        };
        Ok(self.matrices.iter().map(momentum).collect())
    }
}
