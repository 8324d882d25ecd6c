//! Executes the PTX of CUDA kernels on the CPU, warp by warp, and finds their faults.
//!
//! * [`Module::parse`] reads the PTX that nvcc makes of CUDA C with `-ptx -arch=compute_80`.
//! * [`KernelLaunch`] executes a kernel on a [`Memory`]. It returns [`Statistics`], or a [`Fault`] that names kernel, block, warp, lane and
//!   instruction.
//! * [`driver`] is a stand-in for `libcuda.so.1`: a program's own host code runs on the interpreter, without a change.
//!
//! Results are the same bits on every machine and in every [`WarpOrder`], unless the kernel has a fault. Arithmetic is that of IEEE 754 with
//! rounding to nearest, and every NaN that arithmetic makes is `0x7fffffff`. Instructions whose results differ between cards, such as
//! `ex2.approx`, are refused.
//!
//! # Faults
//!
//! What hardware does not report is a fault here: a read of memory that nobody has written, two warps at one place of shared memory without a
//! barrier between them, two blocks at one place of global memory, lanes of one instruction that store different values at one address, an
//! atomic sum of floats, an integer division by zero. See [`FaultKind`] for all. Places are told apart by the byte.
//!
//! Some programs that are right are refused, too: threads that leave a kernel before a barrier of their block; blocks that pass data to
//! each other within a launch; a plain read of what atomic operations wrote, by the same block, without a barrier (shared memory) or in the
//! same launch (global memory).
//!
//! # Limits
//!
//! Races between lanes of one warp are not found, except for stores of one instruction. Weak memory is not modeled: every fence is
//! unnecessary here. `mma` adds exact products in the order of `k` and rounds each sum to nearest; tensor cores round differently, and
//! differently from card to card. Nothing is said about time, registers or spills.
//!
//! Blocks run one after the other, on one thread.
//!
//! # Examples
//!
//! ```
//! use siren_ptx::{Argument, FaultKind, KernelLaunch, Memory, Module};
//!
//! let module = Module::parse(
//!     ".version 7.0
//!      .target sm_80
//!      .address_size 64
//!      .visible .entry twice(.param .u64 values) {
//!          .reg .b32 %r<3>;
//!          .reg .b64 %rd<4>;
//!          mov.u32 %r1, %tid.x;
//!          ld.param.u64 %rd1, [values];
//!          mul.wide.u32 %rd2, %r1, 4;
//!          add.s64 %rd3, %rd1, %rd2;
//!          ld.global.u32 %r2, [%rd3];
//!          shl.b32 %r2, %r2, 1;
//!          st.global.u32 [%rd3], %r2;
//!      }",
//! )?;
//! let kernel = module.kernel("twice").ok_or("no such kernel")?;
//! let mut memory = Memory::new();
//! let values = memory.allocate_with(&[1, 0, 0, 0, 2, 0, 0, 0])?;
//!
//! let statistics = KernelLaunch::new(kernel, 1, 2).run(&[Argument::from(values)], &mut memory)?;
//! assert_eq!(memory.read(values, 8)?, [2, 0, 0, 0, 4, 0, 0, 0]);
//! assert_eq!(statistics.global_sectors, 2);
//!
//! // A third thread finds no value.
//! let fault = KernelLaunch::new(kernel, 1, 3).run(&[Argument::from(values)], &mut memory).unwrap_err();
//! assert!(matches!(fault.kind, FaultKind::OutOfBounds { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(clippy::undocumented_unsafe_blocks, clippy::print_stdout)]
#![cfg_attr(doctest, doc = include_str!("../README.md"))]

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
