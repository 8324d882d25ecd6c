//! A space of pictures: an encoder makes a latent code of some pixels, a hypernetwork makes the parameters of a field of the code; trained
//! on many pictures the two hold a prior over them (Sitzmann et al. 2020, §4.4).
//!
//! ```text
//! context pixels ─► encoder ─► code z ─► hypernetwork ─► parameters θ ─► field Φ(x; θ)
//! ```
//!
//! [`Hyper`] is the domain that the run loop drives, [`HyperNetwork`] the model that it trains.

#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
mod artifacts;
mod codes;
pub mod config;
pub mod context;
mod convolution;
pub mod dataset;
#[cfg(feature = "cli")]
mod domain;
mod encoder;
mod evaluate;
mod fit;
mod folder;
mod hypernetwork;
mod layers;
mod linear;
pub mod model;
mod operation;
pub mod reconstruction;
mod rectify;
#[cfg(feature = "cli")]
pub mod restore;
mod scene;
pub mod signal;
mod split;

pub use self::model::HyperNetwork;
pub use self::signal::Hyper;
