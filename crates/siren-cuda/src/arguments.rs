//! Arguments of the kernels: the structs of `kernels/*.cuh`, with the same names, fields and order. Pointers are device addresses.

mod training;

use siren_kernel::Pointwise;
use siren_kernel::network::Order;

use crate::tiles::stride;

pub(crate) use self::training::*;

/// `MOST_LAYERS` of rows.cuh: products of a network that one launch takes at most.
pub(crate) const MOST_LAYERS: usize = 16;

/// `struct TraceEntry` of rows.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TraceTerm {
    pub(crate) i: i32,
    pub(crate) j: i32,
    pub(crate) coefficient: f32,
}

/// `struct Jets` of rows.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jets {
    pub(crate) entries: u64,
    pub(crate) entry_ends: u64,
    pub(crate) points: i32,
    pub(crate) points_per_tile: i32,
    pub(crate) gradients: i32,
    pub(crate) traces: i32,
    pub(crate) shape: i32,
}

/// `enum JetShape` of rows.cuh: components that are known when the kernels are compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum JetShape {
    Any = 0,
    Values = 1,
    Gradient2 = 2,
    Laplacian2 = 3,
    Gradient3 = 4,
    Laplacian3 = 5,
}

impl JetShape {
    /// Returns the shape of jets of an order in `dims` coordinates.
    pub(crate) fn of(order: &Order, dims: usize) -> Self {
        let is_laplacian = *order == Order::laplacian(dims);
        match (order, dims) {
            (Order::Value, _) => Self::Values,
            (Order::Gradient, 2) => Self::Gradient2,
            (Order::Gradient, 3) => Self::Gradient3,
            (Order::Traces(_), 2) if is_laplacian => Self::Laplacian2,
            (Order::Traces(_), 3) if is_laplacian => Self::Laplacian3,
            _ => Self::Any,
        }
    }
}

/// `struct Rows` of rows.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub(crate) data: u64,
    pub(crate) maxima: u64,
    pub(crate) width: i32,
    pub(crate) stride: i32,
}

/// `struct Parameters` of rows.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters {
    pub(crate) data: u64,
    pub(crate) count: i64,
}

/// `struct Weights` of product.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    pub(crate) fragments: u64,
    pub(crate) maximum: u64,
    pub(crate) inputs: i32,
    pub(crate) outputs: i32,
}

/// `struct Activation` of function.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activation {
    kind: i32,
    a: f32,
    b: f32,
}

/// `struct ForwardOutput` of forward.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForwardOutput {
    pub(crate) h: Rows,
    pub(crate) z: Rows,
    pub(crate) jets: u64,
    pub(crate) activation: Activation,
}

/// `struct ForwardStep` of forward.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForwardStep {
    pub(crate) weights: Weights,
    pub(crate) bias: i64,
    pub(crate) out: ForwardOutput,
}

/// `struct LayerForward` of forward.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerForward {
    pub(crate) jets: Jets,
    pub(crate) input: Rows,
    pub(crate) parameters: Parameters,
    pub(crate) step: ForwardStep,
}

/// `enum FeatureKind` of forward.cuh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeatureKind {
    Affine = 0,
    Sinusoids = 1,
    Distances = 2,
}

/// `struct PointFeatures` of forward.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PointFeatures {
    pub(crate) jets: Jets,
    pub(crate) coords: u64,
    pub(crate) dims: i32,
    pub(crate) kind: i32,
    pub(crate) parameters: Parameters,
    pub(crate) first: i64,
    pub(crate) second: i64,
    pub(crate) frequencies: u64,
    pub(crate) axes: u64,
}

/// `struct FeaturesForward` of forward.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeaturesForward {
    pub(crate) features: PointFeatures,
    pub(crate) out: ForwardOutput,
}

/// `struct NarrowForward` of narrow.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct NarrowForward {
    pub(crate) features: PointFeatures,
    pub(crate) tiles: i32,
    pub(crate) count: i32,
    pub(crate) steps: [ForwardStep; MOST_LAYERS + 1],
}

/// `struct Scatter` of backward.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scatter {
    pub(crate) jets: Jets,
    pub(crate) d_jets: u64,
    pub(crate) out: Rows,
}

/// `struct BackwardStep` of backward.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackwardStep {
    pub(crate) weights: Weights,
    pub(crate) activation: Activation,
    pub(crate) z: Rows,
    pub(crate) d_input: Rows,
}

/// `struct LayerBackward` of backward.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerBackward {
    pub(crate) jets: Jets,
    pub(crate) d_output: Rows,
    pub(crate) step: BackwardStep,
}

