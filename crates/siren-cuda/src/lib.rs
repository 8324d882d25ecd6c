//! Multilayer perceptrons with spatial derivatives on NVIDIA devices: the CUDA counterpart of [`siren_kernel::network`].
//!
//! A [`Device`] is opened by its number. [`Device::fields`] uploads the parameters of one field, or of a batch of fields of one [`Plan`], and packs
//! their weights for tensor cores; [`Fields`] then computes jets, and the gradient of a loss on them with respect to the parameters.
//!
//! Only the driver is needed, at run time; nothing at build time. The kernels are CUDA C in `kernels/`, and their PTX is part of this crate;
//! the driver compiles it for its card when a device is opened. Without a driver, [`Device::open`] returns an error.
//!
//! # Training
//!
//! Between the steps of a training, parameters, gradients and the state of an optimizer can stay on the device: [`Device::fields_of`] makes fields of a
//! [`DeviceArray`] of parameters, [`Fields::square_error`] adds to a [`Gradient`], and [`AdamMoments`] and [`MuonMomenta`] change the parameters in place.
//!
//! # Precision
//!
//! Operands of products are halves, in one or two pieces ([`Precision`]), sums are `f32`; coordinates, activations and everything else is
//! `f32`. No result depends on the order in which blocks run or on the size of the card: the same input gives the same bytes.
//!
//! # Examples
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use siren_cuda::{Device, Precision};
//! use siren_kernel::Pointwise;
//! use siren_kernel::network::{Order, Plan};
//!
//! // The field sin(2 x₀ + x₁), by one hidden feature and an output layer of weight 1.
//! let plan = Plan::dense(2, &[1, 1], Pointwise::Sine { omega: 1.0 });
//! let device = Device::open(0)?;
//! let fields = device.fields(&Arc::new(plan), &[2.0, 1.0, 0.0, 1.0, 0.0], Precision::Exact)?;
//! let jets = fields.jets(&[0.0, 0.0], &Order::Gradient)?;
//! assert_eq!(jets, [0.0, 2.0, 1.0]);
//! # Ok::<(), siren_cuda::Error>(())
//! ```

#![deny(
    clippy::undocumented_unsafe_blocks,
    clippy::print_stdout,
    clippy::print_stderr
)]

// The tests' networks are written for the public interface.
#[cfg(test)]
extern crate self as siren_cuda;

#[cfg(test)]
#[path = "../../../xtask/src/kernels/checksums.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "`cargo xtask kernels` uses the rest"
)]
mod checksums;

mod arguments;
mod array;
#[expect(
    unsafe_code,
    reason = "kernel launches and uninitialized device memory; each block says why it is sound"
)]
mod device;
mod error;
mod fields;
mod forward;
mod gradient;
mod kernels;
mod loss;
mod measure;
#[cfg(test)]
mod mutants;
mod narrow;
#[cfg(test)]
#[path = "../tests/networks/mod.rs"]
mod networks;
mod optimizer;
mod tables;
mod tiles;
mod weights;

pub use self::array::{DeviceArray, DeviceIndices};
pub use self::device::{Device, DeviceView};
pub use self::error::{Error, Result};
pub use self::fields::Fields;
pub use self::forward::Tape;
pub use self::gradient::Gradient;
pub use self::kernels::Precision;
pub use self::loss::SquareTargets;
pub use self::measure::{CardProperties, KernelTime};
pub use self::optimizer::{AdamMoments, AdamStep, MuonMatrix, MuonMomenta, MuonStep};
pub use self::tiles::MAX_COMPONENTS;

/// The types of [`Device::on_stream`] and of memory that other libraries share with a device.
#[doc(no_inline)]
pub use cudarc;
#[doc(no_inline)]
pub use siren_kernel::network::{Order, Plan};
