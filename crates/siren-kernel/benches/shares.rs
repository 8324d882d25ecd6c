//! Value steps of small fields on one thread, as shares of the processor's peak: `cargo bench -p siren-kernel --bench shares`.
//!
//! A step packs the weights of one field, computes its values, the squared errors and their gradient with respect to the parameters. Only
//! the operations of its matrix products are counted, without padding. `-- LEVEL` selects a level by its name, `-- LEVEL WIDTH` one width.

#![expect(
    clippy::print_stdout,
    reason = "a program: its output is for the terminal"
)]

use std::hint::black_box;
use std::time::Instant;

use pulp::{Simd, WithSimd};
use siren_kernel::network::{Chunk, GradientSum, Order, Packed, Plan, Workspace, chunk_points};
use siren_kernel::{Bfloat16, Level, Pointwise};

/// Rounds of which the fastest tenth is shown.
const ROUNDS: usize = 60;
/// Least duration of a round in seconds.
const ROUND_SECONDS: f64 = 0.001;

/// Sizes of a field and the number of its points.
#[derive(Clone, Copy)]
struct Sizes {
    width: usize,
    dims: usize,
    channels: usize,
    /// Layers of `width` × `width`.
    hidden: usize,
    points: usize,
}

impl Sizes {
    const fn new(width: usize, dims: usize, channels: usize, hidden: usize, points: usize) -> Self {
        Self {
            width,
            dims,
            channels,
            hidden,
            points,
        }
    }
}

const SIZES: [Sizes; 15] = [
    Sizes::new(16, 2, 1, 1, 1024),
    Sizes::new(16, 3, 3, 2, 1024),
    Sizes::new(24, 2, 1, 2, 1024),
    Sizes::new(32, 2, 1, 1, 1024),
    Sizes::new(32, 2, 1, 3, 1024),
    Sizes::new(32, 3, 3, 2, 1024),
    Sizes::new(48, 2, 1, 3, 1024),
    Sizes::new(64, 2, 1, 1, 1024),
    Sizes::new(64, 2, 1, 3, 1024),
    Sizes::new(64, 3, 3, 3, 1000),
    Sizes::new(64, 2, 1, 3, 4096),
    Sizes::new(96, 2, 1, 3, 1024),
    Sizes::new(128, 2, 1, 3, 1024),
    Sizes::new(256, 2, 3, 3, 1024),
    Sizes::new(512, 2, 3, 3, 1152),
];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let (name, width) = (arguments.next(), arguments.next());
    println!(
        "level    width  in  out  hidden  points  forward  backward  step  µs/step  bf16: µs/step, times as fast"
    );
    for level in Level::available() {
        let level_name = level.to_string();
        if name.as_ref().is_some_and(|name| *name != level_name) {
            continue;
        }
        for sizes in SIZES {
            if width
                .as_ref()
                .is_none_or(|width| *width == sizes.width.to_string())
            {
                print_row(level, sizes);
            }
        }
    }
}

/// Times one field and prints its row.
fn print_row(level: Level, sizes: Sizes) {
    let plan = plan(sizes);
    let mut field = Field::new(level, &plan, sizes.points);
    let [mut forward, mut backward, mut step, mut rounded, mut peak] = [const { Vec::new() }; 5];
    let has_bfloat16 = level == Level::Avx512 && Bfloat16::Instructions.is_available();
    for _ in 0..ROUNDS {
        peak.push(1.0 / peak_rate(level));
        field.pack(None);
        forward.push(seconds(|| field.forward()));
        backward.push(seconds(|| field.backward()));
        step.push(seconds(|| field.step(None)));
        if has_bfloat16 {
            rounded.push(seconds(|| field.step(Some(Bfloat16::Instructions))));
        }
    }
    let peak = 1.0 / fast(peak);
    let products: usize = plan.layers.iter().map(|l| l.fan_in * l.fan_out).sum();
    let first = plan.layers[0].fan_in * plan.layers[0].fan_out;
    let once = 2.0 * (sizes.points * products) as f64;
    let back = 2.0 * (sizes.points * (2 * products - first)) as f64;
    let forward = once / fast(forward) / peak;
    let backward = back / fast(backward) / peak;
    let step_seconds = fast(step);
    let rounded = if has_bfloat16 {
        let rounded = fast(rounded);
        format!("{:.1}, {:.2}", 1e6 * rounded, step_seconds / rounded)
    } else {
        String::new()
    };
    println!(
        "{:8} {:5} {:3} {:4} {:7} {:7}  {:6.1}%  {:7.1}%  {:3.1}%  {:.1}  {rounded}",
        level.to_string(),
        sizes.width,
        sizes.dims,
        sizes.channels,
        sizes.hidden,
        sizes.points,
        100.0 * forward,
        100.0 * backward,
        100.0 * (once + back) / step_seconds / peak,
        1e6 * step_seconds,
    );
}

/// Returns the seconds of one call of `work`, the mean of as many as fit in a round.
fn seconds(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0;
    loop {
        work();
        calls += 1;
        let elapsed = start.elapsed().as_secs_f64();
        if elapsed >= ROUND_SECONDS {
            return elapsed / f64::from(calls);
        }
    }
}

/// Returns the duration that a tenth of the rounds did not exceed: other programs disturb it least.
fn fast(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 10]
}

