//! A prior over pictures, learned from a set of them: an encoder maps a few pixels of a picture to a latent code, and a hypernetwork maps the
//! code to the parameters of a field that represents the whole picture (Sitzmann et al. 2020, §4.4).
//!
//! ```text
//! context pixels ─► encoder ─► latent code z ─► hypernetwork ─► parameters θ ─► field Φ(x; θ)
//! ```
//!
//! The encoder and the hypernetwork are trained together on many pictures. Afterwards they complete a new picture from the pixels that are
//! observed, at any size.
//!
//! * [`Dataset`] is a set of square pictures with its [`Split`]: from memory, or from a folder.
//! * [`Hyper`] is the fitting problem, a [`Task`](siren_core::train::Task) for [`Fit`](siren_core::train::Fit).
//! * [`HyperNetwork`] is the model. [`context_of`](HyperNetwork::context_of) selects pixels of a new picture,
//!   [`latents`](HyperNetwork::latents) computes its code, [`draw`](HyperNetwork::draw) draws the field of the code, and [`interpolate`]
//!   computes the codes between two codes.
//!
//! # Example
//!
//! The example `learn_faces` trains a small model in a few seconds.
//!
//! ```no_run
//! use siren_core::train::{Fit, FitConfig};
//! use siren_hyper::config::{EncoderActivation, HyperModelConfig, HyperObjectiveConfig};
//! use siren_hyper::config::{HyperSignalConfig, SplitConfig};
//! use siren_hyper::{Dataset, Drawing, Hyper, ObservedPixels, Split, scene};
//!
//! /// Runs the example.
//! pub fn main() -> siren_core::Result<()> {
//!     let faces: Vec<_> = (0..320).map(|index| scene::face(index, 16)).collect();
//!     let split = Split::random(faces.len(), &SplitConfig::default())?;
//!     let signal = HyperSignalConfig {
//!         batch: 16,
//!         ..HyperSignalConfig::default()
//!     };
//!     let objective = HyperObjectiveConfig::default();
//!     let task = Hyper::new(Dataset::new(&faces, split)?, &signal, &objective, 0)?;
//!
//!     let mut config = FitConfig::<HyperModelConfig>::default();
//!     config.field.hidden_features = 32.into();
//!     config.field.hidden_layers = 1;
//!     config.model.encoder_activation = EncoderActivation::Relu;
//!     config.model.encoder_features = 64;
//!     config.model.latent_features = 64;
//!     config.model.hyper_features = 32;
//!     config.train.learning_rate = 2e-3;
//!     config.train.clip_norm = Some(1.0);
//!     let mut fit = Fit::new(&task, &config)?;
//!     fit.run()?;
//!     println!("PSNR of validation faces: {} dB", fit.evaluate()?[0].value);
//!
//!     let model = fit.into_model();
//!     let observed = ObservedPixels::Random { count: 60, seed: 0 };
//!     let context = model.context_of(&scene::face(1000, 16), &observed)?;
//!     let codes = model.latents(&context, &objective)?;
//!     let (side, extent) = (128, 1.0);
//!     let pictures = model.draw(&codes, Drawing { side, extent })?;
//!     assert_eq!((pictures[0].height, pictures[0].width), (side, side));
//!     Ok(())
//! }
//! ```
//!
//! # Configuration
//!
//! The tables of a config file and the structs of [`config`] have the same keys. The other tables, `[field]` and `[train]`, are
//! [`SirenConfig`](siren_core::field::SirenConfig) and [`TrainConfig`](siren_core::train::TrainConfig).
//!
//! `[signal]`, [`HyperSignalConfig`](config::HyperSignalConfig): the pictures and the batches.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `path` | embedded faces | Folder of pictures, or folder with one folder of pictures per person |
//! | `pictures` | 2048 | Number of embedded faces |
//! | `size` | 32 | Pixels per side to which the pictures are resized, 4 to 256 |
//! | `color` | `"auto"` | Channels: `"auto"` (RGB if any picture is in color), `"gray"` or `"rgb"` |
//! | `split.file` | random split | Text or CSV file with the part of every picture |
//! | `split.validation` | 0.1 | Fraction of the pictures whose PSNR selects the best parameters |
//! | `split.test` | 0.1 | Fraction of the pictures that are only evaluated |
//! | `split.together` | 1 | Number of consecutive pictures that stay in one part |
//! | `batch` | 100 | Number of pictures per step |
//! | `context` | `[10, 200]` | Number of context pixels of a picture in a step: at least the first number, fewer than the second |
//! | `evaluated_pictures` | 256 | Largest number of pictures of a part that are evaluated |
//!
//! `[model]`, [`HyperModelConfig`](config::HyperModelConfig): the encoder and the hypernetwork.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `encoder` | `"set"` | `"set"`, `"conv"`, `"partial_conv"`, or `"auto_decoder"`, which has no encoder and fits codes |
//! | `encoder_features` | 256 | Width of the encoder's layers |
//! | `encoder_layers` | 2 or 4 | Number of hidden layers of the set encoder, or of residual blocks of a convolutional encoder |
//! | `encoder_activation` | `"sine"` | Activation of the set encoder: `"sine"` or `"relu"` |
//! | `latent_features` | 256 | Size of the latent code |
//! | `hypernetwork` | `"full"` | `"full"` (all parameters), `"low_rank"` (low-rank updates of shared ones) or `"shift"` (shifts of hidden biases) |
//! | `hyper_features` | 256 | Width of the hypernetwork's layers, for `"full"` and `"low_rank"` |
//! | `hyper_layers` | 1 | Number of layers between the first and the last, for `"full"` and `"low_rank"` |
//! | `rank` | 8 | Rank of the updates, for `"low_rank"` |
//! | `fit_steps` | 200 | Number of steps that fit the code of a new picture, for `"auto_decoder"` |
//! | `fit_learning_rate` | 0.01 | Learning rate of these steps, which falls along a cosine |
//! | `codes` | training pictures | Number of codes that are parameters, for `"auto_decoder"`; see [`Hyper::resolve_codes`] |
//!
//! `[objective]`, [`HyperObjectiveConfig`](config::HyperObjectiveConfig): the mean squared error of all pixels, plus two priors.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `latent_prior` | 0.1 | Weight of the mean square of the latent codes |
//! | `weight_prior` | 100 | Weight of the mean square of the parameters of the fields |
//!
//! # Features
//!
//! * `cli` (default): the program `siren-hyper`, with run folders and checkpoints. Without it the crate is a library that needs neither a
//!   terminal nor a signal handler.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
pub mod context;
pub mod dataset;
pub mod model;
pub mod montage;
#[cfg(feature = "cli")]
mod program;
pub mod reconstruction;
pub mod restore;
pub mod scene;
pub mod signal;
pub mod split;

#[cfg(feature = "cli")]
mod artifacts;
mod codes;
mod convolution;
#[cfg(feature = "cli")]
mod domain;
mod encoder;
mod evaluate;
mod fit;
mod folder;
mod hypernetwork;
mod init;
mod layers;
mod linear;
mod operation;
mod rectify;

pub use siren_picture::{ColorMode, Picture};

pub use self::context::{ContextBatch, ContextKind};
pub use self::dataset::Dataset;
pub use self::model::HyperNetwork;
#[cfg(feature = "cli")]
pub use self::program::PROGRAM;
pub use self::restore::{Drawing, ObservedPixels, interpolate};
pub use self::signal::Hyper;
pub use self::split::Split;
