//! Integer and floating-point arithmetic, logic, comparisons, selections.

use super::Result;
use super::builder::Builder;
use super::instruction::Written;
use super::logic::predicate;
use super::operand::{Operand, Type};
use crate::isa::{
    Binary32, Binary64, Divide, Logic, Narrow, Op, Slot, TRUE, Ternary32, Ternary64, Unary32,
    Unary64,
};

pub(super) fn decode(builder: &mut Builder<'_>, written: Written<'_>) -> Result<()> {
    match written.name {
        "add" | "sub" | "min" | "max" | "and" | "or" | "xor" | "copysign" => {
            binary(builder, written)
        }
        "mul" | "div" | "rem" if !written.has("wide") => binary(builder, written),
        "mul" | "mad" | "fma" => ternary(builder, written),
        "neg" | "abs" | "not" | "sqrt" | "rcp" | "popc" | "clz" | "brev" => unary(builder, written),
        _ => Err(builder.error("an instruction that is not supported")),
    }
}

/// Takes `.rn` where the type is a float, which is exact arithmetic's only rounding here.
fn rounding(builder: &Builder<'_>, written: &mut Written<'_>, required: bool) -> Result<()> {
    if written.take("rn") || !required {
        return Ok(());
    }
    Err(builder.error("only the rounding `.rn` is supported: other roundings and approximations differ between cards"))
}

/// A word source; of 16 bits, extended by its sign if the type is signed.
pub(super) fn word(builder: &mut Builder<'_>, of: Type, operand: &Operand<'_>) -> Result<Slot> {
    let a = builder.word(operand)?;
    if of.bits() != 16 || !of.is_signed() {
        return Ok(a);
    }
    let d = builder.new_word()?;
    builder.emit(Op::Unary32 {
        f: Unary32::Sign16,
        d,
        a,
    });
    Ok(d)
}

/// Registers of 16 bits have zeros above.
pub(super) fn trim(builder: &mut Builder<'_>, of: Type, d: Slot) {
    if of.bits() == 16 {
        builder.emit(Op::Unary32 {
            f: Unary32::Zero16,
            d,
            a: d,
        });
    }
}

fn unary(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    use Type::Float;
    let name = written.name;
    rounding(builder, &mut written, matches!(name, "sqrt" | "rcp"))?;
    let of = written.take_type(builder)?;
    written.check(builder, 2)?;
    let (to, from) = (&written.operands[0], &written.operands[1]);
    if of == Type::Pred && name == "not" {
        let Operand::Name(target) = to else {
            return Err(builder.error("expected a predicate"));
        };
        let (d, (a, flip)) = (builder.predicate_target(target)?, builder.predicate(from)?);
        builder.emit(Op::Predicate {
            f: Logic::And,
            flip_a: !flip,
            flip_b: false,
            d,
            a,
            b: TRUE,
        });
        return Ok(());
    }
    if of.bits() == 64 {
        let a = builder.long(from)?;
        if matches!(name, "popc" | "clz") {
            let f = if name == "popc" {
                Narrow::Popc
            } else {
                Narrow::Clz
            };
            let d = builder.word_target(to)?;
            builder.emit(Op::Narrow { f, d, a });
            return Ok(());
        }
        let f = match (name, of) {
            ("neg", Float(_)) => Unary64::NegF64,
            ("abs", Float(_)) => Unary64::AbsF64,
            ("sqrt", Float(_)) => Unary64::SqrtF64,
            ("rcp", Float(_)) => Unary64::RecipF64,
            ("neg", _) => Unary64::Neg,
            ("abs", _) => Unary64::Abs,
            ("not", _) => Unary64::Not,
            ("brev", _) => Unary64::Brev,
            _ => return Err(builder.error("an operation on this type that is not supported")),
        };
        let d = builder.long_target(to)?;
        builder.emit(Op::Unary64 { f, d, a });
        return Ok(());
    }
    let f = match (name, of) {
        ("neg", Float(32)) => Unary32::NegF32,
        ("abs", Float(32)) => Unary32::AbsF32,
        ("sqrt", Float(32)) => Unary32::SqrtF32,
        ("rcp", Float(32)) => Unary32::RecipF32,
        ("neg", _) if of.is_integer() => Unary32::Neg,
        ("abs", _) if of.is_integer() => Unary32::Abs,
        ("not", _) if of.is_integer() => Unary32::Not,
        ("popc", _) if of.bits() == 32 => Unary32::Popc,
        ("clz", _) if of.bits() == 32 => Unary32::Clz,
        ("brev", _) if of.bits() == 32 => Unary32::Brev,
        _ => return Err(builder.error("an operation on this type that is not supported")),
    };
    let a = word(builder, of, from)?;
    let d = builder.word_target(to)?;
    builder.emit(Op::Unary32 { f, d, a });
    trim(builder, of, d);
    Ok(())
}

