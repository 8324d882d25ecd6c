//! This crate has no code. `Cargo.toml` lists the features of shared dependencies that it enables.

#![forbid(unsafe_code)]
