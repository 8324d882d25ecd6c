//! Loads, stores, atomic operations and copies.

use super::Result;
use super::builder::Builder;
use super::control::parts;
use super::instruction::Written;
use super::operand::{Operand, Type};
use crate::isa::{Access, Atomic, AtomicAccess, CopyAsync, LoadMatrix, Op, Slot, Space, Widen};

pub(super) fn decode(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    match written.name {
        "ld" | "ldu" => load(builder, written),
        "st" => store(builder, written),
        "atom" | "red" => atomic(builder, written),
        "cp" => copy(builder, written),
        "ldmatrix" => load_matrix(builder, written),
        "prefetch" => {
            builder.emit(Op::Nothing);
            Ok(())
        }
        _ => {
            // Blocks run one after the other and warps between barriers: every order of memory that a fence demands holds.
            while written.take_first().is_some() {}
            written.check(builder, 0)?;
            builder.emit(Op::Nothing);
            Ok(())
        }
    }
}

/// Takes the space and the hints for caches.
fn space(written: &mut Written<'_>) -> Space {
    let hints = [
        "ca",
        "cg",
        "cs",
        "lu",
        "cv",
        "wb",
        "wt",
        "nc",
        "L1::no_allocate",
        "L1::evict_last",
        "L1::evict_first",
    ];
    let more = [
        "L1::evict_normal",
        "L1::evict_unchanged",
        "L2::64B",
        "L2::128B",
        "L2::256B",
        "weak",
        "volatile",
        "relaxed",
        "gpu",
        "cta",
    ];
    while written
        .take_any(&hints)
        .or_else(|| written.take_any(&more))
        .is_some()
    {}
    match written.take_any(&["global", "shared", "shared::cta", "local", "param", "const"]) {
        Some("global") => Space::Global,
        Some("shared" | "shared::cta") => Space::Shared,
        Some("local") => Space::Local,
        Some("param") => Space::Param,
        Some("const") => Space::Const,
        _ => Space::Generic,
    }
}

/// The registers of a load or store in braces or alone.
fn registers<'o, 'a>(operand: &'o Operand<'a>) -> &'o [Operand<'a>] {
    match operand {
        Operand::Vector(parts) => parts,
        one => std::slice::from_ref(one),
    }
}

/// Address and shape of a load or store; the registers are to be filled in.
fn access(builder: &mut Builder<'_>, written: &mut Written<'_>, address: usize) -> Result<Access> {
    let space = space(written);
    let vector = written.take_any(&["v2", "v4"]);
    let of = written.take_type(builder)?;
    written.check(builder, 2)?;
    let (base, offset) = builder.address(&written.operands[address])?;
    let count = match vector {
        None => 1,
        Some("v2") => 2,
        _ => 4,
    };
    let width = of.bits() / 8;
    if registers(&written.operands[1 - address]).len() != count
        || width * count as u32 > 16
        || of == Type::Pred
    {
        return Err(builder
            .error("a vector of another length than the instruction's, or of more than 16 bytes"));
    }
    Ok(Access {
        space,
        base,
        offset,
        width,
        count,
        signed: of.is_signed(),
        long: of.bits() == 64,
        registers: [0; 4],
    })
}

fn load(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let mut access = access(builder, &mut written, 1)?;
    let mut widened = Vec::new();
    for (index, target) in registers(&written.operands[0]).iter().enumerate() {
        access.registers[index] = if access.long {
            builder.long_target(target)?
        } else if builder.is_long(target) {
            // A register may be wider than what is loaded.
            let word = builder.new_word()?;
            widened.push((builder.long_target(target)?, word));
            word
        } else {
            builder.word_target(target)?
        };
    }
    let f = if access.signed {
        Widen::Sign
    } else {
        Widen::Zero
    };
    let param = access.space == Space::Param;
    let index = push(builder, access)?;
    builder.emit(if param {
        Op::LoadParam(index)
    } else {
        Op::Load(index)
    });
    for (d, a) in widened {
        builder.emit(Op::Widen { f, d, a });
    }
    Ok(())
}

fn store(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let mut access = access(builder, &mut written, 0)?;
    if matches!(access.space, Space::Param | Space::Const) {
        return Err(builder.error("a store to parameters or constants"));
    }
    // A register may be wider than what is stored.
    let wide = !access.long
        && registers(&written.operands[1])
            .iter()
            .any(|source| builder.is_long(source));
    access.long |= wide;
    for (index, source) in registers(&written.operands[1]).iter().enumerate() {
        access.registers[index] = if access.long {
            builder.long(source)?
        } else {
            builder.word(source)?
        };
    }
    let index = push(builder, access)?;
    builder.emit(Op::Store(index));
    Ok(())
}

fn index(builder: &Builder<'_>, length: usize) -> Result<u16> {
    u16::try_from(length - 1)
        .map_err(|_| builder.error("more than 65,536 instructions of this kind"))
}

fn push(builder: &mut Builder<'_>, access: Access) -> Result<u16> {
    builder.kernel.accesses.push(access);
    index(builder, builder.kernel.accesses.len())
}

