//! Decoded instructions. Operands are slots of three register files: immediates and special registers are slots that a launch fills, so
//! that no instruction asks at run time what its operand is.

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
    /// XORed to the guard's lanes: all ones for `@!p`.
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
    /// Index into [`Program::shuffles`](super::module::Kernel).
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary32 {
    Mov,
    Not,
    Neg,
    Abs,
    Popc,
    Clz,
    Brev,
    /// Extensions from the low 8 or 16 bits.
    Zero8,
    Zero16,
    Sign8,
    Sign16,
    High16,
    NegF32,
    AbsF32,
    SqrtF32,
    RecipF32,
    SaturateF32,
    NearestF32,
    TruncF32,
    FloorF32,
    CeilF32,
    S32FromF32,
    U32FromF32,
    F32FromS32,
    F32FromU32,
    F16FromF32,
    F32FromF16,
    Bf16FromF32,
    F32FromBf16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary64 {
    Mov,
    Not,
    Neg,
    Abs,
    Brev,
    Zero8,
    Zero16,
    Zero32,
    Sign8,
    Sign16,
    Sign32,
    NegF64,
    AbsF64,
    SqrtF64,
    RecipF64,
    NearestF64,
    TruncF64,
    FloorF64,
    CeilF64,
    S64FromF64,
    U64FromF64,
    F64FromS64,
    F64FromU64,
    /// Adds or takes off the base of a window of the generic address space.
    ToShared,
    FromShared,
    ToLocal,
    FromLocal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Widen {
    Zero,
    Sign,
    F64FromF32,
    F64FromS32,
    F64FromU32,
    S64FromF32,
    U64FromF32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Narrow {
    Low,
    F32FromF64,
    F32FromS64,
    F32FromU64,
    S32FromF64,
    U32FromF64,
    Popc,
    Clz,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary32 {
    Add,
    Sub,
    MulLo,
    MulHiS,
    MulHiU,
    MinS,
    MinU,
    MaxS,
    MaxU,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    /// `a | b << 16`.
    Pack16,
    AddF32,
    SubF32,
    MulF32,
    DivF32,
    MinF32,
    MaxF32,
    CopysignF32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary64 {
    Add,
    Sub,
    MulLo,
    MulHiS,
    MulHiU,
    MinS,
    MinU,
    MaxS,
    MaxU,
    And,
    Or,
    Xor,
    AddF64,
    SubF64,
    MulF64,
    DivF64,
    MinF64,
    MaxF64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    Left,
    RightS,
    RightU,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ternary32 {
    MadLo,
    FmaF32,
    /// `b` is the place: the position and `length << 8`.
    BfeU,
    BfeS,
    /// Funnel shifts: `a` is the low word, `b` the high one.
    FunnelLeft,
    FunnelRight,
    FunnelLeftClamp,
    FunnelRightClamp,
    Permute,
    /// `c` is the position and `length << 8`; the base is `b`.
    Insert,
    /// The look-up table is in [`Op::Ternary32`]'s `f`.
    Lop3(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ternary64 {
    MadLo,
    FmaF64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Divide {
    QuotientS,
    QuotientU,
    RemainderS,
    RemainderU,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    Any,
    All,
    Uniform,
    Ballot,
}

/// A comparison with the type of its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) relation: Relation,
    pub(crate) kind: Comparand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// True too if an operand is NaN.
    EqU,
    NeU,
    LtU,
    LeU,
    GtU,
    GeU,
    /// Both are numbers; one is NaN.
    Num,
    Nan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparand {
    S32,
    U32,
    F32,
    S64,
    U64,
    F64,
}

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
