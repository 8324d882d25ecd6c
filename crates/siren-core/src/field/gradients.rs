//! Whether a network is prepared for a backward pass.

/// Whether the jets of a prepared network can be differentiated in the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradients {
    /// The forward pass keeps the intermediate values that a backward pass needs.
    Tracked,
    /// Values only: no graph is built.
    Untracked,
}
