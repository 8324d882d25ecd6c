//! Code that the whole-workspace tests share: the programs under test and the temporary folder in which they run.
#![allow(
    dead_code,
    reason = "each test program uses only some of these functions"
)]

pub mod browser;
pub mod desk;
pub mod program;
