//! Fields: differentiable maps from coordinates to values, with their spatial derivatives.
//!
//! A [`SirenConfig`] becomes a [`Siren`]; asked at coordinates `(n, d)` for an [`Order`], it answers with a [`Jet`].
//! Derivatives in space are carried forward with the value, layer by layer, so that one ordinary reverse pass gives the
//! gradient of a loss on them: nothing is differentiated twice.

mod activation;
mod batch;
mod composed;
mod config;
mod encoding;
mod frequency;
mod init;
mod jet;
mod kernel;
mod layout;
mod omega;
mod operation;
mod plan;
mod prepared;
mod siren;
mod square_error;

pub use self::activation::Activation;
pub use self::config::{BiasInit, FieldShape, SirenConfig, WeightInit};
pub use self::encoding::{
    Encoding, FourierEncoding, NerfEncoding, RbfEncoding, nyquist_frequencies,
};
pub use self::init::{normal, uniform};
pub use self::jet::{Jet, Order, Trace};
pub use self::kernel::{
    Convolution, Correlation, Factor, Level, Plane, Real, TransposedSum, Windows,
};
pub(crate) use self::kernel::{Matrix, sum_of_squares};
pub use self::layout::{Entry, Layout};
pub use self::omega::{Omega, WeightNoise};
pub use self::operation::{contiguous, read};
pub use self::prepared::{Accumulator, Prepared};
pub use self::siren::Siren;