fn binary(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let name = written.name;
    let high = written.take("hi");
    written.take("lo");
    let divides_floats = name == "div" && (written.has("f32") || written.has("f64"));
    rounding(builder, &mut written, divides_floats)?;
    let of = written.take_type(builder)?;
    written.check(builder, 3)?;
    let [to, a, b] = &written.operands[..] else {
        return Err(builder.error("expected three operands"));
    };
    if of == Type::Pred {
        return predicate(builder, name, to, (a, b));
    }
    if matches!(name, "div" | "rem") && of.is_integer() {
        return divide(builder, name == "div", of, &written.operands);
    }
    if of.bits() == 64 {
        let f = binary64(name, of, high)
            .ok_or_else(|| builder.error("an operation on this type that is not supported"))?;
        let (d, a, b) = (builder.long_target(to)?, builder.long(a)?, builder.long(b)?);
        builder.emit(Op::Binary64 { f, d, a, b });
        return Ok(());
    }
    let f = binary32(name, of, high)
        .ok_or_else(|| builder.error("an operation on this type that is not supported"))?;
    let (a, b) = (word(builder, of, a)?, word(builder, of, b)?);
    let d = builder.word_target(to)?;
    // PTX names the source of the sign first.
    let (a, b) = if f == Binary32::CopysignF32 {
        (b, a)
    } else {
        (a, b)
    };
    builder.emit(Op::Binary32 { f, d, a, b });
    trim(builder, of, d);
    Ok(())
}

fn binary32(name: &str, of: Type, high: bool) -> Option<Binary32> {
    let signed = of.is_signed();
    if of == Type::Float(32) {
        return Some(match name {
            "add" => Binary32::AddF32,
            "sub" => Binary32::SubF32,
            "mul" => Binary32::MulF32,
            "div" => Binary32::DivF32,
            "min" => Binary32::MinF32,
            "max" => Binary32::MaxF32,
            "copysign" => Binary32::CopysignF32,
            _ => return None,
        });
    }
    if !of.is_integer() || of.bits() < 16 || (high && of.bits() != 32) {
        return None;
    }
    Some(match name {
        "add" => Binary32::Add,
        "sub" => Binary32::Sub,
        "mul" if high && signed => Binary32::MulHiS,
        "mul" if high => Binary32::MulHiU,
        "mul" => Binary32::MulLo,
        "min" if signed => Binary32::MinS,
        "min" => Binary32::MinU,
        "max" if signed => Binary32::MaxS,
        "max" => Binary32::MaxU,
        "and" => Binary32::And,
        "or" => Binary32::Or,
        "xor" => Binary32::Xor,
        _ => return None,
    })
}

fn binary64(name: &str, of: Type, high: bool) -> Option<Binary64> {
    let signed = of.is_signed();
    if of == Type::Float(64) {
        return Some(match name {
            "add" => Binary64::AddF64,
            "sub" => Binary64::SubF64,
            "mul" => Binary64::MulF64,
            "div" => Binary64::DivF64,
            "min" => Binary64::MinF64,
            "max" => Binary64::MaxF64,
            _ => return None,
        });
    }
    Some(match name {
        "add" => Binary64::Add,
        "sub" => Binary64::Sub,
        "mul" if high && signed => Binary64::MulHiS,
        "mul" if high => Binary64::MulHiU,
        "mul" => Binary64::MulLo,
        "min" if signed => Binary64::MinS,
        "min" => Binary64::MinU,
        "max" if signed => Binary64::MaxS,
        "max" => Binary64::MaxU,
        "and" => Binary64::And,
        "or" => Binary64::Or,
        "xor" => Binary64::Xor,
        _ => return None,
    })
}

