//! Execution of kernels.

mod access;
mod arithmetic;
mod block;
mod collective;
mod compare;
mod counting;
mod interpreter;
mod matrix;
mod number;
mod order;
mod registers;
mod warp;

pub use self::order::WarpOrder;

use self::block::{Block, Geometry};
use self::order::Shuffler;
use crate::card::Card;
use crate::fault::{Fault, FaultKind};
use crate::memory::Memory;
use crate::module::Kernel;
use crate::shadow::Shared;
use crate::statistics::Statistics;

/// Instructions that a warp may execute, unless a launch says otherwise.
pub const DEFAULT_BUDGET: u64 = 1 << 28;

/// An argument of a kernel: the bytes of its parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument(Vec<u8>);

impl Argument {
    /// Returns an argument with these bytes, for a structure.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

macro_rules! argument_from {
    ($($number:ty),*) => {$(
        impl From<$number> for Argument {
            fn from(value: $number) -> Self {
                Self(value.to_le_bytes().to_vec())
            }
        }
    )*};
}
argument_from!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

/// One launch of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct KernelLaunch<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Blocks on each axis.
    pub grid: [u32; 3],
    /// Threads of a block on each axis.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory (`extern __shared__`) of a block.
    pub shared_bytes: u32,
    /// Most bytes of dynamic shared memory, as `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES` sets it; none: 48 KiB with the static
    /// memory.
    pub shared_limit: Option<u32>,
    /// Order of blocks and warps.
    pub order: WarpOrder,
    /// The card whose limits hold.
    pub card: Card,
    /// Instructions that a warp may execute.
    pub budget: u64,
}

impl<'a> KernelLaunch<'a> {
    /// Returns a launch with blocks and threads on one axis, without dynamic shared memory, on a card of compute capability 8.0.
    #[must_use]
    pub fn new(kernel: &'a Kernel, blocks: u32, threads: u32) -> Self {
        Self {
            kernel,
            grid: [blocks, 1, 1],
            block: [threads, 1, 1],
            shared_bytes: 0,
            shared_limit: None,
            order: WarpOrder::Forward,
            card: Card::default(),
            budget: DEFAULT_BUDGET,
        }
    }

    /// Executes the kernel.
    ///
    /// # Errors
    ///
    /// With the first fault, in the order of the launch. Memory then holds what was written up to it.
    pub fn run(&self, arguments: &[Argument], memory: &mut Memory) -> Result<Statistics, Fault> {
        let fault = |kind| Fault {
            kernel: self.kernel.name.clone(),
            place: None,
            kind,
        };
        let geometry = Geometry {
            grid: self.grid,
            block: self.block,
        };
        self.check(geometry).map_err(fault)?;
        let arguments = self.layout(arguments).map_err(fault)?;
        let mut addresses = Vec::new();
        for (slot, variable, offset) in &self.kernel.addresses {
            let start = memory
                .place(self.kernel.module, variable)
                .map_err(|error| fault(FaultKind::Variables(error)))?;
            addresses.push((*slot, start + offset));
        }
        let blocks = geometry.blocks() as u32;
        let stamps = memory.begin_launch(blocks);
        let shared_bytes = self.kernel.static_shared_bytes + self.shared_bytes;
        let mut block = Block {
            kernel: self.kernel,
            geometry,
            index: [0; 3],
            arguments,
            memory,
            stamps,
            shared: Shared::new(shared_bytes as usize),
            statistics: Statistics::default(),
            budget: self.budget,
            addresses,
        };
        let mut warps = block.warps();
        let mut shuffler = Shuffler::new(self.order);
        for linear in shuffler.order(blocks as usize) {
            block.index = geometry.index(linear as u32);
            block.stamps = stamps.for_block(linear as u32);
            block.run(&mut warps, &mut shuffler)?;
        }
        Ok(block.statistics)
    }

    /// Fails if the card cannot run the launch.
    fn check(&self, geometry: Geometry) -> Result<(), FaultKind> {
        if geometry.blocks() == 0 || self.block.contains(&0) {
            return Err(FaultKind::Empty);
        }
        let limit = |what, found: u64, limit: u64| {
            if found > limit {
                Err(FaultKind::Limit { what, found, limit })
            } else {
                Ok(())
            }
        };
        let threads: u64 = self.block.iter().map(|&size| u64::from(size)).product();
        limit(
            "threads of a block",
            threads,
            u64::from(self.kernel.max_threads.unwrap_or(1024).min(1024)),
        )?;
        limit(
            "threads of a block on the third axis",
            u64::from(self.block[2]),
            64,
        )?;
        limit(
            "blocks on the first axis",
            u64::from(self.grid[0]),
            (1 << 31) - 1,
        )?;
        limit(
            "blocks on the second or third axis",
            u64::from(self.grid[1].max(self.grid[2])),
            65_535,
        )?;
        limit(
            "blocks of a launch in this interpreter",
            geometry.blocks(),
            1 << 30,
        )?;
        let fixed = u64::from(self.kernel.static_shared_bytes);
        let total = fixed + u64::from(self.shared_bytes);
        let most = match self.shared_limit {
            Some(dynamic) => (fixed + u64::from(dynamic))
                .max(Card::SHARED_BYTES.into())
                .min(self.card.shared_bytes_opt_in().into()),
            None => Card::SHARED_BYTES.into(),
        };
        limit("bytes of shared memory of a block", total, most)
    }

    /// Places the arguments at their offsets.
    fn layout(&self, arguments: &[Argument]) -> Result<Vec<u8>, FaultKind> {
        let parameters = &self.kernel.parameters;
        for index in 0..parameters.len().max(arguments.len()) {
            let found = arguments.get(index).map_or(0, |argument| argument.0.len());
            let expected = parameters.get(index).map_or(0, |parameter| parameter.bytes);
            if found != expected {
                return Err(FaultKind::Arguments {
                    index,
                    found,
                    expected,
                });
            }
        }
        let size = parameters.last().map_or(0, |last| last.offset + last.bytes);
        let mut bytes = vec![0; size];
        for (argument, parameter) in arguments.iter().zip(parameters) {
            bytes[parameter.offset..parameter.offset + parameter.bytes]
                .copy_from_slice(&argument.0);
        }
        Ok(bytes)
    }
}
