//! Kernels of the tests and their data.

use siren_ptx::{Argument, Fault, FaultKind, KernelLaunch, Memory, Module, Statistics, WarpOrder};

pub const PRODUCT: &str = include_str!("product.ptx");
pub const REDUCTION: &str = include_str!("reduction.ptx");
pub const VARIETY: &str = include_str!("variety.ptx");

pub const ORDERS: [WarpOrder; 4] = [
    WarpOrder::Forward,
    WarpOrder::Backward,
    WarpOrder::Shuffled(1),
    WarpOrder::Shuffled(2),
];

/// Numbers in [-1, 1) that look random.
pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let draw = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(draw).take(count).collect()
}

pub fn bytes<T: Copy, const N: usize>(values: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| to_bytes(value)).collect()
}

/// Global memory with the arguments of a launch.
#[derive(Default)]
pub struct Setup {
    pub memory: Memory,
    pub arguments: Vec<Argument>,
}

impl Setup {
    /// Adds an argument that is a buffer with this content. Returns its address.
    pub fn input(&mut self, content: &[u8]) -> u64 {
        let address = self.memory.allocate_with(content).unwrap();
        self.arguments.push(address.into());
        address
    }

    /// Adds an argument that is a buffer nobody has written.
    pub fn output(&mut self, bytes: usize) -> u64 {
        let address = self.memory.allocate(bytes).unwrap();
        self.arguments.push(address.into());
        address
    }

    pub fn number(&mut self, value: impl Into<Argument>) {
        self.arguments.push(value.into());
    }

    pub fn run(&mut self, launch: &KernelLaunch<'_>) -> Result<Statistics, Fault> {
        launch.run(&self.arguments, &mut self.memory)
    }

    pub fn floats(&mut self, address: u64, count: usize) -> Vec<f32> {
        let content = self.memory.read(address, count * 4).unwrap();
        content
            .as_chunks::<4>()
            .0
            .iter()
            .map(|chunk| f32::from_le_bytes(*chunk))
            .collect()
    }

    pub fn words(&mut self, address: u64, count: usize) -> Vec<u32> {
        let content = self.memory.read(address, count * 4).unwrap();
        content
            .as_chunks::<4>()
            .0
            .iter()
            .map(|chunk| u32::from_le_bytes(*chunk))
            .collect()
    }

    pub fn longs(&mut self, address: u64, count: usize) -> Vec<u64> {
        let content = self.memory.read(address, count * 8).unwrap();
        content
            .as_chunks::<8>()
            .0
            .iter()
            .map(|chunk| u64::from_le_bytes(*chunk))
            .collect()
    }
}

/// A module with the kernel `test`, which has one parameter, the address of a buffer, in `%rd1`, and the thread's index in `%r1`.
pub fn snippet(body: &str) -> String {
    format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n.extern .shared .align 16 .b8 dynamic[];\n.visible .entry test(.param .u64 buffer)\n{{\n\
         .reg .pred %p<8>;\n.reg .b16 %rs<16>;\n.reg .b32 %r<32>;\n.reg .f32 %f<16>;\n.reg .b64 %rd<32>;\n.reg .f64 %fd<8>;\n\
         ld.param.u64 %rd1, [buffer];\nmov.u32 %r1, %tid.x;\nmov.u32 %r2, %ctaid.x;\n{body}\nret;\n}}\n"
    )
}

/// How a snippet is launched.
#[derive(Clone, Copy)]
pub struct Shape {
    pub blocks: u32,
    pub threads: u32,
    pub shared_bytes: u32,
}

/// Runs a snippet on a buffer of zeros. Returns the buffer.
pub fn run_snippet(body: &str, shape: Shape, buffer: usize) -> Result<Vec<u32>, Fault> {
    let module = Module::parse(&snippet(body)).unwrap_or_else(|error| panic!("{error}"));
    let mut setup = Setup::default();
    let address = setup.input(&vec![0; buffer]);
    let kernel = module.kernel("test").unwrap();
    let launch = KernelLaunch {
        shared_bytes: shape.shared_bytes,
        ..KernelLaunch::new(kernel, shape.blocks, shape.threads)
    };
    setup.run(&launch)?;
    Ok(setup.words(address, buffer / 4))
}

/// The fault of a snippet with one warp.
pub fn fault_of(body: &str) -> FaultKind {
    fault_in(
        body,
        Shape {
            blocks: 1,
            threads: 32,
            shared_bytes: 1024,
        },
    )
}

pub fn fault_in(body: &str, shape: Shape) -> FaultKind {
    run_snippet(body, shape, 1024)
        .expect_err("the snippet has a fault")
        .kind
}

/// Replaces text that must be there exactly `count` times.
pub fn replaced(text: &str, old: &str, new: &str, count: usize) -> String {
    assert_eq!(text.matches(old).count(), count, "`{old}` in the PTX");
    text.replace(old, new)
}
