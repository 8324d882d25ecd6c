//! Conversions.

use super::Result;
use super::builder::{Builder, Meaning};
use super::instruction::Written;
use super::operand::{Operand, Type};
use crate::isa::{Binary32, Narrow, Op, Slot, Unary32, Unary64, Widen};

/// Rounding of a conversion to an integer, as an operation on f32 and on f64.
fn rounding(name: Option<&str>) -> Option<(Unary32, Unary64)> {
    match name? {
        "rni" => Some((Unary32::NearestF32, Unary64::NearestF64)),
        "rzi" => Some((Unary32::TruncF32, Unary64::TruncF64)),
        "rmi" => Some((Unary32::FloorF32, Unary64::FloorF64)),
        "rpi" => Some((Unary32::CeilF32, Unary64::CeilF64)),
        _ => None,
    }
}

/// `cvt`.
pub(super) fn decode(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let integral = rounding(written.take_any(&["rni", "rzi", "rmi", "rpi"]));
    let nearest = written.take("rn");
    let saturate = written.take("sat");
    let (to, from) = (written.take_type(builder)?, written.take_type(builder)?);
    if matches!(to, Type::F16x2 | Type::Bf16x2) && from == Type::Float(32) && nearest {
        written.check(builder, 3)?;
        return halves(builder, to, &written.operands);
    }
    written.check(builder, 2)?;
    let conversion = Conversion {
        to,
        from,
        saturate,
        integral,
    };
    let is_half = |of: Type| matches!(of, Type::Float(16) | Type::Bf16);
    // What may be inexact says how it rounds.
    let rounds = match (from, to) {
        (Type::Float(32 | 64), to) if is_half(to) => true,
        (Type::Float(64), Type::Float(32)) => true,
        (from, Type::Float(32 | 64)) if from.is_integer() => true,
        _ => false,
    };
    if rounds != nearest
        || (saturate && to != Type::Float(32) && !(from.is_integer() || to.is_integer()))
    {
        return Err(builder.error(
            "a rounding or saturation that is not supported (only to nearest even, `.rn`)",
        ));
    }
    if from.is_integer() && to.is_integer() {
        return integers(builder, &conversion, &written.operands);
    }
    floats(builder, &conversion, &written.operands)
}

struct Conversion {
    to: Type,
    from: Type,
    saturate: bool,
    integral: Option<(Unary32, Unary64)>,
}

/// `cvt.rn.f16x2.f32 d, hi, lo`.
fn halves(builder: &mut Builder<'_>, to: Type, operands: &[Operand<'_>]) -> Result<()> {
    let f = if to == Type::F16x2 {
        Unary32::F16FromF32
    } else {
        Unary32::Bf16FromF32
    };
    let d = builder.word_target(&operands[0])?;
    let (hi, lo) = (builder.word(&operands[1])?, builder.word(&operands[2])?);
    let (a, b) = (builder.new_word()?, builder.new_word()?);
    builder.emit(Op::Unary32 { f, d: a, a: lo });
    builder.emit(Op::Unary32 { f, d: b, a: hi });
    builder.emit(Op::Binary32 {
        f: Binary32::Pack16,
        d,
        a,
        b,
    });
    Ok(())
}

/// Extension of the low `bits` of a word.
fn extension32(of: Type) -> Unary32 {
    match (of.bits(), of.is_signed()) {
        (8, false) => Unary32::Zero8,
        (8, true) => Unary32::Sign8,
        (16, false) => Unary32::Zero16,
        (16, true) => Unary32::Sign16,
        _ => Unary32::Mov,
    }
}

fn extension64(of: Type) -> Unary64 {
    match (of.bits(), of.is_signed()) {
        (8, false) => Unary64::Zero8,
        (8, true) => Unary64::Sign8,
        (16, false) => Unary64::Zero16,
        (16, true) => Unary64::Sign16,
        (32, false) => Unary64::Zero32,
        (32, true) => Unary64::Sign32,
        _ => Unary64::Mov,
    }
}

/// The source as a word or long with all its bits: extended from its type.
fn source(builder: &mut Builder<'_>, of: Type, operand: &Operand<'_>) -> Result<(Slot, bool)> {
    if of.bits() == 64 || builder.is_long(operand) {
        let a = builder.long(operand)?;
        if of.bits() == 64 {
            return Ok((a, true));
        }
        let d = builder.new_long()?;
        builder.emit(Op::Unary64 {
            f: extension64(of),
            d,
            a,
        });
        return Ok((d, true));
    }
    let a = builder.word(operand)?;
    if of.bits() == 32 {
        return Ok((a, false));
    }
    let d = builder.new_word()?;
    builder.emit(Op::Unary32 {
        f: extension32(of),
        d,
        a,
    });
    Ok((d, false))
}

