//! A block of threads: its warps in turn, from barrier to barrier.

use super::interpreter::Run;
use super::order::Shuffler;
use super::registers::LANES;
use super::warp::{Status, Warp};
use crate::fault::{Fault, FaultKind, FaultPlace, Trap};
use crate::isa::Special;
use crate::memory::{Memory, Stamps};
use crate::module::Kernel;
use crate::shadow::Shared;
use crate::statistics::Statistics;

/// What the blocks of a launch have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) grid: [u32; 3],
    pub(super) block: [u32; 3],
}

impl Geometry {
    pub(super) fn threads(self) -> u32 {
        self.block.iter().product()
    }

    pub(super) fn blocks(self) -> u64 {
        self.grid.iter().map(|&size| u64::from(size)).product()
    }

    /// Index of a block on the three axes.
    pub(super) fn index(self, linear: u32) -> [u32; 3] {
        let [x, y, _] = self.grid;
        [linear % x, linear / x % y, linear / x / y]
    }
}

/// The block that is executed.
pub(super) struct Block<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) geometry: Geometry,
    pub(super) index: [u32; 3],
    pub(super) arguments: Vec<u8>,
    pub(super) memory: &'a mut Memory,
    pub(super) stamps: Stamps,
    pub(super) shared: Shared,
    pub(super) statistics: Statistics,
    /// Instructions that a warp may execute.
    pub(super) budget: u64,
    /// Constants that hold addresses of variables.
    pub(super) addresses: Vec<(u16, u64)>,
}

impl Block<'_> {
    /// Warps for this kernel, with their constants.
    pub(super) fn warps(&self) -> Vec<Warp> {
        let threads = self.geometry.threads();
        let warps = (0..threads.div_ceil(32)).map(|index| {
            let mut warp = Warp::new(index, threads, self.kernel.local_bytes);
            warp.registers.words = vec![[0; LANES]; self.kernel.words];
            warp.registers.longs = vec![[0; LANES]; self.kernel.longs];
            warp.registers.predicates = vec![0; self.kernel.predicates];
            warp
        });
        warps.collect()
    }

    /// Executes one block.
    pub(super) fn run(&mut self, warps: &mut [Warp], shuffler: &mut Shuffler) -> Result<(), Fault> {
        self.shared.reset();
        for warp in &mut *warps {
            warp.reset();
            self.fill_registers(warp);
        }
        loop {
            for index in shuffler.order(warps.len()) {
                let warp = &mut warps[index];
                if warp.status == Status::Running {
                    let done = vectorized(Run { block: self, warp });
                    if let Err(trap) = done {
                        let (lane, kind) = trap.into_parts();
                        return Err(self.fault(&warps[index], lane, kind));
                    }
                }
            }
            if warps.iter().all(|warp| warp.status == Status::Ended) {
                return Ok(());
            }
            self.meet(warps)?;
        }
    }

    /// All warps have stopped, and at least one waits at a barrier.
    fn meet(&mut self, warps: &mut [Warp]) -> Result<(), Fault> {
        let waits = |warp: &&Warp| warp.status == Status::AtBarrier;
        let Some(first) = warps.iter().find(waits) else {
            return Ok(());
        };
        if let Some(ended) = warps.iter().find(|warp| !waits(warp)) {
            let kind = FaultKind::ExitedBeforeBarrier {
                exited: ended.index,
            };
            return Err(self.fault(first, None, kind));
        }
        if let Some(other) = warps.iter().find(|warp| warp.pc != first.pc) {
            let other_line = self.kernel.code[other.pc as usize].line;
            let kind = FaultKind::DifferentBarriers {
                other: other.index,
                other_line,
            };
            return Err(self.fault(first, None, kind));
        }
        self.shared.barrier();
        self.statistics.barriers += 1;
        for warp in warps {
            warp.release();
        }
        Ok(())
    }

    fn fault(&self, warp: &Warp, lane: Option<u32>, kind: FaultKind) -> Fault {
        let line = self.kernel.code[warp.pc as usize].line;
        let instruction = self.kernel.text(line).to_owned();
        let place = FaultPlace {
            block: self.index,
            warp: warp.index,
            lane,
            line,
            instruction,
        };
        Fault {
            kernel: self.kernel.name.clone(),
            place: Some(Box::new(place)),
            kind,
        }
    }

    /// Gives every register a value that does not depend on what ran before, and constants theirs.
    fn fill_registers(&self, warp: &mut Warp) {
        let registers = &mut warp.registers;
        registers.words.fill([0xdead_beef; LANES]);
        registers.longs.fill([0xdead_beef_dead_beef; LANES]);
        registers.predicates.fill(0);
        registers.predicates[crate::isa::TRUE as usize] = u32::MAX;
        for &(slot, value) in &self.kernel.word_constants {
            registers.words[slot as usize] = [value; LANES];
        }
        for &(slot, value) in self.kernel.long_constants.iter().chain(&self.addresses) {
            registers.longs[slot as usize] = [value; LANES];
        }
        for &(slot, special) in &self.kernel.specials {
            for lane in 0..LANES as u32 {
                registers.words[slot as usize][lane as usize] =
                    self.special(special, warp.index, lane);
            }
        }
    }

    fn special(&self, special: Special, warp: u32, lane: u32) -> u32 {
        let [x, y, _] = self.geometry.block;
        let thread = warp * 32 + lane;
        match special {
            Special::Tid(0) => thread % x,
            Special::Tid(1) => thread / x % y,
            Special::Tid(_) => thread / x / y,
            Special::Ntid(axis) => self.geometry.block[axis],
            Special::Ctaid(axis) => self.index[axis],
            Special::Nctaid(axis) => self.geometry.grid[axis],
            Special::Lane => lane,
            Special::Warp => warp,
            Special::Warps => self.geometry.threads().div_ceil(32),
            Special::LanesEq => 1 << lane,
            Special::LanesLt => (1 << lane) - 1,
            Special::LanesLe => (1 << lane) | ((1 << lane) - 1),
            Special::LanesGe => !((1 << lane) - 1),
            Special::LanesGt => !((1 << lane) | ((1 << lane) - 1)),
        }
    }
}

/// Runs a warp with AVX2 and FMA where the processor has them: the loops over lanes are compiled for them, too. AVX-512 would double the time
/// that the compiler takes, and save a kernel 3 % of its time.
fn vectorized(run: Run<'_, '_>) -> Result<(), Trap> {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(run);
    }
    pulp::NullaryFnOnce::call(run)
}
