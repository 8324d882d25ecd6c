//! The whole-workspace tests are in the files beside this one. The library holds the fuzz targets alone, which `fuzz/` shares with them.

#![forbid(unsafe_code)]

pub mod fuzz;

/// Compiles the Rust code of the README and of the book as doctests, and runs the examples that need no file.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}

    #[doc = include_str!("../docs/guide/rust.md")]
    mod guide {}
}
