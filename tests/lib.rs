//! The tests of the whole workspace stand beside this file; the package exists for them alone.

/// The Rust code in the README and in the book is compiled, and run where it needs no file.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}

    #[doc = include_str!("../docs/guide/rust.md")]
    mod guide {}
}
