//! Empty build script. Without one, Cargo would ignore the build dependencies in `Cargo.toml`.

fn main() {}