fn divide(
    builder: &mut Builder<'_>,
    quotient: bool,
    of: Type,
    operands: &[Operand<'_>],
) -> Result<()> {
    let f = match (quotient, of.is_signed()) {
        (true, true) => Divide::QuotientS,
        (true, false) => Divide::QuotientU,
        (false, true) => Divide::RemainderS,
        (false, false) => Divide::RemainderU,
    };
    if of.bits() == 64 {
        let (a, b) = (builder.long(&operands[1])?, builder.long(&operands[2])?);
        let d = builder.long_target(&operands[0])?;
        builder.emit(Op::Divide64 { f, d, a, b });
        return Ok(());
    }
    let (a, b) = (
        word(builder, of, &operands[1])?,
        word(builder, of, &operands[2])?,
    );
    let d = builder.word_target(&operands[0])?;
    builder.emit(Op::Divide32 { f, d, a, b });
    trim(builder, of, d);
    Ok(())
}

/// `mul.wide`, `mad` and `fma`.
fn ternary(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let wide = written.take("wide");
    let low = written.take("lo");
    let float = written.has("f32") || written.has("f64");
    rounding(builder, &mut written, float)?;
    let of = written.take_type(builder)?;
    written.check(builder, if written.name == "mul" { 3 } else { 4 })?;
    match (&written.operands[..], of.bits()) {
        ([to, a, b, c @ ..], 16 | 32) if wide && of.is_integer() => {
            wide_product(builder, of, to, [a, b], c)
        }
        ([to, a, b, c], 16 | 32)
            if (float && of == Type::Float(32)) || (low && of.is_integer()) =>
        {
            let f = if float {
                Ternary32::FmaF32
            } else {
                Ternary32::MadLo
            };
            let (a, b, c) = (builder.word(a)?, builder.word(b)?, builder.word(c)?);
            let d = builder.word_target(to)?;
            builder.emit(Op::Ternary32 { f, d, a, b, c });
            trim(builder, of, d);
            Ok(())
        }
        ([to, a, b, c], 64) if float || low => {
            let f = if float {
                Ternary64::FmaF64
            } else {
                Ternary64::MadLo
            };
            let (a, b, c) = (builder.long(a)?, builder.long(b)?, builder.long(c)?);
            let d = builder.long_target(to)?;
            builder.emit(Op::Ternary64 { f, d, a, b, c });
            Ok(())
        }
        _ => Err(builder.error("a multiplication of this type that is not supported")),
    }
}

/// A product of twice the width of its factors, with a summand if there is one.
fn wide_product(
    builder: &mut Builder<'_>,
    of: Type,
    to: &Operand<'_>,
    factors: [&Operand<'_>; 2],
    summand: &[Operand<'_>],
) -> Result<()> {
    let signed = of.is_signed();
    let (a, b) = (
        word(builder, of, factors[0])?,
        word(builder, of, factors[1])?,
    );
    let op = match (of.bits(), summand) {
        (16, [c, ..]) => {
            let (c, d) = (builder.word(c)?, builder.word_target(to)?);
            Op::Ternary32 {
                f: Ternary32::MadLo,
                d,
                a,
                b,
                c,
            }
        }
        (16, []) => Op::Binary32 {
            f: Binary32::MulLo,
            d: builder.word_target(to)?,
            a,
            b,
        },
        (_, [c, ..]) => {
            let (c, d) = (builder.long(c)?, builder.long_target(to)?);
            Op::MadWide { signed, d, a, b, c }
        }
        (_, []) => Op::MulWide {
            signed,
            d: builder.long_target(to)?,
            a,
            b,
        },
    };
    builder.emit(op);
    Ok(())
}