fn integers(
    builder: &mut Builder<'_>,
    conversion: &Conversion,
    operands: &[Operand<'_>],
) -> Result<()> {
    let &Conversion { to, from, .. } = conversion;
    let (a, long) = source(builder, from, &operands[1])?;
    if conversion.saturate {
        if long || to.bits() > 16 {
            return Err(builder.error("saturation is supported from 32 to 8 or 16 bits"));
        }
        let word = clamp(builder, a, to, from.is_signed())?;
        return to_register(builder, to, word, &operands[0]);
    }
    if builder.is_long(&operands[0]) {
        let d = builder.long_target(&operands[0])?;
        if long {
            builder.emit(Op::Unary64 {
                f: extension64(to),
                d,
                a,
            });
        } else {
            let f = if from.is_signed() {
                Widen::Sign
            } else {
                Widen::Zero
            };
            builder.emit(Op::Widen { f, d, a });
            if to.bits() < 64 {
                builder.emit(Op::Unary64 {
                    f: extension64(to),
                    d,
                    a: d,
                });
            }
        }
        return Ok(());
    }
    let word = if long {
        let word = builder.new_word()?;
        builder.emit(Op::Narrow {
            f: Narrow::Low,
            d: word,
            a,
        });
        word
    } else {
        a
    };
    to_register(builder, to, word, &operands[0])
}

/// Bounds a word by the range of an 8- or 16-bit type.
fn clamp(builder: &mut Builder<'_>, a: Slot, to: Type, signed: bool) -> Result<Slot> {
    let (low, high) = match (to.is_signed(), to.bits()) {
        (true, bits) => (-(1_i32 << (bits - 1)), (1_i32 << (bits - 1)) - 1),
        (false, bits) => (0, (1_i32 << bits) - 1),
    };
    let d = builder.new_word()?;
    let (low, high) = (
        builder.constant(low as u32)?,
        builder.constant(high as u32)?,
    );
    if signed {
        builder.emit(Op::Binary32 {
            f: Binary32::MaxS,
            d,
            a,
            b: low,
        });
        builder.emit(Op::Binary32 {
            f: Binary32::MinS,
            d,
            a: d,
            b: high,
        });
    } else {
        builder.emit(Op::Binary32 {
            f: Binary32::MinU,
            d,
            a,
            b: high,
        });
    }
    Ok(d)
}

/// Truncates a word to the type and extends it to the register: 16-bit registers have zeros above.
fn to_register(builder: &mut Builder<'_>, to: Type, a: Slot, operand: &Operand<'_>) -> Result<()> {
    let d = builder.word_target(operand)?;
    builder.emit(Op::Unary32 {
        f: extension32(to),
        d,
        a,
    });
    if let Operand::Name(name) = operand
        && to.is_signed()
        && matches!(builder.meaning(name), Some(Meaning::Word(_, 16)))
    {
        builder.emit(Op::Unary32 {
            f: Unary32::Zero16,
            d,
            a: d,
        });
    }
    Ok(())
}

/// A function of one register, with the classes of its source and its result.
enum Function {
    WordToWord(Unary32),
    LongToLong(Unary64),
    WordToLong(Widen),
    LongToWord(Narrow),
}

/// The function that converts between two types, at least one of them a float. None for integers of at most 32 bits, and for what does not
/// exist.
fn function(from: Type, to: Type, saturate: bool) -> Option<Function> {
    use Function::{LongToLong, LongToWord, WordToLong, WordToWord};
    use Type::{Bf16, Bits, Float, Signed, Unsigned};
    Some(match (from, to) {
        (Float(32), Float(32)) if saturate => WordToWord(Unary32::SaturateF32),
        (Float(32), Float(32)) => WordToWord(Unary32::Mov),
        (Float(32), Float(16)) => WordToWord(Unary32::F16FromF32),
        (Float(16), Float(32)) => WordToWord(Unary32::F32FromF16),
        (Float(32), Bf16) => WordToWord(Unary32::Bf16FromF32),
        (Bf16, Float(32)) => WordToWord(Unary32::F32FromBf16),
        (Float(64), Float(64)) => LongToLong(Unary64::Mov),
        (Float(32), Float(64)) => WordToLong(Widen::F64FromF32),
        (Float(64), Float(32)) => LongToWord(Narrow::F32FromF64),
        (Float(32), Signed(64)) => WordToLong(Widen::S64FromF32),
        (Float(32), Unsigned(64)) => WordToLong(Widen::U64FromF32),
        (Float(64), Signed(64)) => LongToLong(Unary64::S64FromF64),
        (Float(64), Unsigned(64)) => LongToLong(Unary64::U64FromF64),
        (Signed(64), Float(32)) => LongToWord(Narrow::F32FromS64),
        (Unsigned(64) | Bits(64), Float(32)) => LongToWord(Narrow::F32FromU64),
        (Signed(64), Float(64)) => LongToLong(Unary64::F64FromS64),
        (Unsigned(64) | Bits(64), Float(64)) => LongToLong(Unary64::F64FromU64),
        (Signed(_), Float(32)) => WordToWord(Unary32::F32FromS32),
        (Unsigned(_) | Bits(_), Float(32)) => WordToWord(Unary32::F32FromU32),
        (Signed(_), Float(64)) => WordToLong(Widen::F64FromS32),
        (Unsigned(_) | Bits(_), Float(64)) => WordToLong(Widen::F64FromU32),
        _ => return None,
    })
}

fn floats(
    builder: &mut Builder<'_>,
    conversion: &Conversion,
    operands: &[Operand<'_>],
) -> Result<()> {
    use Type::Float;
    let &Conversion { to, from, .. } = conversion;
    let (a, long) = source(builder, from, &operands[1])?;
    if long != (from.bits() == 64) {
        return Err(builder.error("a source of 64 bits for a smaller type"));
    }
    let a = match (conversion.integral, from) {
        (Some((f, _)), Float(32)) => {
            let d = builder.new_word()?;
            builder.emit(Op::Unary32 { f, d, a });
            d
        }
        (Some((_, f)), Float(64)) => {
            let d = builder.new_long()?;
            builder.emit(Op::Unary64 { f, d, a });
            d
        }
        (None, _) if !to.is_integer() => a,
        _ => {
            return Err(builder.error("a conversion to an integer that does not say how it rounds"));
        }
    };
    let target = &operands[0];
    let op = match function(from, to, conversion.saturate) {
        Some(Function::WordToWord(f)) => Op::Unary32 {
            f,
            d: builder.word_target(target)?,
            a,
        },
        Some(Function::LongToLong(f)) => Op::Unary64 {
            f,
            d: builder.long_target(target)?,
            a,
        },
        Some(Function::WordToLong(f)) => Op::Widen {
            f,
            d: builder.long_target(target)?,
            a,
        },
        Some(Function::LongToWord(f)) => Op::Narrow {
            f,
            d: builder.word_target(target)?,
            a,
        },
        None if to.is_integer() && matches!(from, Float(32 | 64)) => {
            return small_integer(builder, conversion, a, target);
        }
        None => return Err(builder.error("a conversion between types that is not supported")),
    };
    builder.emit(op);
    Ok(())
}

/// From a rounded float to an integer of at most 32 bits: values out of its range become its bounds, NaN becomes 0.
fn small_integer(
    builder: &mut Builder<'_>,
    conversion: &Conversion,
    a: Slot,
    target: &Operand<'_>,
) -> Result<()> {
    let &Conversion { to, from, .. } = conversion;
    let word = builder.new_word()?;
    // Small unsigned types go through s32, whose range holds theirs.
    let signed = to.is_signed() || to.bits() < 32;
    builder.emit(match (from, signed) {
        (Type::Float(32), true) => Op::Unary32 {
            f: Unary32::S32FromF32,
            d: word,
            a,
        },
        (Type::Float(32), false) => Op::Unary32 {
            f: Unary32::U32FromF32,
            d: word,
            a,
        },
        (_, true) => Op::Narrow {
            f: Narrow::S32FromF64,
            d: word,
            a,
        },
        (_, false) => Op::Narrow {
            f: Narrow::U32FromF64,
            d: word,
            a,
        },
    });
    let word = if to.bits() < 32 {
        clamp(builder, word, to, true)?
    } else {
        word
    };
    if builder.is_long(target) {
        let d = builder.long_target(target)?;
        builder.emit(Op::Widen {
            f: if to.is_signed() {
                Widen::Sign
            } else {
                Widen::Zero
            },
            d,
            a: word,
        });
        return Ok(());
    }
    to_register(builder, to, word, target)
}