/// `struct NarrowBackward` of narrow.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct NarrowBackward {
    pub(crate) scatter: Scatter,
    pub(crate) tiles: i32,
    pub(crate) count: i32,
    pub(crate) steps: [BackwardStep; MOST_LAYERS],
}

/// `struct Partials` of gradient.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partials {
    pub(crate) data: u64,
    pub(crate) parameters: i64,
    pub(crate) splits: i32,
}

/// `struct GradientLayer` of gradient.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct GradientLayer {
    pub(crate) d_output: Rows,
    pub(crate) input: Rows,
    pub(crate) weight: i64,
    pub(crate) bias: i64,
}

/// `struct WeightGradient` of gradient.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightGradient {
    pub(crate) jets: Jets,
    pub(crate) partials: Partials,
    pub(crate) tiles: i32,
    pub(crate) output_tiles: i32,
    pub(crate) input_tiles: i32,
    pub(crate) layers: [GradientLayer; MOST_LAYERS],
}

/// `struct FeaturesGradient` of gradient.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeaturesGradient {
    pub(crate) jets: Jets,
    pub(crate) coords: u64,
    pub(crate) dims: i32,
    pub(crate) kind: i32,
    pub(crate) parameters: Parameters,
    pub(crate) first: i64,
    pub(crate) second: i64,
    pub(crate) d_output: Rows,
    pub(crate) partials: Partials,
    pub(crate) tiles: i32,
}

/// `struct Reduce` of gradient.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reduce {
    pub(crate) partials: Partials,
    pub(crate) gradient: u64,
}

/// `struct PackedLayer` of pack.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PackedLayer {
    pub(crate) first: i64,
    pub(crate) fragments: i64,
    pub(crate) inputs: i32,
    pub(crate) outputs: i32,
}

/// `struct Maximum` of pack.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maximum {
    pub(crate) parameters: Parameters,
    pub(crate) layers: u64,
    pub(crate) largest: u64,
}

/// `struct Pack` of pack.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pack {
    pub(crate) parameters: Parameters,
    pub(crate) layers: u64,
    pub(crate) largest: u64,
    pub(crate) fragments: u64,
    pub(crate) is_backward: i32,
}

/// `struct SquareError` of loss.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SquareError {
    pub(crate) jets: u64,
    pub(crate) d_jets: u64,
    pub(crate) targets: u64,
    pub(crate) factors: u64,
    pub(crate) sums: u64,
    pub(crate) rows: i64,
    pub(crate) channels: i32,
    pub(crate) components: i32,
    pub(crate) first: i32,
    pub(crate) target_count: i32,
}

impl Weights {
    /// Weights that no kernel reads.
    pub(crate) const NONE: Self = Self {
        fragments: 0,
        maximum: 0,
        inputs: 0,
        outputs: 0,
    };
}

impl Rows {
    /// Rows that do not exist.
    pub(crate) const NONE: Self = Self {
        data: 0,
        maxima: 0,
        width: 0,
        stride: 0,
    };

    /// Returns rows of a width that a kernel keeps to itself.
    pub(crate) fn not_stored(width: usize) -> Self {
        Self {
            width: width as i32,
            stride: stride(width) as i32,
            ..Self::NONE
        }
    }
}

/// Returns an array that begins with `items` and repeats the last one, which no kernel reads.
///
/// `items` has at least one item and at most `N`.
pub(crate) fn padded<T: Copy, const N: usize>(items: &[T]) -> [T; N] {
    std::array::from_fn(|index| items[index.min(items.len() - 1)])
}

impl From<Pointwise> for Activation {
    /// Converts an activation. The kinds are numbered in the order of [`Pointwise`], as in `enum Kind` of function.cuh.
    fn from(pointwise: Pointwise) -> Self {
        let (kind, a, b) = match pointwise {
            Pointwise::Linear => (0, 0.0, 0.0),
            Pointwise::Sine { omega } => (1, omega, 0.0),
            Pointwise::Finer { omega } => (2, omega, 0.0),
            Pointwise::HyperbolicSine { omega } => (3, omega, 0.0),
            Pointwise::Gabor { omega, scale } => (4, omega, scale),
            Pointwise::Sinc { omega } => (5, omega, 0.0),
            Pointwise::Gaussian { scale } => (6, scale, 0.0),
            Pointwise::Silu => (7, 0.0, 0.0),
            Pointwise::Relu => (8, 0.0, 0.0),
            Pointwise::Tanh => (9, 0.0, 0.0),
            Pointwise::Sigmoid => (10, 0.0, 0.0),
            Pointwise::Softplus => (11, 0.0, 0.0),
            Pointwise::Exponential { scale, alpha } => (12, scale, scale * alpha),
        };
        Self {
            kind,
            a: a as f32,
            b: b as f32,
        }
    }
}
