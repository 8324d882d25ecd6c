//! Kernels on their own, on one thread: `cargo bench -p siren-kernel`; `-- NAME` selects some.
//!
//! `cargo xtask bench` times whole training steps, beside other engines.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use siren_kernel::network::{Chunk, GradientSum, Order, Packed, Plan, Workspace, chunk_points};
use siren_kernel::product::{Accumulate, Convolution, Factor, Matrix, Plane, Windows};
use siren_kernel::product::{TransposedSum, sum_of_squares};
use siren_kernel::{Level, Pointwise};

fn main() {
    divan::main();
}

const WIDTHS: [usize; 3] = [64, 256, 1024];
const ROWS: usize = 1024;

/// Returns numbers between -1 and 1 that do not repeat.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (1.7 * i as f32).sin()).collect()
}

/// Activations `(1024, width)` by weights `(width, width)`. Throughput: multiplications.
#[divan::bench(args = WIDTHS)]
fn product(bencher: Bencher<'_, '_>, width: usize) {
    let factor = Factor::new(&numbers(width * width), width);
    let (a, mut out) = (numbers(ROWS * width), vec![0.0; ROWS * width]);
    bencher
        .counter(ItemsCount::new(ROWS * width * width))
        .bench_local(|| factor.multiply(black_box(&a), &mut out, Accumulate::Overwrite));
}

/// Gradient of the weights of such a layer. Throughput: multiplications.
#[divan::bench(args = WIDTHS)]
fn transposed_sum(bencher: Bencher<'_, '_>, width: usize) {
    let (a, b) = (numbers(ROWS * width), numbers(ROWS * width));
    let mut sum = TransposedSum::new(width, width);
    bencher
        .counter(ItemsCount::new(ROWS * width * width))
        .bench_local(|| sum.add(black_box(&a), black_box(&b)));
}

/// Product of a transposed and another square matrix. Throughput: multiplications.
#[divan::bench(args = WIDTHS)]
fn matrix_product(bencher: Bencher<'_, '_>, side: usize) {
    let a = Matrix::from_row_major(side, side, &numbers(side * side));
    let mut out = Matrix::zeros(side, side);
    bencher
        .counter(ItemsCount::new(side.pow(3)))
        .bench_local(|| black_box(&a).add_transposed_product(black_box(&a), &mut out));
}

/// 3 × 3 windows over a picture of 32 × 32 pixels with as many channels out as in. Throughput: multiplications.
#[divan::bench(args = [16, 64, 256])]
fn convolution(bencher: Bencher<'_, '_>, channels: usize) {
    let windows = Windows {
        height: 32,
        width: 32,
        kernel_size: 3,
    };
    let weight = numbers(channels * channels * 9);
    let convolution = Convolution::new(windows, channels, channels, &weight);
    let mut plane = Plane::new(windows, channels);
    let elements = numbers(channels * 1024);
    plane.load(|range| elements[range].iter().copied());
    let (mut out, mut buffer) = (vec![0.0; channels * 1024], Vec::new());
    bencher
        .counter(ItemsCount::new(channels * channels * 9 * 1024))
        .bench_local(|| convolution.apply(black_box(&plane), &mut out, &mut buffer, |_, sum| sum));
}

/// Throughput: elements.
#[divan::bench(args = [4096, 1 << 20])]
fn squares(bencher: Bencher<'_, '_>, count: usize) {
    let values = numbers(count);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| sum_of_squares(black_box(&values)));
}

/// A network as in the paper, of two coordinates and one channel.
fn plan(width: usize) -> Plan {
    let widths = [width, width, width, width, 1];
    Plan::dense(2, &widths, Pointwise::Sine { omega: 30.0 })
}

fn order(name: &str) -> Order {
    match name {
        "value" => Order::Value,
        "gradient" => Order::Gradient,
        _ => Order::laplacian(2),
    }
}

/// Every level of this processor, for some kinds of jets.
fn levels() -> impl Iterator<Item = (Level, &'static str)> {
    let kinds = ["value", "gradient", "laplacian"];
    Level::available().flat_map(move |level| kinds.map(|kind| (level, kind)))
}

/// Forward and backward pass of one chunk. Throughput: points.
#[divan::bench(args = levels().map(Args), consts = [64, 256])]
fn network<const WIDTH: usize>(bencher: Bencher<'_, '_>, Args((level, kind)): Args) {
    let (plan, order) = (plan(WIDTH), order(kind));
    let points = chunk_points(&plan, &order);
    let params: Vec<f32> = numbers(plan.parameters).iter().map(|x| 0.05 * x).collect();
    let packed = Packed::new(level, &plan, &params);
    let coords = numbers(2 * points);
    let chunk = Chunk {
        plan: &plan,
        order: &order,
        coords: &coords,
        params: &params,
        packed: &packed,
        level,
    };
    let mut jets = vec![0.0; points * order.components(2)];
    let (mut workspace, mut sum) = (Workspace::default(), GradientSum::zero(&plan, None));
    bencher.counter(ItemsCount::new(points)).bench_local(|| {
        chunk.forward(&mut jets, &mut workspace);
        chunk.backward(&jets, &mut workspace, &mut sum);
    });
}

/// Level and kind of a jet, named by both.
#[derive(Clone, Copy)]
struct Args((Level, &'static str));

impl std::fmt::Display for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.0.0, self.0.1)
    }
}
