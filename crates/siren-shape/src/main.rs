//! The program `siren-shape`.

#![forbid(unsafe_code)]

fn main() {}
