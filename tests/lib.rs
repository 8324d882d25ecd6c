//! This library is empty: the package exists for the whole-workspace tests in the files beside this one.

#![forbid(unsafe_code)]

/// Compiles the Rust code of the README and of the book as doctests, and runs the examples that need no file.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}

    #[doc = include_str!("../docs/guide/rust.md")]
    mod guide {}
}
