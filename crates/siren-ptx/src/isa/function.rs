//! Functions of registers.

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

impl Test {
    /// Whether the operands have 64 bits.
    pub(crate) fn is_long(self) -> bool {
        matches!(self.kind, Comparand::S64 | Comparand::U64 | Comparand::F64)
    }
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
