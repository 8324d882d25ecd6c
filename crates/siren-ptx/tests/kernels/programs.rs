//! Kernels that nvcc compiled, against the same computation in Rust.

use siren_ptx::{KernelLaunch, Memory, Module, Statistics, WarpOrder};

use crate::support::{ORDERS, PRODUCT, REDUCTION, Setup, VARIETY, bytes, numbers};

/// A half for a multiple of 1/64 between -2 and 2.
fn half_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if value == 0.0 {
        return 0;
    }
    assert_eq!(bits & 0x1fff, 0, "{value} is no half");
    ((bits >> 16) & 0x8000) as u16 | (((bits >> 13) & 0x3ffff) - (112 << 10)) as u16
}

fn matrix(count: usize, seed: u32) -> Vec<f32> {
    numbers(count, seed)
        .iter()
        .map(|x| (x * 64.0).round() / 64.0)
        .collect()
}

const ROWS: usize = 100;
const COLUMNS: usize = 128;
const DEPTH: usize = 48;

/// Runs the product of a ragged number of rows.
pub fn product(
    module: &Module,
    order: WarpOrder,
) -> Result<(Vec<f32>, Statistics), siren_ptx::Fault> {
    let mut setup = Setup::default();
    let (a, b) = (matrix(ROWS * DEPTH, 1), matrix(DEPTH * COLUMNS, 2));
    setup.input(&bytes(&a, |x| half_bits(x).to_le_bytes()));
    setup.input(&bytes(&b, |x| half_bits(x).to_le_bytes()));
    let c = setup.output(ROWS * COLUMNS * 4);
    for size in [ROWS, COLUMNS, DEPTH] {
        setup.number(size as i32);
    }
    let kernel = module.kernel("product").unwrap();
    let grid = [(COLUMNS / 64) as u32, ROWS.div_ceil(64) as u32, 1];
    let launch = KernelLaunch {
        grid,
        order,
        ..KernelLaunch::new(kernel, 1, 128)
    };
    let statistics = setup.run(&launch)?;
    Ok((setup.floats(c, ROWS * COLUMNS), statistics))
}

#[test]
fn a_product_on_tensor_cores_is_exact_for_exact_sums_in_every_order() {
    let module = Module::parse(PRODUCT).unwrap();
    let (a, b) = (matrix(ROWS * DEPTH, 1), matrix(DEPTH * COLUMNS, 2));
    // Sums of multiples of 2^-12 below 2^7 have no rounding.
    let mut expected = vec![0.0; ROWS * COLUMNS];
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            expected[row * COLUMNS + column] = (0..DEPTH)
                .map(|k| a[row * DEPTH + k] * b[k * COLUMNS + column])
                .sum();
        }
    }
    for order in ORDERS {
        let (found, _) = product(&module, order).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(found, expected, "{order:?}");
    }
}

#[test]
fn counts_of_a_product_are_those_of_its_loops() {
    let module = Module::parse(PRODUCT).unwrap();
    let (_, statistics) = product(&module, WarpOrder::Forward).unwrap();
    let (blocks, warps, steps) = (4, 4, 3);
    assert_eq!(statistics.matrix_products, blocks * warps * steps * 8);
    assert_eq!(statistics.barriers, blocks * steps * 2);
    // Two stores, a load of a matrix of 16 x 16, and eight of 16 x 8.
    assert_eq!(
        statistics.shared_accesses,
        blocks * warps * steps * (2 + 1 + 8)
    );
    // 16 bytes a lane need four passes, and a matrix of 8 x 8 one. The strides avoid conflicts of all but the stores of `a`: four rows at a
    // stride of 48 bytes meet in banks 4 to 7.
    assert_eq!(
        statistics.shared_wavefronts_needed,
        blocks * warps * steps * (2 * 4 + 4 + 8 * 2)
    );
    let conflicts = blocks * warps * steps * 4;
    assert_eq!(
        statistics.shared_wavefronts,
        statistics.shared_wavefronts_needed + conflicts
    );
    let stored = (ROWS * COLUMNS * 4) as u64;
    let loaded = ((ROWS * DEPTH + DEPTH * 64 * 2) * 2) as u64 * 2;
    assert_eq!(statistics.global_bytes, stored + loaded);
}

