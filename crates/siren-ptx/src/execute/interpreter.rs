//! The loop over the instructions of a warp.

use super::block::Block;
use super::registers::LANES;
use super::warp::{Status, Warp};
use super::{arithmetic as alu, collective, compare, matrix};
use crate::fault::{FaultKind, Trap, trap};
use crate::isa::{Instruction, Op};

/// A run of one warp, up to a barrier or its end.
pub(super) struct Run<'r, 'b> {
    pub(super) block: &'r mut Block<'b>,
    pub(super) warp: &'r mut Warp,
}

impl pulp::NullaryFnOnce for Run<'_, '_> {
    type Output = Result<(), Trap>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        run(self.block, self.warp)
    }
}

#[inline(always)]
fn run(block: &mut Block<'_>, warp: &mut Warp) -> Result<(), Trap> {
    let kernel = block.kernel;
    let code = &kernel.code[..];
    loop {
        if warp.pc >= warp.next {
            warp.switch();
        }
        let instruction = &code[warp.pc as usize];
        let guard = warp.registers.predicates[instruction.guard as usize] ^ instruction.guard_flip;
        let active = warp.lanes & guard;
        block.statistics.instructions += u64::from(instruction.counted);
        if warp.lanes != warp.live {
            block.statistics.divergent_instructions += u64::from(instruction.counted);
        }
        warp.executed += 1;
        if warp.executed > block.budget {
            return Err(trap(FaultKind::Budget {
                executed: block.budget,
            }));
        }
        if arithmetic(warp, instruction, active) {
            warp.pc += 1;
            continue;
        }
        if !step(block, warp, instruction, active)? {
            return Ok(());
        }
    }
}

/// Executes an instruction of registers alone. Returns whether it was one.
#[inline(always)]
fn arithmetic(warp: &mut Warp, instruction: &Instruction, mask: u32) -> bool {
    let r = &mut warp.registers;
    match instruction.op {
        Op::Unary32 { f, d, a } => alu::unary32(r, f, d, a, mask),
        Op::Unary64 { f, d, a } => alu::unary64(r, f, d, a, mask),
        Op::Widen { f, d, a } => alu::widen(r, f, d, a, mask),
        Op::Narrow { f, d, a } => alu::narrow(r, f, d, a, mask),
        Op::Binary32 { f, d, a, b } => alu::binary32(r, f, d, [a, b], mask),
        Op::Binary64 { f, d, a, b } => alu::binary64(r, f, d, [a, b], mask),
        Op::Shift64 { f, d, a, b } => alu::shift64(r, f, d, [a, b], mask),
        Op::Ternary32 { f, d, a, b, c } => alu::ternary32(r, f, d, [a, b, c], mask),
        Op::Ternary64 { f, d, a, b, c } => alu::ternary64(r, f, d, [a, b, c], mask),
        Op::MulWide { signed, d, a, b } => alu::multiply_wide(r, signed, d, [a, b], mask),
        Op::MadWide { signed, d, a, b, c } => alu::multiply_add_wide(r, signed, d, [a, b, c], mask),
        Op::Extract64 {
            signed,
            d,
            a,
            place,
        } => alu::extract64(r, signed, d, [a, place], mask),
        Op::Insert64 { d, a, base, place } => alu::insert64(r, d, [a, base, place], mask),
        Op::Pack64 { d, lo, hi } => r.long_from_words(d, [lo, hi], mask, |lo, hi| {
            u64::from(hi) << 32 | u64::from(lo)
        }),
        Op::Unpack64 { lo, hi, a } => {
            r.word_from_long(lo, a, mask, |a| a as u32);
            r.word_from_long(hi, a, mask, |a| (a >> 32) as u32);
        }
        Op::Compare {
            test,
            combine,
            flip,
            d,
            q,
            a,
            b,
            c,
        } => {
            let c = r.predicates[c as usize] ^ if flip { u32::MAX } else { 0 };
            let result = compare::compare(r, test, [a, b]);
            r.set_predicate(d, compare::combine(combine, result, c), mask);
            r.set_predicate(q, compare::combine(combine, !result, c), mask);
        }
        Op::Select32 { d, a, b, p } => compare::select32(r, d, [a, b], p, mask),
        Op::Select64 { d, a, b, p } => compare::select64(r, d, [a, b], p, mask),
        Op::Predicate {
            f,
            flip_a,
            flip_b,
            d,
            a,
            b,
        } => {
            let value = |slot: u16, flip: bool| {
                r.predicates[slot as usize] ^ if flip { u32::MAX } else { 0 }
            };
            let result = compare::combine(f, value(a, flip_a), value(b, flip_b));
            r.set_predicate(d, result, mask);
        }
        Op::Nothing => {}
        _ => return false,
    }
    true
}

