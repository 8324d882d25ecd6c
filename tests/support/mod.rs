//! What the whole-workspace tests share: the programs under test, and a desk in a temporary folder to run them on.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod desk;
pub mod program;