#[test]
fn a_reduction_gives_the_same_bits_in_every_order() {
    let module = Module::parse(REDUCTION).unwrap();
    let (count, blocks) = (1000, 4);
    let values = numbers(count, 3);
    let tree = |block: usize| {
        let mut sums: Vec<f32> = (0..256)
            .map(|at| values.get(block * 256 + at).copied().unwrap_or(0.0))
            .collect();
        while sums.len() > 1 {
            let half = sums.len() / 2;
            sums = (0..half).map(|at| sums[at] + sums[at + half]).collect();
        }
        sums[0]
    };
    let expected: Vec<f32> = (0..blocks).map(tree).collect();
    for order in ORDERS {
        let mut setup = Setup::default();
        setup.input(&bytes(&values, f32::to_le_bytes));
        let sums = setup.output(blocks * 4);
        setup.number(count as i32);
        let kernel = module.kernel("block_sums").unwrap();
        let launch = KernelLaunch {
            shared_bytes: 1024,
            order,
            ..KernelLaunch::new(kernel, blocks as u32, 256)
        };
        setup.run(&launch).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(setup.floats(sums, blocks), expected, "{order:?}");
    }
}

#[test]
fn atomic_maxima_of_many_blocks_are_no_race() {
    let module = Module::parse(REDUCTION).unwrap();
    let values = numbers(1000, 4);
    let expected = values
        .iter()
        .fold(0.0_f32, |largest, x| largest.max(x.abs()));
    for order in ORDERS {
        let mut setup = Setup::default();
        setup.input(&bytes(&values, f32::to_le_bytes));
        let largest = setup.input(&[0; 4]);
        setup.number(1000_i32);
        let launch = KernelLaunch {
            order,
            ..KernelLaunch::new(module.kernel("largest_magnitude").unwrap(), 3, 96)
        };
        setup.run(&launch).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(setup.floats(largest, 1), [expected]);
    }
}

#[test]
fn tables_and_structures_are_read_and_variables_written() {
    let module = Module::parse(VARIETY).unwrap();
    let mut setup = Setup::default();
    let mut settings = Vec::new();
    settings.extend(20_i32.to_le_bytes());
    settings.extend(0.5_f32.to_le_bytes());
    settings.extend(10.0_f64.to_le_bytes());
    setup.number(siren_ptx::Argument::from_bytes(&settings));
    let out = setup.output(80);
    for _ in 0..2 {
        setup
            .run(&KernelLaunch::new(module.kernel("table").unwrap(), 1, 32))
            .unwrap_or_else(|fault| panic!("{fault}"));
    }
    let offsets = [3.0, 1.0, 4.0, 1.0];
    let expected: Vec<f32> = (0..20)
        .map(|at| ((at % 8) as f32 + 1.0) * 0.25 + 10.0 + offsets[at % 4])
        .collect();
    assert_eq!(setup.floats(out, 20), expected);
    let (address, size) = setup.memory.variable(&module, "launches").unwrap().unwrap();
    assert_eq!((setup.words(address, 1), size), (vec![2], 4));
    assert_eq!(setup.memory.variable(&module, "nothing").unwrap(), None);
}

#[test]
fn local_arrays_and_switches_follow_every_thread() {
    let module = Module::parse(VARIETY).unwrap();
    let steps: Vec<i32> = (0..60).map(|at| (at * at * 7 + at) % 61).collect();
    let mut setup = Setup::default();
    setup.input(&bytes(&steps, i32::to_le_bytes));
    let out = setup.output(128);
    setup.number(60_i32);
    setup
        .run(&KernelLaunch::new(
            module.kernel("local_array").unwrap(),
            1,
            32,
        ))
        .unwrap_or_else(|fault| panic!("{fault}"));
    let expected: Vec<u32> = (0..32_i32)
        .map(|index| local_array(index, &steps) as u32)
        .collect();
    assert_eq!(setup.words(out, 32), expected);
}

fn local_array(index: i32, steps: &[i32]) -> i32 {
    let mut queue: Vec<i32> = (0..16).map(|i| i * i).collect();
    let mut sum = 0_i32;
    for &step in steps {
        match step & 7 {
            0 => sum = sum.wrapping_add(queue[((index + step) & 15) as usize]),
            1 => sum = sum.wrapping_sub(queue[((index * 3) & 15) as usize]),
            2 => queue[(step & 15) as usize] = sum,
            3 => sum ^= 0x55,
            4 => sum = sum.wrapping_mul(17).wrapping_add(1),
            5 => sum >>= 1,
            _ => sum = sum.wrapping_add(sum.count_ones() as i32),
        }
    }
    sum
}

