//! Times what ranks exchange in a step, on this network: a small message to all, and the sum of a vector that every rank then has.
//!
//! `mpirun -n 4 target/release/examples/exchange` prints, for each length of the vector, the median of some rounds on rank 0.

#![expect(
    clippy::print_stdout,
    reason = "a program: its output is for the terminal"
)]

use std::time::Instant;

use siren_core::Result;
use siren_core::ranks::Ranks;

/// Bytes of the small message: a few sums and flags.
const MESSAGE: usize = 100;
/// Rounds whose median is printed, after some that are not timed.
const ROUNDS: usize = 41;
const WARM_UP: usize = 5;

fn main() -> Result<()> {
    let ranks = siren_run::program::ranks()?;
    let small = median_microseconds(|| ranks.gather(Ok(vec![0; MESSAGE])).map(|_| ()))?;
    print(&ranks, &format!("{} ranks", ranks.count()));
    print(
        &ranks,
        &format!("message of {MESSAGE} bytes   {small:>10.1} us"),
    );
    for exponent in (8..=22).step_by(2) {
        let mut vector = vec![1.0_f32; 1 << exponent];
        let sum = median_microseconds(|| {
            ranks.sum_slices(&mut vector)?;
            ranks.share_slices(&mut vector)?;
            vector.fill(1.0);
            Ok(())
        })?;
        let bytes = vector.len() * size_of::<f32>();
        print(&ranks, &format!("sum of {bytes:>9} bytes  {sum:>10.1} us"));
    }
    Ok(())
}

fn print(ranks: &Ranks, line: &str) {
    if ranks.is_first() {
        println!("{line}");
    }
}

fn median_microseconds(mut round: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(ROUNDS);
    for index in 0..WARM_UP + ROUNDS {
        let start = Instant::now();
        round()?;
        if index >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}