/// Executes any other instruction. Returns whether the warp goes on.
#[inline(always)]
fn step(
    block: &mut Block<'_>,
    warp: &mut Warp,
    instruction: &Instruction,
    active: u32,
) -> Result<bool, Trap> {
    let kernel = block.kernel;
    match instruction.op {
        Op::Branch { target } => {
            warp.branch(active, target);
            return Ok(true);
        }
        Op::Exit => return warp.exit(active).map(|ended| !ended),
        _ if active == 0 => {}
        Op::Mma(index) => {
            if !whole(warp, u32::MAX, active)? {
                return Ok(true);
            }
            block.statistics.matrix_products += 1;
            matrix::product(&mut warp.registers, &kernel.products[index as usize]);
        }
        Op::BranchIndexed { a, table } => {
            let index = *warp.registers.word(a);
            warp.branch_indexed(&index, active, &kernel.branch_tables[table as usize])?;
            return Ok(true);
        }
        Op::Barrier => {
            if whole(warp, warp.all, active)? {
                warp.status = Status::AtBarrier;
                return Ok(false);
            }
            return Ok(true);
        }
        Op::WarpBarrier { members } | Op::Vote { members, .. } | Op::Reduce { members, .. } => {
            let expected = named(warp, members, active);
            if !whole(warp, expected, active)? {
                return Ok(true);
            }
            collective::execute(warp, instruction.op, expected);
        }
        Op::Shuffle(index) => {
            let shuffle = &kernel.shuffles[index as usize];
            let expected = named(warp, shuffle.members, active);
            if !whole(warp, expected, active)? {
                return Ok(true);
            }
            collective::shuffle(warp, shuffle, expected)?;
        }
        Op::LoadMatrix(index) => {
            if !whole(warp, u32::MAX, active)? {
                return Ok(true);
            }
            block.load_matrix(warp, &kernel.matrix_loads[index as usize])?;
        }
        op => block.rare(warp, op, active)?,
    }
    warp.pc += 1;
    Ok(true)
}

/// Lanes that a membership mask names; the mask is the same for all active lanes.
fn named(warp: &Warp, members: u16, active: u32) -> u32 {
    let lane = active.trailing_zeros() as usize & 31;
    warp.registers.word(members)[lane] & warp.all
}

/// Whether all of the expected lanes execute this instruction now; otherwise the warp has gone on elsewhere.
fn whole(warp: &mut Warp, expected: u32, active: u32) -> Result<bool, Trap> {
    // A guard that holds in some lanes only, or a mask that leaves out a lane that is here.
    if active & !expected != 0 || (warp.lanes & !active & expected != 0) {
        return Err(trap(FaultKind::PartialWarp {
            arrived: active,
            expected,
        }));
    }
    let met = warp.converge(expected)?;
    Ok(met && active == expected)
}

impl Block<'_> {
    /// Instructions of memory, and those that are seldom.
    fn rare(&mut self, warp: &mut Warp, op: Op, active: u32) -> Result<(), Trap> {
        let kernel = self.kernel;
        match op {
            Op::Load(index) => self.load(warp, &kernel.accesses[index as usize], active),
            Op::Store(index) => self.store(warp, &kernel.accesses[index as usize], active),
            Op::LoadParam(index) => self.load_param(warp, &kernel.accesses[index as usize], active),
            Op::Atomic(index) => self.atomic(warp, &kernel.atomics[index as usize], active),
            Op::CopyAsync(index) => self.copy_async(warp, &kernel.copies[index as usize], active),
            Op::CommitCopies => {
                collective::commit_copies(warp, active);
                Ok(())
            }
            Op::WaitCopies { pending } => self.wait_copies(warp, pending, active),
            Op::Divide32 { f, d, a, b } => alu::divide32(&mut warp.registers, f, d, [a, b], active),
            Op::Divide64 { f, d, a, b } => alu::divide64(&mut warp.registers, f, d, [a, b], active),
            Op::ActiveMask { d } => {
                warp.registers.set_word(d, &[active; LANES], active);
                Ok(())
            }
            _ => Err(trap(FaultKind::Trap)),
        }
    }
}
