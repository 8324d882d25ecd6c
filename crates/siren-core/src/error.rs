//! The one error type of the libraries: every variant says what was found, what was expected and what to do.

use std::path::{Path, PathBuf};

/// Result with the project's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a config file and a finished run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A config file, or a `--set` override, that does not parse; the message carries file, line, key and a caret.
    #[error("{origin}: {message}")]
    Config {
        /// `file:line:column`, or the override.
        origin: String,
        /// What is wrong, what was expected, and the line with a caret.
        message: String,
    },

    /// A config value that parses but makes no sense.
    #[error("`{key}` is {value}, expected {expected}")]
    InvalidValue {
        /// Full key, such as `train.steps`, or the option.
        key: String,
        /// As it was given.
        value: String,
        /// The values allowed.
        expected: String,
    },

    /// Tensors or arrays whose shapes do not fit together.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// Which tensor or array.
        what: &'static str,
        /// The shape, or rule, it must follow.
        expected: String,
        /// Its shape.
        got: String,
    },

    /// A user's input file (picture, sound, clip, mesh) that cannot be used.
    #[error("{}: {message}", path.display())]
    Signal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },

    /// The operating system refused to read or write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// Completes "cannot …": `read`, `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's account.
        source: std::io::Error,
    },

    /// A checkpoint or weights file that is damaged, foreign, or of another network.
    #[error("{}: {message}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },

    /// A run folder that exists already, is incomplete, or was changed.
    #[error("{}: {message}", path.display())]
    RunFolder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What is in the way, and what to do.
        message: String,
    },

    /// Training left the finite numbers.
    #[error(
        "{what} is not finite at step {}: lower `train.learning_rate`, or clip with `train.clip_norm = 1.0`",
        step + 1
    )]
    Diverged {
        /// Steps taken before; the message counts from 1, as a run's files do.
        step: u64,
        /// The term, the gradient, or a parameter.
        what: String,
    },

    /// Data that holds a number that is not finite.
    #[error(
        "`{column}` of the data is not finite at point {point} (counted from 0 in the sample): correct or remove that point"
    )]
    NotFinite {
        /// The coordinates, or a column of a sample.
        column: String,
        /// Index of the point in its sample.
        point: usize,
    },

    /// An objective whose terms are not the same at every chunk of points.
    #[error(
        "objective of `{constraint}`: expected the same terms for every chunk of points, {expected}; got {got}"
    )]
    Terms {
        /// Name of the constraint.
        constraint: String,
        /// Names of the terms of the first chunk.
        expected: String,
        /// Names of the terms of a later chunk.
        got: String,
    },

    /// A matrix that is no second-order trace.
    #[error(transparent)]
    Trace(#[from] siren_kernel::network::InvalidTrace),

    /// From candle, with its own account of the operation.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// For `map_err`: the operation and the path that an [`std::io::Error`] lacks.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A config value out of range; `key` is the full key, such as `train.steps`.
    pub fn invalid(key: &str, value: impl std::fmt::Display, expected: &str) -> Self {
        Self::InvalidValue {
            key: key.to_owned(),
            value: value.to_string(),
            expected: expected.to_owned(),
        }
    }

    /// An unusable input file.
    pub fn signal(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Signal {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
        }
    }
}
