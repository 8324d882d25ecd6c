//! Operands of instructions that reach memory or other lanes.

use super::Slot;

/// A state space of PTX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Memory of the device, shared by all blocks.
    Global,
    /// Memory of a block.
    Shared,
    /// Memory of a thread.
    Local,
    /// Parameters of the kernel.
    Param,
    /// Constants of the module.
    Const,
    /// An address that says its space itself.
    Generic,
}

/// Address, width and registers of a load, store or atomic operation.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) space: Space,
    pub(crate) base: Base,
    pub(crate) offset: i64,
    /// Bytes an element: 1, 2, 4 or 8.
    pub(crate) width: u32,
    /// Elements: 1, 2 or 4.
    pub(crate) count: usize,
    pub(crate) signed: bool,
    /// The registers are longs (else words).
    pub(crate) long: bool,
    pub(crate) registers: [Slot; 4],
}

/// Register that holds an address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    Word(Slot),
    Long(Slot),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atomic {
    Add,
    AddF32,
    MinS,
    MinU,
    MaxS,
    MaxU,
    And,
    Or,
    Xor,
    Exchange,
    CompareExchange,
}

/// `atom` and `red` on words and longs. The old value goes to the first register of `access`.
#[derive(Clone, Debug)]
pub(crate) struct AtomicAccess {
    pub(crate) access: Access,
    pub(crate) f: Atomic,
    pub(crate) b: Slot,
    pub(crate) c: Slot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShuffleMode {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shuffle {
    pub(crate) mode: ShuffleMode,
    pub(crate) d: Slot,
    pub(crate) valid: Slot,
    pub(crate) a: Slot,
    pub(crate) b: Slot,
    pub(crate) c: Slot,
    pub(crate) members: Slot,
}

/// `cp.async`: `bytes` from global to shared memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopyAsync {
    pub(crate) to: Base,
    pub(crate) to_offset: i64,
    pub(crate) from: Base,
    pub(crate) from_offset: i64,
    pub(crate) bytes: u32,
    /// Bytes that are read, the rest are zeros; a slot of words.
    pub(crate) size: Option<Slot>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadMatrix {
    pub(crate) base: Base,
    pub(crate) offset: i64,
    pub(crate) count: usize,
    pub(crate) transposed: bool,
    pub(crate) d: [Slot; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    F16,
    Bf16,
}

/// `mma.m16n8k16.row.col` with f32 sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mma {
    pub(crate) half: Half,
    pub(crate) d: [Slot; 4],
    pub(crate) a: [Slot; 4],
    pub(crate) b: [Slot; 2],
    pub(crate) c: [Slot; 4],
}

/// A register that a launch fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Special {
    Tid(usize),
    Ntid(usize),
    Ctaid(usize),
    Nctaid(usize),
    Lane,
    Warp,
    Warps,
    LanesEq,
    LanesLe,
    LanesLt,
    LanesGe,
    LanesGt,
}
