//! Branches, barriers, and instructions of a whole warp.

use super::Result;
use super::builder::Builder;
use super::instruction::Written;
use super::operand::Operand;
use crate::isa::{Atomic, Half, Mma, Op, SINK, Shuffle, ShuffleMode, Slot, Vote};

pub(super) fn decode(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    match written.name {
        "bra" => {
            written.take("uni");
            written.check(builder, 1)?;
            let Operand::Name(label) = written.operands[0] else {
                return Err(builder.error("expected a label"));
            };
            builder.emit_branch(label);
        }
        "brx" => {
            written.take("idx");
            written.take("uni");
            written.check(builder, 2)?;
            let Operand::Name(name) = written.operands[1] else {
                return Err(builder.error("expected a branch table"));
            };
            let table = builder.branch_table(name)?;
            let a = builder.word(&written.operands[0])?;
            builder.emit(Op::BranchIndexed { a, table });
        }
        "ret" | "exit" => {
            written.take("uni");
            written.check(builder, 0)?;
            builder.emit(Op::Exit);
        }
        "trap" => builder.emit(Op::Trap),
        "nop" => builder.emit(Op::Nothing),
        "bar" | "barrier" => barrier(builder, written)?,
        "shfl" => shuffle(builder, written)?,
        "vote" => vote(builder, written)?,
        "activemask" => {
            written.take("b32");
            written.check(builder, 1)?;
            let d = builder.word_target(&written.operands[0])?;
            builder.emit(Op::ActiveMask { d });
        }
        "redux" => reduce(builder, written)?,
        _ => product(builder, written)?,
    }
    Ok(())
}

fn barrier(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    if written.take("warp") {
        written.take("sync");
        written.check(builder, 1)?;
        let members = builder.word(&written.operands[0])?;
        builder.emit(Op::WarpBarrier { members });
        return Ok(());
    }
    written.take("cta");
    written.take("aligned");
    if !written.take("sync") {
        return Err(builder.error("only `bar.sync 0` and `bar.warp.sync` are supported"));
    }
    written.check(builder, 1)?;
    if written.operands[0] != Operand::Number(0) {
        return Err(builder.error("only barrier 0 is supported"));
    }
    builder.emit(Op::Barrier);
    Ok(())
}

fn shuffle(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    if !written.take("sync") {
        return Err(builder.error("`shfl` without `.sync`"));
    }
    let mode = match written.take_any(&["up", "down", "bfly", "idx"]) {
        Some("up") => ShuffleMode::Up,
        Some("down") => ShuffleMode::Down,
        Some("bfly") => ShuffleMode::Butterfly,
        _ => ShuffleMode::Index,
    };
    written.take("b32");
    written.check(builder, 5)?;
    let (d, valid) = match written.operands[0] {
        Operand::Pair(d, valid) => (
            builder.word_target(&Operand::Name(d))?,
            builder.predicate_target(valid)?,
        ),
        ref d => (builder.word_target(d)?, SINK),
    };
    let [a, b, c, members] = words(builder, &written.operands[1..])?;
    builder.kernel.shuffles.push(Shuffle {
        mode,
        d,
        valid,
        a,
        b,
        c,
        members,
    });
    builder.emit(Op::Shuffle(builder.kernel.shuffles.len() as u16 - 1));
    Ok(())
}

fn vote(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    if !written.take("sync") {
        return Err(builder.error("`vote` without `.sync`"));
    }
    let f = match written.take_any(&["any", "all", "uni", "ballot"]) {
        Some("any") => Vote::Any,
        Some("all") => Vote::All,
        Some("uni") => Vote::Uniform,
        _ => Vote::Ballot,
    };
    written.take_any(&["pred", "b32"]);
    written.check(builder, 3)?;
    let d = match written.operands[0] {
        ref d if f == Vote::Ballot => builder.word_target(d)?,
        Operand::Name(name) => builder.predicate_target(name)?,
        _ => return Err(builder.error("expected a predicate")),
    };
    let (a, flip) = builder.predicate(&written.operands[1])?;
    let members = builder.word(&written.operands[2])?;
    builder.emit(Op::Vote {
        f,
        flip,
        d,
        a,
        members,
    });
    Ok(())
}

fn reduce(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    written.take("sync");
    let of = written.take_any(&["u32", "s32", "b32"]);
    let signed = of == Some("s32");
    let f = match written.take_first() {
        Some("add") => Atomic::Add,
        Some("min") if signed => Atomic::MinS,
        Some("min") => Atomic::MinU,
        Some("max") if signed => Atomic::MaxS,
        Some("max") => Atomic::MaxU,
        Some("and") => Atomic::And,
        Some("or") => Atomic::Or,
        Some("xor") => Atomic::Xor,
        _ => return Err(builder.error("a reduction that is not supported")),
    };
    written.check(builder, 3)?;
    let d = builder.word_target(&written.operands[0])?;
    let [a, members] = words(builder, &written.operands[1..])?;
    builder.emit(Op::Reduce { f, d, a, members });
    Ok(())
}

fn product(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let shape = ["sync", "aligned", "m16n8k16", "row", "col", "f32"];
    let known = shape.iter().all(|word| written.take(word)) && written.take("f32");
    let half = match (written.take_first(), written.take_first()) {
        (Some("f16"), Some("f16")) if known => Half::F16,
        (Some("bf16"), Some("bf16")) if known => Half::Bf16,
        _ => return Err(builder.error("only mma.m16n8k16.row.col.f32 of f16 or bf16 is supported")),
    };
    written.check(builder, 4)?;
    let d = parts(builder, &written.operands[0])?;
    let mut targets = [0; 4];
    for (slot, part) in targets.iter_mut().zip(fixed::<4>(builder, d)?) {
        *slot = builder.word_target(part)?;
    }
    let (a, b) = (
        parts(builder, &written.operands[1])?,
        parts(builder, &written.operands[2])?,
    );
    let c = parts(builder, &written.operands[3])?;
    let product = Mma {
        half,
        d: targets,
        a: words(builder, a)?,
        b: words(builder, b)?,
        c: words(builder, c)?,
    };
    builder.kernel.products.push(product);
    builder.emit(Op::Mma(builder.kernel.products.len() as u16 - 1));
    Ok(())
}

/// Parts of a vector operand.
pub(super) fn parts<'o, 'a>(
    builder: &Builder<'_>,
    operand: &'o Operand<'a>,
) -> Result<&'o [Operand<'a>]> {
    match operand {
        Operand::Vector(parts) => Ok(parts),
        _ => Err(builder.error("expected registers in braces")),
    }
}

fn fixed<'o, const N: usize>(
    builder: &Builder<'_>,
    parts: &'o [Operand<'o>],
) -> Result<&'o [Operand<'o>; N]> {
    parts.try_into().map_err(|_| {
        builder.error(&format!(
            "{} registers in braces, expected {N}",
            parts.len()
        ))
    })
}

fn words<const N: usize>(builder: &mut Builder<'_>, operands: &[Operand<'_>]) -> Result<[Slot; N]> {
    let operands = fixed::<N>(builder, operands)?;
    let mut slots = [0; N];
    for (slot, operand) in slots.iter_mut().zip(operands) {
        *slot = builder.word(operand)?;
    }
    Ok(slots)
}