fn atomic(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let returns = written.name == "atom";
    for hint in ["relaxed", "acq_rel", "acquire", "release", "sys"] {
        written.take(hint);
    }
    let space = space(&mut written);
    let of = written.take_type(builder)?;
    let f = match (written.take_first(), of) {
        (Some("add"), Type::Float(32)) => Atomic::AddF32,
        (Some("add"), _) if of.is_integer() => Atomic::Add,
        (Some("min"), Type::Signed(_)) => Atomic::MinS,
        (Some("min"), Type::Unsigned(_)) => Atomic::MinU,
        (Some("max"), Type::Signed(_)) => Atomic::MaxS,
        (Some("max"), Type::Unsigned(_)) => Atomic::MaxU,
        (Some("and"), Type::Bits(_)) => Atomic::And,
        (Some("or"), Type::Bits(_)) => Atomic::Or,
        (Some("xor"), Type::Bits(_)) => Atomic::Xor,
        (Some("exch"), Type::Bits(_)) => Atomic::Exchange,
        (Some("cas"), Type::Bits(_)) => Atomic::CompareExchange,
        _ => return Err(builder.error("an atomic operation that is not supported")),
    };
    if !matches!(of.bits(), 32 | 64) {
        return Err(builder.error("atomic operations are supported on 32 and 64 bits"));
    }
    let first = usize::from(returns);
    written.check(
        builder,
        first + 2 + usize::from(f == Atomic::CompareExchange),
    )?;
    let (base, offset) = builder.address(&written.operands[first])?;
    let long = of.bits() == 64;
    let target = if returns {
        written.operands[0].clone()
    } else {
        Operand::Name("_")
    };
    let d = if long {
        builder.long_target(&target)?
    } else {
        builder.word_target(&target)?
    };
    let mut source = |index: usize| {
        let operand = &written.operands[index.min(written.operands.len() - 1)];
        if long {
            builder.long(operand)
        } else {
            builder.word(operand)
        }
    };
    let (b, c): (Slot, Slot) = (source(first + 1)?, source(first + 2)?);
    let access = Access {
        space,
        base,
        offset,
        width: of.bits() / 8,
        count: 1,
        signed: false,
        long,
        registers: [d; 4],
    };
    builder
        .kernel
        .atomics
        .push(AtomicAccess { access, f, b, c });
    let index = index(builder, builder.kernel.atomics.len())?;
    builder.emit(Op::Atomic(index));
    Ok(())
}

fn copy(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    if !written.take("async") {
        return Err(builder.error("only `cp.async` is supported"));
    }
    if written.take("commit_group") {
        written.check(builder, 0)?;
        builder.emit(Op::CommitCopies);
        return Ok(());
    }
    if written.take("wait_all") {
        written.check(builder, 0)?;
        builder.emit(Op::WaitCopies { pending: u32::MAX });
        return Ok(());
    }
    if written.take("wait_group") {
        written.check(builder, 1)?;
        let pending = builder.immediate(&written.operands[0])? as u32;
        builder.emit(Op::WaitCopies { pending });
        return Ok(());
    }
    written.take_any(&["ca", "cg"]);
    let spaces = written.take_any(&["shared", "shared::cta"]).is_some() && written.take("global");
    written.take_any(&["L2::64B", "L2::128B", "L2::256B"]);
    let count = written.operands.len().clamp(3, 4);
    written.check(builder, count)?;
    let (to, to_offset) = builder.address(&written.operands[0])?;
    let (from, from_offset) = builder.address(&written.operands[1])?;
    let bytes = builder.immediate(&written.operands[2])? as u32;
    if !spaces || !matches!(bytes, 4 | 8 | 16) {
        return Err(builder
            .error("only copies of 4, 8 or 16 bytes from global to shared memory are supported"));
    }
    let size = written
        .operands
        .get(3)
        .map(|size| builder.word(size))
        .transpose()?;
    builder.kernel.copies.push(CopyAsync {
        to,
        to_offset,
        from,
        from_offset,
        bytes,
        size,
    });
    let index = index(builder, builder.kernel.copies.len())?;
    builder.emit(Op::CopyAsync(index));
    Ok(())
}

fn load_matrix(builder: &mut Builder<'_>, mut written: Written<'_>) -> Result<()> {
    let shape = ["sync", "aligned", "m8n8"]
        .iter()
        .all(|word| written.take(word));
    let count = match written.take_any(&["x1", "x2", "x4"]) {
        Some("x1") => 1,
        Some("x2") => 2,
        _ => 4,
    };
    let transposed = written.take("trans");
    let rest = written.take_any(&["shared", "shared::cta"]).is_some() && written.take("b16");
    written.check(builder, 2)?;
    let targets = parts(builder, &written.operands[0])?;
    if !shape || !rest || targets.len() != count {
        return Err(builder.error("only ldmatrix.sync.aligned.m8n8.shared.b16 is supported, with as many registers as matrices"));
    }
    let mut d = [0; 4];
    for (slot, target) in d.iter_mut().zip(targets) {
        *slot = builder.word_target(target)?;
    }
    let (base, offset) = builder.address(&written.operands[1])?;
    builder.kernel.matrix_loads.push(LoadMatrix {
        base,
        offset,
        count,
        transposed,
        d,
    });
    let index = index(builder, builder.kernel.matrix_loads.len())?;
    builder.emit(Op::LoadMatrix(index));
    Ok(())
}
