//! The registers of an instruction.

use crate::isa::{Access, AtomicAccess, Base, CopyAsync, LoadMatrix, Mma, Op, Shuffle, Slot};
use crate::module::Kernel;

/// File of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Word,
    Long,
    Predicate,
}

/// What an instruction does with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Read,
    Write,
}

use Class::{Long, Predicate, Word};
use Role::{Read, Write};

/// Takes a register and returns the one that stands in its place.
pub(super) type Replace<'a> = dyn FnMut(Slot, Class, Role) -> Slot + 'a;

/// Calls a function with every register of an operation; what it returns is ignored.
pub(super) fn visit(kernel: &Kernel, op: &Op, f: &mut Replace<'_>) {
    let mut copy = *op;
    registers(&mut copy, f);
    match *op {
        Op::Load(at) | Op::LoadParam(at) => {
            access(&mut kernel.accesses[at as usize].clone(), Write, f);
        }
        Op::Store(at) => access(&mut kernel.accesses[at as usize].clone(), Read, f),
        Op::Atomic(at) => atomic(&mut kernel.atomics[at as usize].clone(), f),
        Op::Shuffle(at) => shuffle(&mut kernel.shuffles[at as usize].clone(), f),
        Op::CopyAsync(at) => copy_async(&mut kernel.copies[at as usize].clone(), f),
        Op::LoadMatrix(at) => load_matrix(&mut kernel.matrix_loads[at as usize].clone(), f),
        Op::Mma(at) => mma(&mut kernel.products[at as usize].clone(), f),
        _ => {}
    }
}

/// Replaces every register of a kernel. Each entry of the tables belongs to one instruction.
pub(super) fn renumber(kernel: &mut Kernel, f: &mut Replace<'_>) {
    let (mut accesses, mut roles) = (std::mem::take(&mut kernel.accesses), Vec::new());
    for instruction in &mut kernel.code {
        registers(&mut instruction.op, f);
        match instruction.op {
            Op::Load(at) | Op::LoadParam(at) => roles.push((at, Write)),
            Op::Store(at) => roles.push((at, Read)),
            _ => {}
        }
    }
    for (at, role) in roles {
        access(&mut accesses[at as usize], role, f);
    }
    kernel.accesses = accesses;
    kernel.atomics.iter_mut().for_each(|entry| atomic(entry, f));
    kernel
        .shuffles
        .iter_mut()
        .for_each(|entry| shuffle(entry, f));
    kernel
        .copies
        .iter_mut()
        .for_each(|entry| copy_async(entry, f));
    kernel
        .matrix_loads
        .iter_mut()
        .for_each(|entry| load_matrix(entry, f));
    kernel.products.iter_mut().for_each(|entry| mma(entry, f));
}

fn read(class: Class, slots: &mut [&mut Slot], f: &mut Replace<'_>) {
    for slot in slots {
        **slot = f(**slot, class, Read);
    }
}

fn write(class: Class, slot: &mut Slot, f: &mut Replace<'_>) {
    *slot = f(*slot, class, Write);
}

/// Registers that the operation itself names.
fn registers(op: &mut Op, f: &mut Replace<'_>) {
    match op {
        Op::Unary32 { d, a, .. } => {
            read(Word, &mut [a], f);
            write(Word, d, f);
        }
        Op::Unary64 { d, a, .. } => {
            read(Long, &mut [a], f);
            write(Long, d, f);
        }
        Op::Widen { d, a, .. } => {
            read(Word, &mut [a], f);
            write(Long, d, f);
        }
        Op::Narrow { d, a, .. } => {
            read(Long, &mut [a], f);
            write(Word, d, f);
        }
        Op::Binary32 { d, a, b, .. } | Op::Divide32 { d, a, b, .. } => {
            read(Word, &mut [a, b], f);
            write(Word, d, f);
        }
        Op::Binary64 { d, a, b, .. } | Op::Divide64 { d, a, b, .. } => {
            read(Long, &mut [a, b], f);
            write(Long, d, f);
        }
        Op::Shift64 { d, a, b, .. } | Op::Extract64 { d, a, place: b, .. } => {
            read(Long, &mut [a], f);
            read(Word, &mut [b], f);
            write(Long, d, f);
        }
        Op::Insert64 { d, a, base, place } => {
            read(Long, &mut [a, base], f);
            read(Word, &mut [place], f);
            write(Long, d, f);
        }
        Op::Ternary32 { d, a, b, c, .. } => {
            read(Word, &mut [a, b, c], f);
            write(Word, d, f);
        }
        Op::Ternary64 { d, a, b, c, .. } => {
            read(Long, &mut [a, b, c], f);
            write(Long, d, f);
        }
        Op::MulWide { d, a, b, .. } | Op::Pack64 { d, lo: a, hi: b } => {
            read(Word, &mut [a, b], f);
            write(Long, d, f);
        }
        Op::MadWide { d, a, b, c, .. } => {
            read(Word, &mut [a, b], f);
            read(Long, &mut [c], f);
            write(Long, d, f);
        }
        other => rare_registers(other, f),
    }
}

