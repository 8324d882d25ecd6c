//! Peak floating-point rate of the processor at a SIMD level, measured with independent fused multiply-adds.

use std::time::Instant;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use siren_core::field::Level;

/// Number of independent chains of multiply-adds: enough to hide their latency, few enough to stay in registers.
const CHAINS: usize = 14;

/// Measures the GFLOP/s of all threads together. Returns the best of four runs of about 50 ms, as the cores' clocks are low in the first.
pub fn gflops(threads: usize, level: Level) -> f64 {
    let run = |_| {
        let start = Instant::now();
        run(threads, level) / start.elapsed().as_secs_f64() / 1e9
    };
    (0..4).map(run).fold(0.0, f64::max)
}

/// Runs the chains on every thread and returns the number of floating-point operations.
fn run(threads: usize, level: Level) -> f64 {
    const ROUNDS: u64 = 14_000_000;
    let operations = |_| {
        let (sum, lanes) = level.dispatch(Chains(ROUNDS));
        std::hint::black_box(sum);
        (ROUNDS * 2 * CHAINS as u64) as f64 * lanes as f64
    };
    (0..threads)
        .into_par_iter()
        .with_max_len(1)
        .map(operations)
        .sum()
}

/// Chains of so many multiply-adds each.
struct Chains(u64);

impl WithSimd for Chains {
    /// Sum of all chains, and lanes of a SIMD register.
    type Output = (f32, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f32, usize) {
        // Without the black boxes, the compiler would evaluate chains of constants at compile time.
        let mut chains = [simd.splat_f32s(std::hint::black_box(0.5)); CHAINS];
        let factor = simd.splat_f32s(std::hint::black_box(0.999));
        let addend = simd.splat_f32s(std::hint::black_box(0.001));
        for _ in 0..self.0 {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, factor, addend);
            }
        }
        let sums = chains.map(|chain| simd.reduce_sum_f32s(chain));
        (sums.iter().sum(), S::F32_LANES)
    }
}
