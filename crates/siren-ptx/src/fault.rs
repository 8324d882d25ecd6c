//! What is wrong with a launch.

use std::fmt;

use crate::isa::Space;

/// A fault of a kernel or of its launch.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct Fault {
    /// Name of the kernel.
    pub kernel: String,
    /// Where the kernel was; none if the launch itself is not valid.
    pub place: Option<Box<FaultPlace>>,
    /// What is wrong.
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "kernel {}", self.kernel)?;
        if let Some(place) = &self.place {
            let [x, y, z] = place.block;
            write!(out, ", block ({x}, {y}, {z}), warp {}", place.warp)?;
            if let Some(lane) = place.lane {
                write!(out, ", lane {lane}")?;
            }
            write!(
                out,
                ", line {} of the PTX `{}`",
                place.line, place.instruction
            )?;
        }
        write!(out, ": {}", self.kind)
    }
}

/// Place of a fault in a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPlace {
    /// Index of the block.
    pub block: [u32; 3],
    /// Index of the warp in its block.
    pub warp: u32,
    /// Lane of the warp, where one lane is at fault.
    pub lane: Option<u32>,
    /// Line of the PTX, from 1.
    pub line: u32,
    /// Text of that line.
    pub instruction: String,
}

/// Kinds of faults.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// An access outside of every allocation, or beyond the end of its own.
    #[error("{bytes} bytes at {address:#x} are out of bounds of {space} memory: {detail}")]
    OutOfBounds {
        /// Space of the access.
        space: Space,
        /// Address in that space.
        address: u64,
        /// Bytes of the access.
        bytes: usize,
        /// What is there.
        detail: String,
    },
    /// An address that is no multiple of the access's size.
    #[error("the address {address:#x} in {space} memory is no multiple of {bytes} bytes")]
    Misaligned {
        /// Space of the access.
        space: Space,
        /// Address in that space.
        address: u64,
        /// Bytes of the access.
        bytes: usize,
    },
    /// A read of memory that was never written.
    #[error("a read of {space} memory at {address:#x} that nobody has written")]
    Unwritten {
        /// Space of the access.
        space: Space,
        /// Address in that space.
        address: u64,
    },
    /// Two warps at one place of shared memory without a barrier between, one of which writes.
    #[error(
        "a race in shared memory at {address:#x}: {action} here and {other} since the last barrier"
    )]
    SharedRace {
        /// Offset in shared memory.
        address: u64,
        /// What this instruction does.
        action: &'static str,
        /// What was done before, by whom.
        other: String,
    },
    /// Two blocks of a launch at one place of global memory, one of which writes.
    #[error(
        "a race in global memory at {address:#x}: {action} here and {other} in the same launch"
    )]
    GlobalRace {
        /// The address.
        address: u64,
        /// What this instruction does.
        action: &'static str,
        /// What was done before, by whom.
        other: String,
    },
    /// A read of the destination of an asynchronous copy before it is waited for.
    #[error(
        "a read of shared memory at {address:#x}, to which an asynchronous copy is not waited for"
    )]
    PendingCopy {
        /// Offset in shared memory.
        address: u64,
    },
    /// Lanes of one instruction store different values at one address.
    #[error("lanes of one instruction store different values at {address:#x} of {space} memory")]
    StoreConflict {
        /// Space of the access.
        space: Space,
        /// Address in that space.
        address: u64,
    },
    /// An instruction of a whole warp reached by some of its lanes.
    #[error(
        "only the lanes {arrived:#010x} of {expected:#010x} arrive at an instruction that needs them all"
    )]
    PartialWarp {
        /// Lanes that execute the instruction.
        arrived: u32,
        /// Lanes that must.
        expected: u32,
    },
    /// Warps wait at different barriers.
    #[error("warp {other} waits at another barrier, in line {other_line}")]
    DifferentBarriers {
        /// A warp that waits elsewhere.
        other: u32,
        /// Line of its barrier.
        other_line: u32,
    },
    /// A barrier that some threads have left the kernel without.
    #[error("a barrier that warp {exited} left the kernel without reaching")]
    ExitedBeforeBarrier {
        /// A warp that has ended.
        exited: u32,
    },
    /// More instructions than the launch's budget.
    #[error("a warp executed {executed} instructions, the budget: it may never end")]
    Budget {
        /// The budget of a warp.
        executed: u64,
    },
    /// A sum of floats in an order that hardware does not fix.
    #[error("an atomic sum of floats: its result depends on the order of the threads")]
    UnorderedSum,
    /// An integer division by zero.
    #[error("an integer division by zero")]
    DivisionByZero,
    /// `trap`.
    #[error("the kernel executed a trap")]
    Trap,
    /// A launch that the card cannot run.
    #[error("{what}: {found}, at most {limit}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// What the launch asks for.
        found: u64,
        /// What the card or kernel allows.
        limit: u64,
    },
    /// A grid or block without threads.
    #[error("a grid or a block without threads")]
    Empty,
    /// A wrong number of arguments, or one of a wrong size.
    #[error("argument {index}: {found} bytes, expected {expected}")]
    Arguments {
        /// Index of the first argument that differs.
        index: usize,
        /// Its size, 0 if it is missing.
        found: usize,
        /// The parameter's size, 0 if there is none.
        expected: usize,
    },
    /// The variables of the module do not fit into memory.
    #[error("the variables of the module: {0}")]
    Variables(crate::memory::MemoryError),
}

impl fmt::Display for Space {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Global => "global",
            Self::Shared => "shared",
            Self::Local => "local",
            Self::Param => "parameter",
            Self::Const => "constant",
            Self::Generic => "generic",
        })
    }
}

/// A fault with the lane it belongs to, on its way to a [`Fault`]. Boxed: the good case must stay small.
#[derive(Debug)]
pub(crate) struct Trap(Box<(Option<u32>, FaultKind)>);

impl Trap {
    pub(crate) fn into_parts(self) -> (Option<u32>, FaultKind) {
        *self.0
    }

    pub(crate) fn kind_mut(&mut self) -> &mut FaultKind {
        &mut self.0.1
    }
}

/// A fault of a whole warp.
#[cold]
pub(crate) fn trap(kind: FaultKind) -> Trap {
    Trap(Box::new((None, kind)))
}

/// A fault of one lane.
#[cold]
pub(crate) fn lane_trap(lane: usize, kind: FaultKind) -> Trap {
    Trap(Box::new((Some(lane as u32), kind)))
}
