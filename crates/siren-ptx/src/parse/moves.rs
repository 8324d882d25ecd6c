//! Moves between registers, and addresses of other spaces.

use super::Result;
use super::builder::Builder;
use super::control::parts;
use super::instruction::Written;
use super::operand::{Operand, Type};
use crate::isa::{Binary32, Logic, Op, TRUE, Unary32, Unary64};

/// `mov`.
pub(super) fn decode(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let of = written.take_type(builder)?;
    written.check(builder, 2)?;
    moved(builder, of, &written.operands[0], &written.operands[1])
}

fn moved(builder: &mut Builder<'_>, of: Type, to: &Operand<'_>, from: &Operand<'_>) -> Result<()> {
    match (to, from) {
        (Operand::Vector(_), _) => return unpack(builder, of, to, from),
        (_, Operand::Vector(_)) => return pack(builder, of, to, from),
        _ => {}
    }
    let op = match of.bits() {
        1 => {
            let Operand::Name(name) = to else {
                return Err(builder.error("expected a predicate"));
            };
            let d = builder.predicate_target(name)?;
            let (a, flip_a) = builder.predicate(from)?;
            Op::Predicate {
                f: Logic::And,
                flip_a,
                flip_b: false,
                d,
                a,
                b: TRUE,
            }
        }
        64 => Op::Unary64 {
            f: Unary64::Mov,
            d: builder.long_target(to)?,
            a: builder.long(from)?,
        },
        _ => Op::Unary32 {
            f: Unary32::Mov,
            d: builder.word_target(to)?,
            a: builder.word(from)?,
        },
    };
    builder.emit(op);
    Ok(())
}

/// `mov {lo, hi}, a`.
fn unpack(builder: &mut Builder<'_>, of: Type, to: &Operand<'_>, from: &Operand<'_>) -> Result<()> {
    let targets = parts(builder, to)?.to_vec();
    match (of.bits(), &targets[..]) {
        (32, [lo, hi]) => {
            let (a, lo, hi) = (
                builder.word(from)?,
                builder.word_target(lo)?,
                builder.word_target(hi)?,
            );
            let copy = builder.new_word()?;
            builder.emit(Op::Unary32 {
                f: Unary32::Mov,
                d: copy,
                a,
            });
            builder.emit(Op::Unary32 {
                f: Unary32::Zero16,
                d: lo,
                a: copy,
            });
            builder.emit(Op::Unary32 {
                f: Unary32::High16,
                d: hi,
                a: copy,
            });
        }
        (64, [lo, hi]) => {
            let a = builder.long(from)?;
            let (lo, hi) = (builder.word_target(lo)?, builder.word_target(hi)?);
            builder.emit(Op::Unpack64 { lo, hi, a });
        }
        (64, [..]) if targets.len() == 4 => {
            let a = builder.long(from)?;
            let (lo, hi) = (builder.new_word()?, builder.new_word()?);
            builder.emit(Op::Unpack64 { lo, hi, a });
            for (part, target) in targets.iter().enumerate() {
                let d = builder.word_target(target)?;
                let f = if part % 2 == 0 {
                    Unary32::Zero16
                } else {
                    Unary32::High16
                };
                builder.emit(Op::Unary32 {
                    f,
                    d,
                    a: if part < 2 { lo } else { hi },
                });
            }
        }
        _ => return Err(builder.error("a move to such a vector is not supported")),
    }
    Ok(())
}

/// `mov d, {lo, hi}`.
fn pack(builder: &mut Builder<'_>, of: Type, to: &Operand<'_>, from: &Operand<'_>) -> Result<()> {
    let sources = parts(builder, from)?.to_vec();
    match (of.bits(), &sources[..]) {
        (32, [lo, hi]) => {
            let (a, b, d) = (
                builder.word(lo)?,
                builder.word(hi)?,
                builder.word_target(to)?,
            );
            builder.emit(Op::Binary32 {
                f: Binary32::Pack16,
                d,
                a,
                b,
            });
        }
        (64, [lo, hi]) => {
            let (lo, hi, d) = (
                builder.word(lo)?,
                builder.word(hi)?,
                builder.long_target(to)?,
            );
            builder.emit(Op::Pack64 { d, lo, hi });
        }
        (64, [a, b, c, e]) => {
            let d = builder.long_target(to)?;
            let (lo, hi) = (builder.new_word()?, builder.new_word()?);
            let (a, b, c, e) = (
                builder.word(a)?,
                builder.word(b)?,
                builder.word(c)?,
                builder.word(e)?,
            );
            builder.emit(Op::Binary32 {
                f: Binary32::Pack16,
                d: lo,
                a,
                b,
            });
            builder.emit(Op::Binary32 {
                f: Binary32::Pack16,
                d: hi,
                a: c,
                b: e,
            });
            builder.emit(Op::Pack64 { d, lo, hi });
        }
        _ => return Err(builder.error("a move from such a vector is not supported")),
    }
    Ok(())
}

/// `cvta`.
pub(super) fn generic_address(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let to_space = written.take("to");
    let space = written.take_any(&["global", "const", "shared", "shared::cta", "local", "param"]);
    let of = written.take_type(builder)?;
    written.check(builder, 2)?;
    let f = match (space, to_space) {
        (Some("shared" | "shared::cta"), false) => Unary64::FromShared,
        (Some("shared" | "shared::cta"), true) => Unary64::ToShared,
        (Some("local"), false) => Unary64::FromLocal,
        (Some("local"), true) => Unary64::ToLocal,
        (Some("global" | "const"), _) => Unary64::Mov,
        _ => return Err(builder.error("an address of this space is not supported")),
    };
    if of.bits() != 64 {
        return Err(builder.error("addresses have 64 bits"));
    }
    let (d, a) = (
        builder.long_target(&written.operands[0])?,
        builder.long(&written.operands[1])?,
    );
    builder.emit(Op::Unary64 { f, d, a });
    Ok(())
}
