//! Fields: differentiable maps from coordinates to values, with their spatial derivatives.
//!
//! A [`SirenConfig`] becomes a [`Network`], a pure function of parameters, coordinates and [`Order`]; a [`Siren`] is a network with its
//! [`Parameters`]. Asked at coordinates `(n, d)`, it answers with a [`Jet`]. Derivatives in space are carried forward with the value, layer
//! by layer, so that one ordinary backward pass gives the gradient of a loss on them: nothing is differentiated twice.

mod activation;
mod backend;
mod config;
mod encoding;
mod init;
mod jet;
mod layout;
mod network;
mod omega;
mod parameters;
mod prepared;
mod siren;
pub mod tensor;

pub use siren_kernel::Level;
pub use siren_kernel::network::{InvalidTrace, Order, Trace};

pub use self::activation::{Activation, GaussianActivation, WireActivation};
pub use self::backend::Threads;
pub(crate) use self::backend::threads;
pub use self::config::{BiasInit, FieldShape, SirenConfig, WeightInit};
pub use self::encoding::{
    Encoding, FourierEncoding, NerfEncoding, RbfEncoding, nyquist_frequencies,
};
pub use self::init::{normal, uniform};
pub use self::jet::Jet;
pub use self::layout::{Entry, Layout, Role};
pub use self::network::Network;
pub use self::omega::{Omega, WeightNoise};
pub use self::parameters::Parameters;
pub use self::prepared::{Accumulator, Gradients, Prepared};
pub use self::siren::Siren;
pub(crate) use self::siren::no_coefficient;