fn rare_registers(op: &mut Op, f: &mut Replace<'_>) {
    match op {
        Op::Unpack64 { lo, hi, a } => {
            read(Long, &mut [a], f);
            write(Word, lo, f);
            write(Word, hi, f);
        }
        Op::Compare {
            test,
            d,
            q,
            a,
            b,
            c,
            ..
        } => {
            let class = if test.is_long() { Long } else { Word };
            read(class, &mut [a, b], f);
            read(Predicate, &mut [c], f);
            write(Predicate, d, f);
            write(Predicate, q, f);
        }
        Op::Select32 { d, a, b, p } => {
            read(Word, &mut [a, b], f);
            read(Predicate, &mut [p], f);
            write(Word, d, f);
        }
        Op::Select64 { d, a, b, p } => {
            read(Long, &mut [a, b], f);
            read(Predicate, &mut [p], f);
            write(Long, d, f);
        }
        Op::Predicate { d, a, b, .. } => {
            read(Predicate, &mut [a, b], f);
            write(Predicate, d, f);
        }
        Op::Vote {
            f: vote,
            d,
            a,
            members,
            ..
        } => {
            read(Predicate, &mut [a], f);
            read(Word, &mut [members], f);
            write(
                if *vote == crate::isa::Vote::Ballot {
                    Word
                } else {
                    Predicate
                },
                d,
                f,
            );
        }
        Op::ActiveMask { d } => write(Word, d, f),
        Op::Reduce { d, a, members, .. } => {
            read(Word, &mut [a, members], f);
            write(Word, d, f);
        }
        Op::WarpBarrier { members: a } | Op::BranchIndexed { a, .. } => read(Word, &mut [a], f),
        _ => {}
    }
}

fn base(base: &mut Base, f: &mut Replace<'_>) {
    match base {
        Base::Word(slot) => read(Word, &mut [slot], f),
        Base::Long(slot) => read(Long, &mut [slot], f),
    }
}

fn access(access: &mut Access, role: Role, f: &mut Replace<'_>) {
    base(&mut access.base, f);
    let class = if access.long { Long } else { Word };
    for slot in &mut access.registers[..access.count] {
        *slot = f(*slot, class, role);
    }
}

fn atomic(atomic: &mut AtomicAccess, f: &mut Replace<'_>) {
    let class = if atomic.access.long { Long } else { Word };
    read(class, &mut [&mut atomic.b, &mut atomic.c], f);
    access(&mut atomic.access, Write, f);
}

fn shuffle(shuffle: &mut Shuffle, f: &mut Replace<'_>) {
    let Shuffle {
        d,
        valid,
        a,
        b,
        c,
        members,
        ..
    } = shuffle;
    read(Word, &mut [a, b, c, members], f);
    write(Word, d, f);
    write(Predicate, valid, f);
}

fn copy_async(copy: &mut CopyAsync, f: &mut Replace<'_>) {
    base(&mut copy.to, f);
    base(&mut copy.from, f);
    if let Some(size) = &mut copy.size {
        read(Word, &mut [size], f);
    }
}

fn load_matrix(load: &mut LoadMatrix, f: &mut Replace<'_>) {
    base(&mut load.base, f);
    load.d[..load.count]
        .iter_mut()
        .for_each(|d| write(Word, d, f));
}

fn mma(mma: &mut Mma, f: &mut Replace<'_>) {
    let Mma { d, a, b, c, .. } = mma;
    for slot in a.iter_mut().chain(b).chain(c) {
        *slot = f(*slot, Word, Read);
    }
    for d in d {
        write(Word, d, f);
    }
}
