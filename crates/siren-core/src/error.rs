//! The error type of the libraries. Every message says what was found, what was expected and what to do.

use std::path::{Path, PathBuf};

use siren_kernel::Level;

/// Result with the project's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of this crate and of the crates that are built on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A config file, or an override of one of its keys, that cannot be parsed. The message holds file, line, key and a caret.
    #[error("{origin}: {message}")]
    Config {
        /// `file:line:column`, or the override.
        origin: String,
        /// What is wrong, what was expected, and the line with a caret.
        message: String,
    },

    /// A value of a config that is out of range, or does not go with other values.
    #[error("`{key}` is {value}, expected {expected}")]
    InvalidValue {
        /// Full key, such as `train.steps`, or the option.
        key: String,
        /// The value as it was given.
        value: String,
        /// The values allowed.
        expected: String,
    },

    /// A tensor, array or slice of the wrong shape, length or element type.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// Name of the tensor, array or slice.
        what: &'static str,
        /// The shape, or the rule for it.
        expected: String,
        /// The shape found.
        got: String,
    },

    /// A name that a collection does not hold: a column of a sample, a coefficient of a field, a tensor of an optimizer's state.
    #[error("no {what} is named `{name}`: found {found}")]
    Missing {
        /// Kind of the entry and its collection, such as `column of the sample`.
        what: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that there are, or `none`.
        found: String,
    },

    /// A name that a collection holds already.
    #[error("{what}: expected different names, got `{name}` twice")]
    Duplicate {
        /// The collection, such as `columns of a sample`.
        what: &'static str,
        /// The name.
        name: String,
    },

    /// Derivatives that a jet was not computed with.
    #[error("the jet holds no {what}: compute it with `{order}`")]
    MissingDerivatives {
        /// `gradient` or `second-order traces`.
        what: &'static str,
        /// The [`Order`](crate::field::Order) that has them.
        order: &'static str,
    },

    /// A field prepared for values only that is to be differentiated in its parameters.
    #[error(
        "the field was prepared with `Gradients::Untracked`, for values only: prepare it with `Gradients::Tracked` to differentiate it"
    )]
    UntrackedGradients,

    /// A SIMD level that this processor lacks.
    #[error("SIMD level: expected one of this processor's, {available}, got {level}")]
    UnavailableLevel {
        /// The level that was asked for.
        level: Level,
        /// Names of the levels of this processor.
        available: String,
    },

    /// A loss without any constraint.
    #[error("a loss needs at least one constraint, got none")]
    NoConstraints,

    /// An input file of the user (picture, sound, clip) that cannot be used.
    #[error("{}: {message}", path.display())]
    Signal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },

    /// A file or folder that the operating system refused to read or write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// Completes "cannot …": `read`, `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },

    /// A checkpoint or weights file that is damaged, of another format, or of another network.
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
        /// What is wrong with it, and what to do.
        message: String,
    },

    /// A training whose loss, gradient, parameters or optimizer state are no longer finite.
    #[error(
        "{what} is not finite at step {}: lower `train.learning_rate`, or clip with `train.clip_norm = 1.0`",
        step + 1
    )]
    Diverged {
        /// Number of steps taken before. The message counts from 1, as the files of a run do.
        step: u64,
        /// The term, the gradient, a parameter, or the optimizer's state.
        what: String,
    },

    /// Data with a value that is not finite.
    #[error(
        "`{column}` of the data is not finite at point {point} (counted from 0): correct or remove that point"
    )]
    NotFinite {
        /// `coordinates`, `values`, or the name of a column of a sample.
        column: String,
        /// Index of the point.
        point: usize,
    },

    /// An objective whose terms differ from one chunk of points to another.
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

    /// A rank of a training that several processes share: it failed, or is gone. All ranks have this error.
    #[error("rank {rank} of {count}: {message}")]
    Rank {
        /// The rank, counted from 0.
        rank: usize,
        /// Number of ranks.
        count: usize,
        /// Its error.
        message: String,
    },

    /// A matrix that defines no second-order trace.
    #[error(transparent)]
    Trace(#[from] siren_kernel::network::InvalidTrace),

    /// An NVIDIA device that cannot be opened or used.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Cuda(#[from] siren_cuda::Error),

    /// An error of candle.
    #[error(transparent)]
    Candle(candle_core::Error),
}

impl From<candle_core::Error> for Error {
    /// Unwraps an error of a device that passed through an operation of candle.
    fn from(error: candle_core::Error) -> Self {
        #[cfg(feature = "cuda")]
        if let candle_core::Error::Cuda(source) = error {
            return match source.downcast() {
                Ok(source) => Self::Cuda(*source),
                Err(source) => Self::Candle(candle_core::Error::Cuda(source)),
            };
        }
        Self::Candle(error)
    }
}

impl Error {
    /// Returns a function for `map_err` that adds the operation and the path, which an [`std::io::Error`] lacks.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Makes the error of a config value; `key` is the full key, such as `train.steps`.
    pub fn invalid(key: &str, value: impl std::fmt::Display, expected: &str) -> Self {
        Self::InvalidValue {
            key: key.to_owned(),
            value: value.to_string(),
            expected: expected.to_owned(),
        }
    }

    /// Makes the error of a loss that Gauss–Newton cannot minimize.
    pub(crate) fn without_residuals() -> Self {
        let expected = "another optimizer: this loss has no residuals";
        Self::invalid("train.optimizer", "gauss_newton", expected)
    }

    /// Makes the error of a name that is not among the names `found`.
    pub fn missing<'a>(
        what: &'static str,
        name: &str,
        found: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let found: Vec<String> = found.into_iter().map(|own| format!("`{own}`")).collect();
        Self::Missing {
            what,
            name: name.to_owned(),
            found: match found.as_slice() {
                [] => "none".to_owned(),
                names => names.join(", "),
            },
        }
    }

    /// Makes the error of an input file that cannot be used.
    pub fn signal(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Signal {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_name_is_reported_with_the_names_that_exist() {
        let error = Error::missing("column of the sample", "targets", ["mask", "weight"]);
        assert_eq!(
            error.to_string(),
            "no column of the sample is named `targets`: found `mask`, `weight`"
        );
        let none = Error::missing("column of the sample", "targets", []);
        assert!(none.to_string().ends_with("found none"), "{none}");
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn an_error_of_a_device_stays_one_on_its_way_through_candle() {
        let source = siren_cuda::Error::NoDevice { index: 3, count: 1 };
        let passed = candle_core::Error::Cuda(Box::new(source));
        let error = Error::from(passed);
        assert!(matches!(
            error,
            Error::Cuda(siren_cuda::Error::NoDevice { index: 3, count: 1 })
        ));
    }
}
