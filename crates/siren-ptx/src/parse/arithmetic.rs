//! Integer and floating-point arithmetic, logic, comparisons, selections.

use super::Result;
use super::builder::Builder;
use super::instruction::Written;
use super::operand::{Operand, Type};
use crate::isa::{
    Binary32, Binary64, Comparand, Divide, Logic, Narrow, Op, Relation, SINK, Shift, Slot, TRUE,
    Ternary32, Ternary64, Test, Unary32, Unary64,
};

pub(super) fn decode(builder: &mut Builder<'_>, written: Written<'_>) -> Result<()> {
    match written.name {
        "add" | "sub" | "min" | "max" | "and" | "or" | "xor" | "copysign" => {
            binary(builder, written)
        }
        "mul" | "div" | "rem" if !written.has("wide") => binary(builder, written),
        "mul" | "mad" | "fma" => ternary(builder, written),
        "neg" | "abs" | "not" | "sqrt" | "rcp" | "popc" | "clz" | "brev" => unary(builder, written),
        "shl" | "shr" => shift(builder, written),
        "setp" | "set" => compare(builder, written),
        "selp" => select(builder, written),
        "lop3" | "prmt" | "shf" | "bfe" | "bfi" => bits(builder, written),
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
fn word(builder: &mut Builder<'_>, of: Type, operand: &Operand<'_>) -> Result<Slot> {
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
fn trim(builder: &mut Builder<'_>, of: Type, d: Slot) {
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

fn logic(name: &str) -> Option<Logic> {
    match name {
        "and" => Some(Logic::And),
        "or" => Some(Logic::Or),
        "xor" => Some(Logic::Xor),
        _ => None,
    }
}

fn predicate(
    builder: &mut Builder<'_>,
    name: &str,
    to: &Operand<'_>,
    sources: (&Operand<'_>, &Operand<'_>),
) -> Result<()> {
    let Some(f) = logic(name) else {
        return Err(builder.error("an operation on predicates that is not supported"));
    };
    let Operand::Name(target) = to else {
        return Err(builder.error("expected a predicate"));
    };
    let d = builder.predicate_target(target)?;
    let ((a, flip_a), (b, flip_b)) = (builder.predicate(sources.0)?, builder.predicate(sources.1)?);
    builder.emit(Op::Predicate {
        f,
        flip_a,
        flip_b,
        d,
        a,
        b,
    });
    Ok(())
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
    let operands = &written.operands;
    if wide && of.bits() == 16 {
        let (a, b) = (
            word(builder, of, &operands[1])?,
            word(builder, of, &operands[2])?,
        );
        let d = builder.word_target(&operands[0])?;
        let op = if let Some(c) = operands.get(3) {
            Op::Ternary32 {
                f: Ternary32::MadLo,
                d,
                a,
                b,
                c: builder.word(c)?,
            }
        } else {
            Op::Binary32 {
                f: Binary32::MulLo,
                d,
                a,
                b,
            }
        };
        builder.emit(op);
        return Ok(());
    }
    if wide && of.bits() == 32 && of.is_integer() {
        let signed = of.is_signed();
        let (d, a, b) = (
            builder.long_target(&operands[0])?,
            builder.word(&operands[1])?,
            builder.word(&operands[2])?,
        );
        let op = match operands.get(3) {
            Some(c) => Op::MadWide {
                signed,
                d,
                a,
                b,
                c: builder.long(c)?,
            },
            None => Op::MulWide { signed, d, a, b },
        };
        builder.emit(op);
        return Ok(());
    }
    let op = match of {
        Type::Float(32) | Type::Bits(32) | Type::Unsigned(16 | 32) | Type::Signed(16 | 32)
            if float || low =>
        {
            let f = if float {
                Ternary32::FmaF32
            } else {
                Ternary32::MadLo
            };
            let (a, b, c) = (
                builder.word(&operands[1])?,
                builder.word(&operands[2])?,
                builder.word(&operands[3])?,
            );
            Op::Ternary32 {
                f,
                d: builder.word_target(&operands[0])?,
                a,
                b,
                c,
            }
        }
        Type::Float(64) | Type::Unsigned(64) | Type::Signed(64) if float || low => {
            let f = if float {
                Ternary64::FmaF64
            } else {
                Ternary64::MadLo
            };
            let (a, b, c) = (
                builder.long(&operands[1])?,
                builder.long(&operands[2])?,
                builder.long(&operands[3])?,
            );
            Op::Ternary64 {
                f,
                d: builder.long_target(&operands[0])?,
                a,
                b,
                c,
            }
        }
        _ => return Err(builder.error("a multiplication of this type that is not supported")),
    };
    builder.emit(op);
    if let Op::Ternary32 { d, .. } = op {
        trim(builder, of, d);
    }
    Ok(())
}

fn shift(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let left = written.name == "shl";
    let of = written.take_type(builder)?;
    written.check(builder, 3)?;
    let [to, a, b] = &written.operands[..] else {
        return Err(builder.error("expected three operands"));
    };
    let b = builder.word(b)?;
    let signed = of.is_signed();
    if of.bits() == 64 {
        let f = match (left, signed) {
            (true, _) => Shift::Left,
            (false, true) => Shift::RightS,
            (false, false) => Shift::RightU,
        };
        let (d, a) = (builder.long_target(to)?, builder.long(a)?);
        builder.emit(Op::Shift64 { f, d, a, b });
        return Ok(());
    }
    let f = match (left, signed) {
        (true, _) => Binary32::Shl,
        (false, true) => Binary32::ShrS,
        (false, false) => Binary32::ShrU,
    };
    let a = word(builder, of, a)?;
    let d = builder.word_target(to)?;
    builder.emit(Op::Binary32 { f, d, a, b });
    trim(builder, of, d);
    Ok(())
}

fn relation(name: &str, float: bool) -> Option<Relation> {
    Some(match name {
        "eq" => Relation::Eq,
        "ne" => Relation::Ne,
        "lt" | "lo" => Relation::Lt,
        "le" | "ls" => Relation::Le,
        "gt" | "hi" => Relation::Gt,
        "ge" | "hs" => Relation::Ge,
        "equ" if float => Relation::EqU,
        "neu" if float => Relation::NeU,
        "ltu" if float => Relation::LtU,
        "leu" if float => Relation::LeU,
        "gtu" if float => Relation::GtU,
        "geu" if float => Relation::GeU,
        "num" if float => Relation::Num,
        "nan" if float => Relation::Nan,
        _ => return None,
    })
}

fn test(builder: &Builder<'_>, name: &str, of: Type) -> Result<Test> {
    let kind = match of {
        Type::Float(32) => Comparand::F32,
        Type::Float(64) => Comparand::F64,
        Type::Signed(64) => Comparand::S64,
        Type::Signed(_) => Comparand::S32,
        Type::Bits(64) | Type::Unsigned(64) => Comparand::U64,
        Type::Bits(_) | Type::Unsigned(_) => Comparand::U32,
        _ => return Err(builder.error("a comparison of this type is not supported")),
    };
    let float = matches!(of, Type::Float(_));
    let relation =
        relation(name, float).ok_or_else(|| builder.error("a comparison that is not supported"))?;
    Ok(Test { relation, kind })
}

/// `setp` to predicates, `set` to a word.
fn compare(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let to_word = written.name == "set";
    let name = written.take_first().unwrap_or("");
    let combine = written.take_any(&["and", "or", "xor"]).and_then(logic);
    let result = if to_word {
        Some(written.take_type(builder)?)
    } else {
        None
    };
    let of = written.take_type(builder)?;
    let test = test(builder, name, of)?;
    written.check(builder, if combine.is_some() { 4 } else { 3 })?;
    let operands = &written.operands;
    let (a, b) = if of.bits() == 64 {
        (builder.long(&operands[1])?, builder.long(&operands[2])?)
    } else {
        (
            word(builder, of, &operands[1])?,
            word(builder, of, &operands[2])?,
        )
    };
    let (c, flip) = if combine.is_some() {
        builder.predicate(&operands[3])?
    } else {
        (TRUE, false)
    };
    let combine = combine.unwrap_or(Logic::And);
    if let Some(result) = result {
        let d = builder.word_target(&operands[0])?;
        let p = builder.new_predicate()?;
        let (yes, no) = (
            if result == Type::Float(32) {
                0x3f80_0000
            } else {
                u32::MAX
            },
            builder.constant(0)?,
        );
        let yes = builder.constant(yes)?;
        builder.emit(Op::Compare {
            test,
            combine,
            flip,
            d: p,
            q: SINK,
            a,
            b,
            c,
        });
        builder.emit(Op::Select32 {
            d,
            a: yes,
            b: no,
            p,
        });
        return Ok(());
    }
    let (d, q) = match operands[0] {
        Operand::Pair(d, q) => (builder.predicate_target(d)?, builder.predicate_target(q)?),
        Operand::Name(d) => (builder.predicate_target(d)?, SINK),
        _ => return Err(builder.error("expected a predicate")),
    };
    builder.emit(Op::Compare {
        test,
        combine,
        flip,
        d,
        q,
        a,
        b,
        c,
    });
    Ok(())
}

fn select(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let of = written.take_type(builder)?;
    written.check(builder, 4)?;
    let [to, a, b, p] = &written.operands[..] else {
        return Err(builder.error("expected four operands"));
    };
    let (p, flip) = builder.predicate(p)?;
    let (a, b) = if flip { (b, a) } else { (a, b) };
    let op = if of.bits() == 64 {
        Op::Select64 {
            d: builder.long_target(to)?,
            a: builder.long(a)?,
            b: builder.long(b)?,
            p,
        }
    } else {
        Op::Select32 {
            d: builder.word_target(to)?,
            a: builder.word(a)?,
            b: builder.word(b)?,
            p,
        }
    };
    builder.emit(op);
    Ok(())
}

/// A word with the position and `length << 8` of a field.
fn field(builder: &mut Builder<'_>, position: &Operand<'_>, length: &Operand<'_>) -> Result<Slot> {
    if let (Operand::Number(position), Operand::Number(length)) = (position, length) {
        return builder.constant((*position as u32 & 255) | (*length as u32 & 255) << 8);
    }
    let (position, length) = (builder.word(position)?, builder.word(length)?);
    let (mask, eight) = (builder.constant(255)?, builder.constant(8)?);
    let (low, place) = (builder.new_word()?, builder.new_word()?);
    builder.emit(Op::Binary32 {
        f: Binary32::And,
        d: low,
        a: position,
        b: mask,
    });
    builder.emit(Op::Binary32 {
        f: Binary32::Shl,
        d: place,
        a: length,
        b: eight,
    });
    builder.emit(Op::Binary32 {
        f: Binary32::Or,
        d: place,
        a: place,
        b: low,
    });
    Ok(place)
}

/// `bfe` and `bfi`.
fn bit_field(builder: &mut Builder<'_>, of: Type, operands: &[Operand<'_>]) -> Result<()> {
    let (signed, last) = (of.is_signed(), operands.len() - 1);
    let place = field(builder, &operands[last - 1], &operands[last])?;
    let op = match (of.bits(), operands) {
        (32, [to, a, base, _, _]) => {
            let (d, a, b) = (
                builder.word_target(to)?,
                builder.word(a)?,
                builder.word(base)?,
            );
            Op::Ternary32 {
                f: Ternary32::Insert,
                d,
                a,
                b,
                c: place,
            }
        }
        (64, [to, a, base, _, _]) => Op::Insert64 {
            d: builder.long_target(to)?,
            a: builder.long(a)?,
            base: builder.long(base)?,
            place,
        },
        (32, [to, a, _, _]) => {
            let f = if signed {
                Ternary32::BfeS
            } else {
                Ternary32::BfeU
            };
            Op::Ternary32 {
                f,
                d: builder.word_target(to)?,
                a: builder.word(a)?,
                b: place,
                c: place,
            }
        }
        (64, [to, a, _, _]) => Op::Extract64 {
            signed,
            d: builder.long_target(to)?,
            a: builder.long(a)?,
            place,
        },
        _ => return Err(builder.error("only 32 and 64 bits are supported")),
    };
    builder.emit(op);
    Ok(())
}

/// Instructions on the bits of words.
fn bits(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let name = written.name;
    let direction = written.take_any(&["l", "r"]);
    let mode = written.take_any(&["wrap", "clamp"]);
    let of = written.take_type(builder)?;
    written.check(builder, if matches!(name, "lop3" | "bfi") { 5 } else { 4 })?;
    let operands = &written.operands;
    if matches!(name, "bfe" | "bfi") {
        return bit_field(builder, of, operands);
    }
    if of.bits() != 32 {
        return Err(builder.error("only 32 bits are supported"));
    }
    let d = builder.word_target(&operands[0])?;
    let (a, b, c) = (
        builder.word(&operands[1])?,
        builder.word(&operands[2])?,
        builder.word(&operands[3])?,
    );
    let f = match (name, direction, mode) {
        ("lop3", ..) => Ternary32::Lop3(builder.immediate(&operands[4])? as u8),
        ("prmt", ..) => Ternary32::Permute,
        ("shf", Some("l"), Some("wrap")) => Ternary32::FunnelLeft,
        ("shf", Some("r"), Some("wrap")) => Ternary32::FunnelRight,
        ("shf", Some("l"), Some("clamp")) => Ternary32::FunnelLeftClamp,
        ("shf", Some("r"), Some("clamp")) => Ternary32::FunnelRightClamp,
        _ => return Err(builder.error("a variant that is not supported")),
    };
    builder.emit(Op::Ternary32 { f, d, a, b, c });
    Ok(())
}
