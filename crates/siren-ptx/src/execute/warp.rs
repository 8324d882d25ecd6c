//! A warp: which of its lanes are where, and the loop over its instructions.

use super::arithmetic as alu;
use super::block::Block;
use super::registers::{LANES, Registers};
use super::{collective, matrix};
use crate::fault::{FaultKind, Trap, trap};
use crate::isa::{Instruction, Op, Vote};

/// Lanes that are at an instruction.
#[derive(Clone, Copy, Debug)]
struct Group {
    pc: u32,
    lanes: u32,
    /// Waits at an instruction of the whole warp for the other lanes.
    parked: bool,
}

/// An asynchronous copy that is not waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingCopy {
    pub(super) address: u64,
    pub(super) bytes: usize,
    pub(super) lane: usize,
    /// Number of the lane's group, once committed.
    pub(super) group: Option<u32>,
}

/// Why a warp stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    AtBarrier,
    Ended,
}

#[derive(Debug)]
pub(super) struct Warp {
    pub(super) index: u32,
    pub(super) registers: Registers,
    pub(super) status: Status,
    /// Lanes that exist.
    all: u32,
    /// Lanes that have not ended.
    live: u32,
    pub(super) pc: u32,
    /// Lanes at `pc`.
    lanes: u32,
    others: Vec<Group>,
    /// Lowest `pc` of the others that are not parked.
    next: u32,
    pub(super) executed: u64,
    pub(super) local: Vec<u8>,
    pub(super) local_written: Vec<bool>,
    pub(super) copies: Vec<PendingCopy>,
    /// Groups of copies that each lane has committed.
    pub(super) copy_groups: [u32; LANES],
}

impl Warp {
    pub(super) fn new(index: u32, threads: u32, local_bytes: usize) -> Self {
        let lanes = (threads - index * 32).min(32);
        let all = if lanes == 32 {
            u32::MAX
        } else {
            (1 << lanes) - 1
        };
        Self {
            index,
            registers: Registers::default(),
            status: Status::Running,
            all,
            live: all,
            pc: 0,
            lanes: all,
            others: Vec::new(),
            next: u32::MAX,
            executed: 0,
            local: vec![0xcb; local_bytes * LANES],
            local_written: vec![false; local_bytes * LANES],
            copies: Vec::new(),
            copy_groups: [0; LANES],
        }
    }

    /// Makes the warp as new for the next block; the registers are the caller's.
    pub(super) fn reset(&mut self) {
        self.status = Status::Running;
        (self.live, self.lanes, self.pc, self.next, self.executed) =
            (self.all, self.all, 0, u32::MAX, 0);
        self.others.clear();
        self.local_written.fill(false);
        self.copies.clear();
        self.copy_groups = [0; LANES];
    }

    fn update_next(&mut self) {
        self.next = self
            .others
            .iter()
            .filter(|group| !group.parked)
            .map(|group| group.pc)
            .min()
            .unwrap_or(u32::MAX);
    }

    /// Goes on with the lanes that are furthest behind: those that took different ways meet again.
    #[cold]
    fn switch(&mut self) {
        if self.lanes != 0 {
            self.others.push(Group {
                pc: self.pc,
                lanes: self.lanes,
                parked: false,
            });
        }
        let pc = self
            .others
            .iter()
            .filter(|group| !group.parked)
            .map(|group| group.pc)
            .min()
            .unwrap_or(self.pc);
        let mut lanes = 0;
        self.others.retain(|group| {
            let here = group.pc == pc && !group.parked;
            lanes |= if here { group.lanes } else { 0 };
            !here
        });
        (self.pc, self.lanes) = (pc, lanes);
        self.update_next();
    }

    fn branch(&mut self, taken: u32, target: u32) {
        let stay = self.lanes & !taken;
        if stay == 0 {
            self.pc = target;
        } else if taken == 0 {
            self.pc += 1;
        } else {
            self.others.push(Group {
                pc: target,
                lanes: taken,
                parked: false,
            });
            self.lanes = stay;
            self.pc += 1;
            self.update_next();
        }
    }

