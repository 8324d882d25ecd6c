//! Empty: see `Cargo.toml` for the features that this crate turns on.
