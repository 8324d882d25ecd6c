//! Implicit neural representations with periodic activations (Sitzmann et al. 2020), with spatial derivatives and training.
//!
//! A **config** describes a **signal** and a **network**. A signal gives **samples**: coordinates with targets. A **field** maps coordinates to a
//! **jet**: values and spatial derivatives. An **objective** turns a jet and a sample into named losses per point; a **constraint** is an objective
//! with its domain and its weight. A **functional** is a loss of the values at all points together instead, such as the misfit of a solver. The
//! **trainer** sums the constraints to a loss, and the **optimizer** takes a step.
//!
//! | module | contents |
//! |---|---|
//! | [`config`] | TOML configs: parsing, overrides, errors with file, line and key |
//! | [`signal`] | samples, samplers, grids, rasters, random streams, spectra |
//! | [`field`] | networks, parameters, encodings, activations, jets |
//! | [`objective`] | objectives, functionals, constraints, weights |
//! | [`optimizer`] | Adam, AdamW, Muon, L-BFGS, self-scaled Broyden, Gauss–Newton, and the trait for other optimizers |
//! | [`metrics`] | PSNR, SSIM, and the type of a named score |
//! | [`train`] | models, tasks, fits, the trainer, schedules, stop tokens |
//! | [`saved`] | fields in safetensors files |
//! | [`mod@file`] | atomic writes, listings of folders |
//! | [`error`] | the error type |
//!
//! Each module uses only modules above it (and `file` and `error`). The crate prints nothing, handles no signals and has no command line.
//!
//! **Build with `--release`, or set `[profile.dev.package."*"] opt-level = 3` in your `Cargo.toml`: unoptimized builds are 100 to 200 times slower.**
//!
//! # Fit a function
//!
//! ```
//! use siren_core::field::{FieldShape, SirenConfig};
//! use siren_core::objective::{Constraint, ValueMse};
//! use siren_core::signal::{Sample, WholeSampler};
//! use siren_core::train::{TrainConfig, Trainer};
//!
//! # fn main() -> siren_core::Result<()> {
//! // sin(3x) at 100 points.
//! let x: Vec<f32> = (0..100).map(|i| i as f32 / 49.5 - 1.0).collect();
//! let y: Vec<f32> = x.iter().map(|x| (3.0 * x).sin()).collect();
//! let sample = Sample::from_slices(&x, 1, &y, 1)?;
//! let constraints = [Constraint::new("points", WholeSampler::new(sample), ValueMse)];
//!
//! let config = SirenConfig {
//!     hidden_features: 32.into(),
//!     hidden_layers: 1,
//!     first_omega_0: 5.0.into(),
//!     hidden_omega_0: 5.0,
//!     ..SirenConfig::default()
//! };
//! let field = config.init_seeded(FieldShape::new(1, 1), 0)?;
//! let train = TrainConfig { steps: 500, learning_rate: 2e-3, ..TrainConfig::default() };
//! let mut trainer = Trainer::new(field, &train)?;
//! trainer.run(&constraints)?;
//!
//! // Values and derivatives at any points. The derivatives were not part of the targets.
//! let field = trainer.into_model();
//! let points = [0.0, 0.5];
//! let values = field.values(&points)?; //         sin(3x)
//! let gradients = field.gradients(&points)?; //   3 cos(3x)
//! let laplacians = field.laplacians(&points)?; // −9 sin(3x)
//! for (i, x) in points.iter().map(|x| 3.0 * x).enumerate() {
//!     assert!((values[i] - x.sin()).abs() < 0.02);
//!     assert!((gradients[i] - 3.0 * x.cos()).abs() < 0.2);
//!     assert!((laplacians[i] + 9.0 * x.sin()).abs() < 2.0);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Sample::with_targets`](signal::Sample::with_targets) takes tensors instead of slices, and
//! [`Siren::evaluate`](field::Siren::evaluate) returns them, on any device and with any second-order derivatives.
//!
//! # Save and open a field
//!
//! The file holds the parameters and everything that is needed to compute the field: activation, ω₀, encoding and sizes.
//!
//! ```
//! use siren_core::field::{FieldShape, Siren, SirenConfig};
//!
//! # fn main() -> siren_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("field.safetensors");
//! let field = SirenConfig::default().init_seeded(FieldShape::new(2, 3), 0)?;
//! field.save(&path)?;
//! let opened = Siren::open(&path)?;
//! assert_eq!(opened.values(&[0.1, 0.2])?, field.values(&[0.1, 0.2])?);
//! # Ok(())
//! # }
//! ```
//!
//! # Solve a differential equation
//!
//! [`objective::from_fn`] makes an objective of a closure. This field solves Φ' = −Φ on [−1, 1] with Φ(0) = 1:
//!
//! ```
//! use siren_core::candle_core::{DType, Device};
//! use siren_core::field::{FieldShape, Order, SirenConfig};
//! use siren_core::objective::{self, Constraint, Term, ValueMse};
//! use siren_core::signal::{Sample, Stream, UniformSampler, WholeSampler};
//! use siren_core::train::{TrainConfig, Trainer};
//!
//! # fn main() -> siren_core::Result<()> {
//! let decay = objective::from_fn(Order::Gradient, |context| {
//!     let slope = context.jet.gradient()?.squeeze(2)?;
//!     let residual = (slope + context.jet.value()?)?;
//!     Ok(vec![Term::new("decay", residual.sqr()?.mean(1)?)])
//! });
//! let interval = UniformSampler {
//!     size: 64,
//!     extents: vec![1.0],
//!     seed: 0,
//!     stream: Stream::UNIFORM,
//!     dtype: DType::F32,
//!     device: Device::Cpu,
//! };
//! let start = Sample::from_slices(&[0.0], 1, &[1.0], 1)?;
//! let constraints = [
//!     Constraint::new("equation", interval, decay),
//!     Constraint::new("start", WholeSampler::new(start), ValueMse).weighted(10.0),
//! ];
//! # let config = SirenConfig {
//! #     hidden_features: 32.into(),
//! #     hidden_layers: 1,
//! #     first_omega_0: 5.0.into(),
//! #     hidden_omega_0: 5.0,
//! #     ..SirenConfig::default()
//! # };
//! # let train = TrainConfig { steps: 500, learning_rate: 2e-3, ..TrainConfig::default() };
//! let mut trainer = Trainer::new(config.init_seeded(FieldShape::new(1, 1), 0)?, &train)?;
//! trainer.run(&constraints)?;
//! let value = trainer.model().values(&[1.0])?[0];
//! assert!((value - (-1.0_f64).exp()).abs() < 0.02);
//! # Ok(())
//! # }
//! ```
//!
//! # Re-exports
//!
//! Tensors, devices and element types are those of [`candle_core`], and generators are those of [`rand_chacha`]. Both crates appear in
//! signatures, so they are re-exported: use `siren_core::candle_core::Tensor` and no version of your own. [`field`] re-exports `Order`,
//! `Trace`, `InvalidTrace`, `Level` and the structure of a network ([`field::Plan`]) from `siren-kernel`, the CPU kernels.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(
    not(feature = "cuda"),
    allow(
        dead_code,
        reason = "only a device uses all of what a backend is told and asked for"
    )
)]

pub mod config;
pub mod error;
pub mod field;
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the module's subject is files"
)]
pub mod file;
pub mod metrics;
pub mod objective;
pub mod optimizer;
mod random;
pub mod ranks;
#[expect(clippy::disallowed_methods, reason = "reads a saved field")]
pub mod saved;
pub mod signal;
pub mod train;

pub use candle_core;
pub use rand_chacha;
#[cfg(feature = "cuda")]
pub use siren_cuda;

pub use error::{Error, Result};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