    fn branch_indexed(
        &mut self,
        index: &[u32; LANES],
        active: u32,
        table: &[u32],
    ) -> Result<(), Trap> {
        let stay = self.lanes & !active;
        for lane in (0..LANES).filter(|lane| active >> lane & 1 == 1) {
            let Some(&target) = table.get(index[lane] as usize) else {
                return Err(crate::fault::lane_trap(lane, FaultKind::Trap));
            };
            self.others.push(Group {
                pc: target,
                lanes: 1 << lane,
                parked: false,
            });
        }
        self.pc += 1;
        self.lanes = stay;
        self.switch();
        Ok(())
    }

    /// Ends some lanes. Returns whether the whole warp has ended.
    fn exit(&mut self, lanes: u32) -> Result<bool, Trap> {
        self.live &= !lanes;
        self.lanes &= !lanes;
        if self.lanes != 0 {
            self.pc += 1;
            return Ok(false);
        }
        if self.live == 0 {
            self.status = Status::Ended;
            return Ok(true);
        }
        self.resume()?;
        Ok(false)
    }

    /// Goes on with lanes that are not parked, or with parked ones that nobody is missing for any more.
    fn resume(&mut self) -> Result<(), Trap> {
        if self.next != u32::MAX {
            self.switch();
            return Ok(());
        }
        let first = self.others.iter().min_by_key(|group| group.pc).copied();
        let Some(group) = first.filter(|group| group.lanes == self.live) else {
            let (pc, arrived) = first.map_or((self.pc, 0), |group| (group.pc, group.lanes));
            self.pc = pc;
            return Err(trap(FaultKind::PartialWarp {
                arrived,
                expected: self.all,
            }));
        };
        self.others.clear();
        (self.pc, self.lanes) = (group.pc, group.lanes);
        Ok(())
    }

    /// Brings together the lanes of an instruction that needs `expected`. Returns whether they are all here; otherwise the warp has gone on
    /// elsewhere.
    fn converge(&mut self, expected: u32) -> Result<bool, Trap> {
        if self.lanes & expected == expected {
            return Ok(true);
        }
        let pc = self.pc;
        let mut lanes = self.lanes;
        self.others.retain(|group| {
            let here = group.pc == pc;
            lanes |= if here { group.lanes } else { 0 };
            !here
        });
        self.lanes = lanes;
        self.update_next();
        if lanes & expected == expected {
            return Ok(true);
        }
        if expected & !self.live != 0 {
            return Err(trap(FaultKind::PartialWarp {
                arrived: lanes,
                expected,
            }));
        }
        self.others.push(Group {
            pc,
            lanes,
            parked: true,
        });
        self.lanes = 0;
        self.resume()?;
        Ok(false)
    }

    /// Goes on behind a barrier.
    pub(super) fn release(&mut self) {
        self.status = Status::Running;
        self.pc += 1;
    }
}

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
            let result = alu::compare(r, test, [a, b]);
            r.set_predicate(d, alu::combine(combine, result, c), mask);
            r.set_predicate(q, alu::combine(combine, !result, c), mask);
        }
        Op::Select32 { d, a, b, p } => alu::select32(r, d, [a, b], p, mask),
        Op::Select64 { d, a, b, p } => alu::select64(r, d, [a, b], p, mask),
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
            let result = alu::combine(f, value(a, flip_a), value(b, flip_b));
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

/// Result of a vote, as a word or as lanes of a predicate.
pub(super) fn vote(f: Vote, value: u32, members: u32) -> u32 {
    let votes = value & members;
    let every = |holds: bool| if holds { u32::MAX } else { 0 };
    match f {
        Vote::Ballot => votes,
        Vote::Any => every(votes != 0),
        Vote::All => every(votes == members),
        Vote::Uniform => every(votes == 0 || votes == members),
    }
}
