//! Executes the PTX of CUDA kernels on the CPU, warp by warp, and finds their faults.
#![deny(clippy::undocumented_unsafe_blocks)]

mod card;
pub mod driver;
mod execute;
mod fault;
mod isa;
mod memory;
mod module;
mod parse;
mod shadow;
mod statistics;

pub use self::card::Card;
pub use self::execute::{Argument, DEFAULT_BUDGET, KernelLaunch, WarpOrder};
pub use self::fault::{Fault, FaultKind, FaultPlace};
pub use self::isa::Space;
pub use self::memory::{Memory, MemoryError};
pub use self::module::{Kernel, Module};
pub use self::parse::ParseError;
pub use self::statistics::Statistics;
