//! Implicit neural representations with periodic activations (Sitzmann et al. 2020): a **config** names a **signal**; a
//! signal gives **samples**; a **field** maps coordinates to a **jet** (value and spatial derivatives); an **objective**
//! turns a jet and a sample into named, per-point **terms**; the **trainer** reduces the terms to a loss and takes a
//! step; the **run folder** keeps what happened.
//!
//! The modules are these stages, in this order, and each uses only what stands before it:
//! [`config`], [`signal`] and [`field`], [`objective`], [`train`], [`run`].
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use rand::SeedableRng;
//! use siren_core::field::{FieldShape, Order, SirenConfig};
//! use siren_core::objective::ValueMse;
//! use siren_core::signal::{Sample, WholeSampler};
//! use siren_core::train::{Constraint, TrainConfig, Trainer};
//!
//! # fn main() -> siren_core::Result<()> {
//! // Fit sin(3x) at 100 points, then ask for its derivative, which was never shown.
//! let shape = FieldShape { in_features: 1, out_features: 1, samples_per_side: None };
//! let config = SirenConfig { hidden_features: 32, hidden_layers: 1, first_omega_0: 5.0.into(), hidden_omega_0: 5.0, ..SirenConfig::default() };
//! let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
//! let field = config.init(shape, &mut rng, DType::F32, &Device::Cpu)?;
//!
//! let x: Vec<f32> = (0..100).map(|i| i as f32 / 49.5 - 1.0).collect();
//! let coords = Tensor::from_vec(x, (100, 1), &Device::Cpu)?;
//! let targets = (&coords * 3.0)?.sin()?;
//! let sample = Sample::new(coords.clone(), Some(targets), None)?;
//! let constraints = [Constraint {
//!     sampler: Box::new(WholeSampler::new(sample)),
//!     objective: Box::new(ValueMse::default()),
//! }];
//! let train = TrainConfig { steps: 500, learning_rate: 2e-3, ..TrainConfig::default() };
//! let mut trainer = Trainer::new(field, &train)?;
//! for _ in 0..500 {
//!     trainer.step(&constraints)?;
//! }
//! let slope = trainer.model().evaluate(&coords, &Order::Gradient)?.gradient()?.flatten_all()?;
//! let error = (slope - ((&coords * 3.0)?.cos()? * 3.0)?.flatten_all()?)?.abs()?.mean(0)?;
//! assert!(error.to_scalar::<f32>()? < 0.1, "{error}");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

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
#[expect(clippy::disallowed_methods, reason = "reads a saved field")]
pub mod saved;
pub mod signal;
pub mod train;

pub use error::{Error, Result};