/// Sums of rows through asynchronous copies.
pub fn pipeline(module: &Module, order: WarpOrder) -> Result<Vec<f32>, siren_ptx::Fault> {
    let stages = 5;
    let values = numbers(stages * 64 * 4, 5);
    let mut setup = Setup::default();
    setup.input(&bytes(&values, f32::to_le_bytes));
    let out = setup.output(64 * 16);
    setup.number(stages as i32);
    let launch = KernelLaunch {
        order,
        ..KernelLaunch::new(module.kernel("pipeline").unwrap(), 1, 64)
    };
    setup.run(&launch)?;
    Ok(setup.floats(out, 256))
}

#[test]
fn asynchronous_copies_arrive() {
    let module = Module::parse(VARIETY).unwrap();
    let values = numbers(5 * 256, 5);
    let mut expected = vec![0.0_f32; 256];
    for stage in values.chunks(256) {
        for (at, sum) in expected.iter_mut().enumerate() {
            *sum += stage[(63 - at / 4) * 4 + at % 4];
        }
    }
    for order in ORDERS {
        assert_eq!(
            pipeline(&module, order).unwrap_or_else(|fault| panic!("{fault}")),
            expected
        );
    }
}

#[test]
fn integers_of_all_widths_are_those_of_rust() {
    let module = Module::parse(VARIETY).unwrap();
    let pairs: Vec<[i64; 2]> = (0..64_i64)
        .map(|at| {
            [
                at.wrapping_mul(0x1234_5678_9abc_def1) ^ 0x4d,
                (at - 31).wrapping_mul(0x0fed_cba9_8765_4321),
            ]
        })
        .collect();
    let flat: Vec<i64> = pairs.concat();
    let mut setup = Setup::default();
    setup.input(&bytes(&flat, i64::to_le_bytes));
    let longs = setup.output(64 * 32);
    let small = [setup.output(64), setup.output(128)];
    setup
        .run(&KernelLaunch::new(
            module.kernel("integers").unwrap(),
            2,
            32,
        ))
        .unwrap_or_else(|fault| panic!("{fault}"));
    let found = setup.longs(longs, 256);
    for (at, &[a, b]) in pairs.iter().enumerate() {
        assert_eq!(found[4 * at..4 * at + 4], integers(a, b), "{a} and {b}");
        assert_eq!(
            read(&mut setup.memory, small[0] + at as u64, 1),
            [(a ^ b) as u8]
        );
        let product = i32::from(a as i16) * i32::from(b as i16);
        assert_eq!(
            read(&mut setup.memory, small[1] + 2 * at as u64, 2),
            ((product as i16 >> 3).to_le_bytes())
        );
    }
}

fn read(memory: &mut Memory, address: u64, bytes: usize) -> Vec<u8> {
    memory.read(address, bytes).unwrap().to_vec()
}

fn integers(a: i64, b: i64) -> [u64; 4] {
    let (low, high) = (a as u32, (b >> 32) as u32);
    let wide_high = ((i128::from(a) * i128::from(b)) >> 64) as i64;
    let unsigned_high = ((u64::from(low) * u64::from(high)) >> 32) as u32;
    let signed_high = ((i64::from(low as i32) * i64::from(high as i32)) >> 32) as i32;
    let pair = u64::from(high) << 32 | u64::from(low);
    let byte = |index: u64| (pair >> (8 * index)) as u8;
    let permuted = u32::from_le_bytes([byte(0), byte(4), byte(2), byte(6)]);
    let funnel = ((pair << 13) >> 32) as u32;
    let bits = low.reverse_bits() ^ permuted ^ funnel;
    [
        a.wrapping_div(b | 1).wrapping_add(a.wrapping_rem(b | 1)) as u64,
        (wide_high ^ i64::from(unsigned_high) ^ i64::from(signed_high)) as u64,
        u64::from(a.leading_zeros()) << 32 | u64::from(bits),
        (a.min(b)
            .wrapping_add(i64::from((low as i32).max(high as i32))))
        .wrapping_add(i64::from(low / (high | 1)))
        .wrapping_add(i64::from((low as i32).wrapping_abs())) as u64,
    ]
}
