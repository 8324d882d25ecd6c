//! A warp: which of its lanes are where.

use super::registers::{LANES, Registers};
use crate::fault::{FaultKind, Trap, trap};

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
    pub(super) all: u32,
    /// Lanes that have not ended.
    pub(super) live: u32,
    pub(super) pc: u32,
    /// Lanes at `pc`.
    pub(super) lanes: u32,
    others: Vec<Group>,
    /// Lowest `pc` of the others that are not parked.
    pub(super) next: u32,
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
    pub(super) fn switch(&mut self) {
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

    pub(super) fn branch(&mut self, taken: u32, target: u32) {
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

    pub(super) fn branch_indexed(
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
    pub(super) fn exit(&mut self, lanes: u32) -> Result<bool, Trap> {
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
    pub(super) fn converge(&mut self, expected: u32) -> Result<bool, Trap> {
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