/// Returns the operations per second of independent multiply-adds.
fn peak_rate(level: Level) -> f64 {
    let start = Instant::now();
    let (sum, lanes) = level.dispatch(Chains);
    let elapsed = start.elapsed().as_secs_f64();
    black_box(sum);
    (2 * CHAINS * CHAIN_STEPS * lanes) as f64 / elapsed
}

/// Number of independent chains of multiply-adds: enough to hide their latency, few enough to stay in registers.
const CHAINS: usize = 14;
/// Multiply-adds of a chain.
const CHAIN_STEPS: usize = 100_000;

struct Chains;

impl WithSimd for Chains {
    /// Sum of all chains, and lanes of a SIMD register.
    type Output = (f32, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f32, usize) {
        // Without the black boxes, the compiler would evaluate chains of constants at compile time.
        let mut chains = [simd.splat_f32s(black_box(0.5)); CHAINS];
        let factor = simd.splat_f32s(black_box(0.999));
        let addend = simd.splat_f32s(black_box(0.001));
        for _ in 0..CHAIN_STEPS {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, factor, addend);
            }
        }
        let sums = chains.map(|chain| simd.reduce_sum_f32s(chain));
        (sums.iter().sum(), S::F32_LANES)
    }
}

/// Returns numbers between -1 and 1 that do not repeat.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (1.7 * i as f32).sin()).collect()
}

fn plan(sizes: Sizes) -> Plan {
    let Sizes {
        width,
        dims,
        channels,
        hidden,
        ..
    } = sizes;
    let mut widths = vec![width; hidden + 1];
    widths.push(channels);
    Plan::dense(dims, &widths, Pointwise::Sine { omega: 30.0 })
}

/// One field with its points, targets and buffers.
struct Field<'a> {
    level: Level,
    plan: &'a Plan,
    params: Vec<f32>,
    coords: Vec<f32>,
    targets: Vec<f32>,
    values: Vec<f32>,
    packed: Packed<f32>,
    chunk_points: usize,
    /// Workspaces of all chunks, so that their passes can be timed one after the other.
    workspaces: Vec<Workspace<f32>>,
    sum: GradientSum<f32>,
}

impl<'a> Field<'a> {
    fn new(level: Level, plan: &'a Plan, points: usize) -> Self {
        let params: Vec<f32> = numbers(plan.parameters).iter().map(|x| 0.05 * x).collect();
        let chunk_points = chunk_points(plan, &Order::Value);
        Self {
            level,
            plan,
            packed: Packed::new(level, plan, &params),
            params,
            coords: numbers(points * plan.in_features),
            targets: vec![0.5; points * plan.out_features],
            values: vec![0.0; points * plan.out_features],
            chunk_points,
            workspaces: (0..points.div_ceil(chunk_points))
                .map(|_| Workspace::default())
                .collect(),
            sum: GradientSum::zero(plan, None),
        }
    }

    fn pack(&mut self, rounding: Option<Bfloat16>) {
        let packed = Packed::new(self.level, self.plan, &self.params);
        self.packed = match rounding {
            Some(arithmetic) => packed.rounded(arithmetic),
            None => packed,
        };
    }

    fn forward(&mut self) {
        for index in 0..self.workspaces.len() {
            self.chunk(index, index, Passes::FORWARD);
        }
    }

    fn backward(&mut self) {
        for index in 0..self.workspaces.len() {
            self.chunk(index, index, Passes::BACKWARD);
        }
    }

    /// Packs the weights, computes both passes chunk by chunk with one workspace, and copies the gradient.
    fn step(&mut self, rounding: Option<Bfloat16>) {
        self.pack(rounding);
        let used = std::mem::take(&mut self.sum);
        self.sum = GradientSum::zero(self.plan, Some(used));
        for index in 0..self.workspaces.len() {
            self.chunk(index, 0, Passes::BOTH);
        }
        black_box(self.sum.flat(self.plan));
    }

    fn chunk(&mut self, index: usize, workspace: usize, passes: Passes) {
        let points = self.targets.len() / self.plan.out_features;
        let first = index * self.chunk_points;
        let count = self.chunk_points.min(points - first);
        let (dims, channels) = (self.plan.in_features, self.plan.out_features);
        let chunk = Chunk {
            plan: self.plan,
            order: &Order::Value,
            coords: &self.coords[first * dims..][..count * dims],
            params: &self.params,
            packed: &self.packed,
            level: self.level,
        };
        let workspace = &mut self.workspaces[workspace];
        let values = &mut self.values[first * channels..][..count * channels];
        if passes.forward {
            chunk.forward(values, workspace);
        }
        if passes.backward {
            for (value, target) in values.iter_mut().zip(&self.targets[first * channels..]) {
                *value = 1e-3 * (*value - target);
            }
            chunk.backward(values, workspace, &mut self.sum);
        }
    }
}

/// The passes to compute.
#[derive(Clone, Copy)]
struct Passes {
    forward: bool,
    backward: bool,
}

impl Passes {
    const FORWARD: Self = Self {
        forward: true,
        backward: false,
    };
    const BACKWARD: Self = Self {
        forward: false,
        backward: true,
    };
    const BOTH: Self = Self {
        forward: true,
        backward: true,
    };
}
