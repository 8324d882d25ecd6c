//! Fields: differentiable maps from coordinates to values, with their spatial derivatives.
//!
//! A [`SirenConfig`] becomes a [`Network`], a pure function of parameters, coordinates and [`Order`]; a [`Siren`] is a network with its
//! [`Parameters`]. Evaluated at coordinates `(n, d)`, a field returns a [`Jet`]: values and spatial derivatives. Spatial derivatives are
//! propagated forward with the value, layer by layer, so one ordinary backward pass gives the gradient of a loss on them, without
//! differentiating twice.

mod activation;
mod backend;
mod config;
mod encoding;
mod engine;
mod forward;
mod gradients;
mod init;
mod jet;
mod last_bias;
mod layout;
mod mosaic;
mod network;
mod omega;
mod parameters;
mod plan;
mod prepared;
mod resident;
mod resting;
mod rounded;
mod siren;
pub mod tensor;
mod tiles;
mod width;

pub use siren_kernel::network::{
    Dense, Features, InvalidTrace, Order, Plan, Trace, WaveFeature, Waves,
};
pub use siren_kernel::{Level, Pointwise, SOFTPLUS_THRESHOLD};

pub use self::activation::{Activation, GaussianActivation, WireActivation};
pub use self::backend::Threads;
pub(crate) use self::backend::{ComponentSquares, PointSet, threads};
pub use self::config::{BiasInit, FieldShape, LastBias, SirenConfig, WeightInit};
pub use self::encoding::{
    Encoding, FourierEncoding, NerfEncoding, RbfEncoding, nyquist_frequencies,
};
pub use self::engine::FieldEngine;
pub use self::forward::ForwardPass;
pub use self::gradients::{FlatGradient, Gradients, differentiate};
pub use self::init::{normal, uniform};
pub use self::jet::Jet;
pub(crate) use self::layout::{COEFFICIENT_PREFIX, missing_coefficient};
pub use self::layout::{Entry, Layout, Role};
pub use self::mosaic::{MosaicConfig, TileAxis};
pub use self::network::Network;
pub use self::omega::{Omega, WeightNoise};
pub use self::parameters::Parameters;
pub use self::prepared::{Accumulator, Prepared};
pub(crate) use self::resident::{
    AdamConstants, MuonConstants, Resident, ResidentAdam, ResidentGradient, ResidentMatrix,
    ResidentMuon,
};
pub use self::resting::{RestingTiles, TileError};
pub use self::siren::Siren;
pub use self::width::Width;
