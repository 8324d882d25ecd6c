//! Decoded instructions. Operands are slots of three register files: immediates and special registers are slots that a launch fills, so
//! that no instruction asks at run time what its operand is.

mod access;
mod function;

pub use self::access::Space;
pub(crate) use self::access::{
    Access, Atomic, AtomicAccess, Base, CopyAsync, Half, LoadMatrix, Mma, Shuffle, ShuffleMode,
    Special,
};
pub(crate) use self::function::{
    Binary32, Binary64, Comparand, Divide, Logic, Narrow, Relation, Shift, Ternary32, Ternary64,
    Test, Unary32, Unary64, Vote, Widen,
};

/// Index into the file of its class: `u32` words (registers of 16 and 32 bits), `u64` longs, or predicates.
pub(crate) type Slot = u16;

/// Predicate slot that is true in every lane.
pub(crate) const TRUE: Slot = 0;
/// Predicate slot that nobody reads.
pub(crate) const SINK: Slot = 1;

/// One decoded instruction. A PTX instruction may decode to several; all but the first have `counted` unset.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    pub(crate) op: Op,
    pub(crate) guard: Slot,
    /// `XORed` to the guard's lanes: all ones for `@!p`.
    pub(crate) guard_flip: u32,
    /// 1 for the first of a PTX instruction, else 0.
    pub(crate) counted: u32,
    /// Line in the module's text, from 1.
    pub(crate) line: u32,
}

/// What an instruction does. `d` is the destination, `a`, `b`, `c` the sources.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Unary32 {
        f: Unary32,
        d: Slot,
        a: Slot,
    },
    Unary64 {
        f: Unary64,
        d: Slot,
        a: Slot,
    },
    /// Word to long.
    Widen {
        f: Widen,
        d: Slot,
        a: Slot,
    },
    /// Long to word.
    Narrow {
        f: Narrow,
        d: Slot,
        a: Slot,
    },
    Binary32 {
        f: Binary32,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Binary64 {
        f: Binary64,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// `b` is a word.
    Shift64 {
        f: Shift,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Ternary32 {
        f: Ternary32,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Ternary64 {
        f: Ternary64,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    /// Product of two words as a long.
    MulWide {
        signed: bool,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// Product of two words, plus the long `c`.
    MadWide {
        signed: bool,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    /// Bits of the long `a` at a place: the position and `length << 8`, a word.
    Extract64 {
        signed: bool,
        d: Slot,
        a: Slot,
        place: Slot,
    },
    /// The long `base` with the low bits of the long `a` at a place.
    Insert64 {
        d: Slot,
        a: Slot,
        base: Slot,
        place: Slot,
    },
    /// Integer quotient or remainder; a divisor of zero is a fault.
    Divide32 {
        f: Divide,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Divide64 {
        f: Divide,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// `d = lo | hi << 32`.
    Pack64 {
        d: Slot,
        lo: Slot,
        hi: Slot,
    },
    /// `(lo, hi) = a`.
    Unpack64 {
        lo: Slot,
        hi: Slot,
        a: Slot,
    },
    /// `d = test(a, b) combine (c ^ flip)`, `q = !test(a, b) combine (c ^ flip)`.
    Compare {
        test: Test,
        combine: Logic,
        flip: bool,
        d: Slot,
        q: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Select32 {
        d: Slot,
        a: Slot,
        b: Slot,
        p: Slot,
    },
    Select64 {
        d: Slot,
        a: Slot,
        b: Slot,
        p: Slot,
    },
    /// `d = (a ^ flip_a) f (b ^ flip_b)`.
    Predicate {
        f: Logic,
        flip_a: bool,
        flip_b: bool,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// The lanes where a predicate is set, for `vote`.
    Vote {
        f: Vote,
        flip: bool,
        d: Slot,
        a: Slot,
        members: Slot,
    },
    ActiveMask {
        d: Slot,
    },
    /// The number is an index into a table of the kernel, as in the following.
    Shuffle(u16),
    Reduce {
        f: Atomic,
        d: Slot,
        a: Slot,
        members: Slot,
    },
    Load(u16),
    Store(u16),
    LoadParam(u16),
    Atomic(u16),
    CopyAsync(u16),
    CommitCopies,
    /// Waits until at most so many groups are pending; `None`-like `u32::MAX` waits for all, committed or not.
    WaitCopies {
        pending: u32,
    },
    LoadMatrix(u16),
    Mma(u16),
    Branch {
        target: u32,
    },
    BranchIndexed {
        a: Slot,
        table: u16,
    },
    Barrier,
    WarpBarrier {
        members: Slot,
    },
    Exit,
    Trap,
    Nothing,
}
