//! Predicates, comparisons, selections and bits.

use super::Result;
use super::arithmetic::{trim, word};
use super::builder::Builder;
use super::instruction::Written;
use super::operand::{Operand, Type};
use crate::isa::{
    Binary32, Comparand, Logic, Op, Relation, SINK, Shift, Slot, TRUE, Ternary32, Test,
};

fn logic(name: &str) -> Option<Logic> {
    match name {
        "and" => Some(Logic::And),
        "or" => Some(Logic::Or),
        "xor" => Some(Logic::Xor),
        _ => None,
    }
}

pub(super) fn predicate(
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

pub(super) fn shift(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
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
pub(super) fn compare(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
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
    let (d, q) = match operands[0] {
        _ if result.is_some() => (builder.new_predicate()?, SINK),
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
    let Some(result) = result else {
        return Ok(());
    };
    let yes = if result == Type::Float(32) {
        1.0_f32.to_bits()
    } else {
        u32::MAX
    };
    let (a, b) = (builder.constant(yes)?, builder.constant(0)?);
    let target = builder.word_target(&operands[0])?;
    builder.emit(Op::Select32 {
        d: target,
        a,
        b,
        p: d,
    });
    Ok(())
}

pub(super) fn select(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
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
pub(super) fn bits(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
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
