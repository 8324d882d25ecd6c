//! Networks for tests, their reference in double precision, and the stand-in for the driver. `siren-bench gpu-check` runs the same networks
//! on a card.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of this module"
)]

pub mod cases;
pub mod matrix;
mod stand_in;

pub use cases::{NetworkCase, NetworkOutcome, Sizes, gradient_error, jet_error, plan};
pub use stand_in::{Settings, outputs_under_stand_in_drivers, under_stand_in_driver};
