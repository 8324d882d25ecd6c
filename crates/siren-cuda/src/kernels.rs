//! The compiled kernels.

/// How operands of products are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Two halves with three products: 22 bits, as accurate as single precision.
    #[default]
    Exact,
    /// One half: 11 bits, a third of the products.
    Fast,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 2] = [Self::Exact, Self::Fast];

    /// Returns the number of halves of an operand, `PIECES` of pieces.cuh.
    pub(crate) fn pieces(self) -> usize {
        match self {
            Self::Exact => 2,
            Self::Fast => 1,
        }
    }
}

/// A file of PTX, which the driver compiles at first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PtxFile {
    /// Networks in a precision.
    Network(Precision),
    /// What a training needs beside them: arrays and optimizers.
    Training,
}

impl PtxFile {
    /// Every file, in the order of [`index`](Self::index).
    pub(crate) const ALL: [Self; 3] = [
        Self::Network(Precision::Exact),
        Self::Network(Precision::Fast),
        Self::Training,
    ];

    /// Returns the place in [`ALL`](Self::ALL).
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Network(precision) => precision as usize,
            Self::Training => 2,
        }
    }

    /// Returns its text.
    pub(crate) fn ptx(self) -> &'static str {
        match self {
            Self::Network(Precision::Exact) => include_str!("../kernels/exact.ptx"),
            Self::Network(Precision::Fast) => include_str!("../kernels/fast.ptx"),
            Self::Training => include_str!("../kernels/training.ptx"),
        }
    }

    /// Returns its kernels, in the order of their discriminants.
    pub(crate) fn kernels(self) -> &'static [Kernel] {
        let (network, training) = Kernel::ALL.split_at(Kernel::SumOfSquares as usize);
        match self {
            Self::Network(_) => network,
            Self::Training => training,
        }
    }

    /// Returns the bytes of dynamic shared memory of a block of a kernel, of `groups` times [`THREADS`] threads.
    pub(crate) fn shared_bytes(self, kernel: Kernel, groups: u32) -> u32 {
        match self {
            Self::Network(precision) => kernel.shared_bytes(precision, groups),
            Self::Training => 0,
        }
    }
}

impl From<Precision> for PtxFile {
    fn from(precision: Precision) -> Self {
        Self::Network(precision)
    }
}

/// Names of the kernels, and the dynamic shared memory of a block. Those of networks come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    WeightMaximum,
    Pack,
    FeaturesForward,
    LayerForward,
    Scatter,
    LayerBackward,
    NarrowForward,
    NarrowBackward,
    WeightGradient,
    FeaturesGradient,
    Reduce,
    SquareError,
    SumOfSquares,
    Addition,
    Gather,
    AdamUpdate,
    MuonMomentum,
    MuonNormalize,
    MuonGram,
    MuonPolynomial,
    MuonMultiply,
    MuonUpdate,
}

impl Kernel {
    /// Every kernel, in the order of its discriminant.
    pub(crate) const ALL: [Self; 22] = [
        Self::WeightMaximum,
        Self::Pack,
        Self::FeaturesForward,
        Self::LayerForward,
        Self::Scatter,
        Self::LayerBackward,
        Self::NarrowForward,
        Self::NarrowBackward,
        Self::WeightGradient,
        Self::FeaturesGradient,
        Self::Reduce,
        Self::SquareError,
        Self::SumOfSquares,
        Self::Addition,
        Self::Gather,
        Self::AdamUpdate,
        Self::MuonMomentum,
        Self::MuonNormalize,
        Self::MuonGram,
        Self::MuonPolynomial,
        Self::MuonMultiply,
        Self::MuonUpdate,
    ];

    /// Returns the name in the PTX.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WeightMaximum => "weight_maximum",
            Self::Pack => "pack",
            Self::FeaturesForward => "features_forward",
            Self::LayerForward => "layer_forward",
            Self::Scatter => "scatter",
            Self::LayerBackward => "layer_backward",
            Self::NarrowForward => "narrow_forward",
            Self::NarrowBackward => "narrow_backward",
            Self::WeightGradient => "weight_gradient",
            Self::FeaturesGradient => "features_gradient",
            Self::Reduce => "reduce",
            Self::SquareError => "square_error",
            Self::SumOfSquares => "sum_of_squares",
            Self::Addition => "add",
            Self::Gather => "gather",
            Self::AdamUpdate => "adam_update",
            Self::MuonMomentum => "muon_momentum",
            Self::MuonNormalize => "muon_normalize",
            Self::MuonGram => "muon_gram",
            Self::MuonPolynomial => "muon_polynomial",
            Self::MuonMultiply => "muon_multiply",
            Self::MuonUpdate => "muon_update",
        }
    }

    /// Returns the bytes of dynamic shared memory of a block of `groups` times [`THREADS`] threads: the size of `ProductMemory` of
    /// product.cuh, of `NarrowMemory` of narrow.cuh, or of `GradientMemory` of gradient.cuh.
    fn shared_bytes(self, precision: Precision, groups: u32) -> u32 {
        let pieces = precision.pieces() as u32;
        match self {
            Self::FeaturesForward | Self::LayerForward | Self::LayerBackward => {
                let (slices, result) = (2 * pieces * 128 * 40 * 2, 128 * 72 * 4);
                slices.max(result) + 2 * 128 * 4
            }
            Self::NarrowForward | Self::NarrowBackward => {
                let (rows, scales, maxima) = (128 * (64 * groups + 8), 128, 128 * groups);
                (rows + scales + maxima) * 4
            }
            Self::WeightGradient => 2 * 2 * pieces * 32 * 72 * 2 + 4 * 128 * 4 + 16 + 128 * 16,
            _ => 0,
        }
    }
}

/// Threads of a block; those of one tile of columns in a kernel of a whole narrow network.
pub(crate) const THREADS: usize = 128;

/// `NARROW_TILES` of narrow.cuh: tiles of columns, each with [`THREADS`] threads, of a block at most.
pub(crate) const MOST_GROUPS: u32 = 2;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::checksums;

    #[test]
    fn the_ptx_was_compiled_from_these_sources() {
        let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let stale = checksums::stale(&kernels).unwrap();
        assert_eq!(
            stale,
            Vec::<String>::new(),
            "run `cargo xtask kernels --write`"
        );
    }
}
