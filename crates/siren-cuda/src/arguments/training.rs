//! Arguments of the kernels of arrays.cuh, adam.cuh and muon.cuh.

/// `struct SumOfSquares` of arrays.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SumOfSquares {
    pub(crate) elements: u64,
    pub(crate) length: i64,
    pub(crate) sums: u64,
}

/// `struct Addition` of arrays.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addition {
    pub(crate) sum: u64,
    pub(crate) from: u64,
    pub(crate) length: i64,
}

/// `struct Gather` of arrays.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gather {
    pub(crate) from: u64,
    pub(crate) indices: u64,
    pub(crate) out: u64,
    pub(crate) length: i64,
    pub(crate) width: i64,
}

/// `struct AdamRange` of adam.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AdamRange {
    pub(crate) parameter: i64,
    pub(crate) moment: i64,
    pub(crate) length: i64,
}

/// `struct AdamUpdate` of adam.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamUpdate {
    pub(crate) ranges: u64,
    pub(crate) parameters: u64,
    pub(crate) gradient: u64,
    pub(crate) first_moments: u64,
    pub(crate) second_moments: u64,
    pub(crate) factor: f32,
    pub(crate) beta_1: f32,
    pub(crate) one_minus_beta_1: f32,
    pub(crate) beta_2: f32,
    pub(crate) one_minus_beta_2: f32,
    pub(crate) inverse_root: f32,
    pub(crate) epsilon: f32,
    pub(crate) rate: f32,
    pub(crate) decay: f32,
    pub(crate) rest: f32,
}

/// `struct TallMatrix` of muon.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TallMatrix {
    pub(crate) first: i64,
    pub(crate) elements: i64,
    pub(crate) squares: i64,
    pub(crate) rows: i32,
    pub(crate) columns: i32,
    pub(crate) scale: f64,
}

/// `struct MuonMomentum` of muon.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MuonMomentum {
    pub(crate) matrices: u64,
    pub(crate) gradient: u64,
    pub(crate) momenta: u64,
    pub(crate) y: u64,
    pub(crate) sums: u64,
    pub(crate) factor: f32,
    pub(crate) momentum: f32,
    pub(crate) rest: f32,
}

/// `struct MuonNormalize` of muon.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MuonNormalize {
    pub(crate) matrices: u64,
    pub(crate) sums: u64,
    pub(crate) y: u64,
}

/// `struct MuonGram` of muon.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MuonGram {
    pub(crate) matrices: u64,
    pub(crate) y: u64,
    pub(crate) squares: u64,
}

/// `struct MuonPolynomial` of muon.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MuonPolynomial {
    pub(crate) matrices: u64,
    pub(crate) squares: u64,
    pub(crate) polynomials: u64,
}

/// `struct MuonMultiply` of muon.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MuonMultiply {
    pub(crate) matrices: u64,
    pub(crate) y: u64,
    pub(crate) polynomials: u64,
    pub(crate) next: u64,
}

/// `struct MuonUpdate` of muon.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MuonUpdate {
    pub(crate) matrices: u64,
    pub(crate) y: u64,
    pub(crate) parameters: u64,
    pub(crate) rate: f64,
    pub(crate) rest: f32,
}
