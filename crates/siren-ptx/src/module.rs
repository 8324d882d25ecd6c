//! A parsed module: its kernels and variables.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::isa::{
    Access, AtomicAccess, CopyAsync, Instruction, LoadMatrix, Mma, Shuffle, Slot, Special,
};
use crate::parse;
use crate::parse::{ParseError, Refusal};

/// A PTX module.
#[derive(Debug, Default)]
pub struct Module {
    pub(crate) id: u64,
    /// `.version`, as `10 major + minor`.
    pub(crate) version: u32,
    /// `.target`, as `10 major + minor`.
    pub(crate) target: u32,
    pub(crate) kernels: Vec<Kernel>,
    /// Names of the kernels that cannot be executed, and why.
    pub(crate) refused: Vec<(String, ParseError)>,
    pub(crate) variables: Vec<Variable>,
}

impl Module {
    /// Parses PTX text.
    ///
    /// # Errors
    ///
    /// With line and text where an instruction, a modifier or a directive is not supported, or where the text is no PTX.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parsed(text, Refusal::Module)
    }

    /// Parses PTX text without the kernels that are not supported: [`refusal`](Self::refusal) says why a kernel is missing. For modules of
    /// which a program uses few kernels.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), outside of kernels.
    pub fn parse_supported(text: &str) -> Result<Self, ParseError> {
        Self::parsed(text, Refusal::Kernel)
    }

    fn parsed(text: &str, refusal: Refusal) -> Result<Self, ParseError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut module = parse::module(text, refusal)?;
        module.id = NEXT.fetch_add(1, Ordering::Relaxed);
        for kernel in &mut module.kernels {
            kernel.module = module.id;
        }
        Ok(module)
    }

    /// Returns the kernel (`.entry`) with this name, as it stands in the PTX.
    #[must_use]
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    /// Returns why [`parse_supported`](Self::parse_supported) left out a kernel.
    #[must_use]
    pub fn refusal(&self, name: &str) -> Option<&ParseError> {
        let found = self.refused.iter().find(|(known, _)| known == name);
        found.map(|(_, error)| error)
    }

    /// Returns the version of PTX as `10 major + minor`.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the compute capability for which the PTX was made, as `10 major + minor`.
    #[must_use]
    pub fn target(&self) -> u32 {
        self.target
    }

    /// Returns the kernels in the order of the text.
    pub fn kernels(&self) -> impl Iterator<Item = &Kernel> {
        self.kernels.iter()
    }
}

/// A `.global` or `.const` variable of a module.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Initial content; shorter than `bytes` if the rest is zero.
    pub(crate) initial: Vec<u8>,
    pub(crate) bytes: usize,
}

/// A kernel of a module.
#[derive(Debug, Default)]
pub struct Kernel {
    pub(crate) name: String,
    pub(crate) module: u64,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) code: Vec<Instruction>,
    /// Text of every line with an instruction, by line number from 1.
    pub(crate) lines: Vec<(u32, String)>,
    pub(crate) words: usize,
    pub(crate) longs: usize,
    pub(crate) predicates: usize,
    pub(crate) word_constants: Vec<(Slot, u32)>,
    pub(crate) long_constants: Vec<(Slot, u64)>,
    pub(crate) specials: Vec<(Slot, Special)>,
    /// Slots that hold the address of a variable plus an offset.
    pub(crate) addresses: Vec<(Slot, Variable, u64)>,
    pub(crate) local_bytes: usize,
    pub(crate) static_shared_bytes: u32,
    pub(crate) max_threads: Option<u32>,
    pub(crate) accesses: Vec<Access>,
    pub(crate) atomics: Vec<AtomicAccess>,
    pub(crate) shuffles: Vec<Shuffle>,
    pub(crate) copies: Vec<CopyAsync>,
    pub(crate) matrix_loads: Vec<LoadMatrix>,
    pub(crate) products: Vec<Mma>,
    pub(crate) branch_tables: Vec<Vec<u32>>,
}

/// Place of a parameter in the parameter space, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

impl Kernel {
    /// Returns the name in the PTX.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the sizes of the parameters in bytes.
    pub fn parameter_sizes(&self) -> impl Iterator<Item = usize> {
        self.parameters.iter().map(|parameter| parameter.bytes)
    }

    /// Returns the bytes of shared memory that the kernel's `__shared__` variables take.
    #[must_use]
    pub fn static_shared_bytes(&self) -> u32 {
        self.static_shared_bytes
    }

    /// Returns the bytes of local memory (arrays and spills in PTX) of a thread.
    #[must_use]
    pub fn local_bytes(&self) -> usize {
        self.local_bytes
    }

    /// Returns the largest block that `__launch_bounds__` allows, if it is set.
    #[must_use]
    pub fn max_threads(&self) -> Option<u32> {
        self.max_threads
    }

    /// Text of a line with an instruction.
    pub(crate) fn text(&self, line: u32) -> &str {
        let found = self
            .lines
            .binary_search_by_key(&line, |&(number, _)| number);
        found.map_or("", |index| &self.lines[index].1)
    }
}
