//! Instructions on values of all kinds, against Rust.

use crate::support::{Setup, bytes, snippet};
use siren_ptx::{KernelLaunch, Module};

/// Runs an instruction that takes `%r3`, `%r4`, `%r5` (also as `%f3` to `%f5`) to `%r7` or `%f7` in the 32 lanes of a warp.
pub fn run(instruction: &str, inputs: &[[u32; 3]; 32]) -> Vec<u32> {
    let float = instruction.contains("%f7");
    let body = format!(
        "mul.wide.u32 %rd2, %r1, 16;\nadd.s64 %rd3, %rd1, %rd2;\nld.global.v4.u32 {{%r3, %r4, %r5, %r6}}, [%rd3];\n\
         mov.b32 %f3, %r3;\nmov.b32 %f4, %r4;\nmov.b32 %f5, %r5;\n{instruction}\n{}\nst.global.u32 [%rd3+12], %r7;",
        if float { "mov.b32 %r7, %f7;" } else { "" }
    );
    let module = Module::parse(&snippet(&body)).unwrap_or_else(|error| panic!("{error}"));
    let mut setup = Setup::default();
    let flat: Vec<u32> = inputs.iter().flat_map(|&[a, b, c]| [a, b, c, 0]).collect();
    let address = setup.input(&bytes(&flat, u32::to_le_bytes));
    setup
        .run(&KernelLaunch::new(module.kernel("test").unwrap(), 1, 32))
        .unwrap_or_else(|fault| panic!("{fault}"));
    setup
        .words(address, 128)
        .chunks(4)
        .map(|chunk| chunk[3])
        .collect()
}

/// Integers at and around the bounds, and others.
pub fn integers(seed: u32) -> [[u32; 3]; 32] {
    let edges = [
        0,
        1,
        2,
        31,
        32,
        33,
        255,
        0x7fff,
        0x8000,
        0xffff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffe,
        u32::MAX,
    ];
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 30 == 0 {
            state.rotate_left(9)
        } else {
            edges[(state >> 8) as usize % edges.len()]
        }
    };
    std::array::from_fn(|_| [draw(), draw(), draw()])
}

/// Floats with zeros, subnormals, infinities, NaN, large and small ones.
pub fn floats(seed: u32) -> [[u32; 3]; 32] {
    let edges = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        1e-40,
        -1e-45,
        3e38,
        -3e38,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        0.5,
        2.5,
        65_519.0,
        65_520.0,
        1e-7,
    ];
    integers(seed).map(|three| {
        three.map(|bits| {
            if bits % 3 == 0 {
                bits
            } else {
                edges[bits as usize % edges.len()].to_bits()
            }
        })
    })
}

/// Compares with a function of Rust, for several inputs. All NaN are one.
pub fn check(
    instruction: &str,
    inputs: fn(u32) -> [[u32; 3]; 32],
    expected: impl Fn([u32; 3]) -> u32,
) {
    for seed in 1..6 {
        let inputs = inputs(seed);
        for (found, three) in run(instruction, &inputs).into_iter().zip(inputs) {
            assert_eq!(found, expected(three), "{instruction} of {three:x?}");
        }
    }
}

pub fn bits(value: f32) -> u32 {
    if value.is_nan() {
        0x7fff_ffff
    } else {
        value.to_bits()
    }
}

pub fn f(bits: u32) -> f32 {
    f32::from_bits(bits)
}

#[test]
fn integer_arithmetic_wraps_and_shifts_clamp() {
    check("add.s32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        a.wrapping_add(b)
    });
    check("sub.u32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        a.wrapping_sub(b)
    });
    check("mul.lo.s32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        a.wrapping_mul(b)
    });
    check("mul.hi.u32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        ((u64::from(a) * u64::from(b)) >> 32) as u32
    });
    check("mul.hi.s32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32
    });
    check("mad.lo.s32 %r7, %r3, %r4, %r5;", integers, |[a, b, c]| {
        a.wrapping_mul(b).wrapping_add(c)
    });
    check("min.s32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        (a as i32).min(b as i32) as u32
    });
    check("max.u32 %r7, %r3, %r4;", integers, |[a, b, _]| a.max(b));
    check("abs.s32 %r7, %r3;", integers, |[a, ..]| {
        (a as i32).wrapping_abs() as u32
    });
    check("shl.b32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        if b > 31 { 0 } else { a << b }
    });
    check("shr.u32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        if b > 31 { 0 } else { a >> b }
    });
    check("shr.s32 %r7, %r3, %r4;", integers, |[a, b, _]| {
        (a as i32 >> b.min(31)) as u32
    });
    check("popc.b32 %r7, %r3;", integers, |[a, ..]| a.count_ones());
    check("clz.b32 %r7, %r3;", integers, |[a, ..]| a.leading_zeros());
    check(
        "lop3.b32 %r7, %r3, %r4, %r5, 0xe8;",
        integers,
        |[a, b, c]| (a & b) | (b & c) | (a & c),
    );
    check(
        "or.b32 %r4, %r4, 1;\nrem.s32 %r7, %r3, %r4;",
        integers,
        |[a, b, _]| (a as i32).wrapping_rem(b as i32 | 1) as u32,
    );
}

#[test]
fn arithmetic_of_16_bits_stays_in_16_bits() {
    let narrow = "cvt.u16.u32 %rs1, %r3;\ncvt.u16.u32 %rs2, %r4;\n";
    let low = |value: i32| value as u32 & 0xffff;
    let signed = |value: u32| i32::from(value as i16);
    let with = |instruction: &str| format!("{narrow}{instruction}\ncvt.u32.u16 %r7, %rs3;");
    check(&with("add.s16 %rs3, %rs1, %rs2;"), integers, |[a, b, _]| {
        low(signed(a) + signed(b))
    });
    check(
        &with("mul.lo.s16 %rs3, %rs1, %rs2;"),
        integers,
        |[a, b, _]| low(signed(a).wrapping_mul(signed(b))),
    );
    check(&with("shr.s16 %rs3, %rs1, 3;"), integers, |[a, ..]| {
        low(signed(a) >> 3)
    });
    check(&with("min.s16 %rs3, %rs1, %rs2;"), integers, |[a, b, _]| {
        low(signed(a).min(signed(b)))
    });
    check(&with("not.b16 %rs3, %rs1;"), integers, |[a, ..]| {
        !a & 0xffff
    });
    check(
        &format!("{narrow}mul.wide.s16 %r7, %rs1, %rs2;"),
        integers,
        |[a, b, _]| signed(a).wrapping_mul(signed(b)) as u32,
    );
    check(
        &format!("{narrow}setp.lt.s16 %p1, %rs1, %rs2;\nselp.u32 %r7, 1, 0, %p1;"),
        integers,
        |[a, b, _]| u32::from(signed(a) < signed(b)),
    );
    check("cvt.s32.s8 %r7, %r3;", integers, |[a, ..]| a as i8 as u32);
    check("cvt.sat.u8.s32 %r7, %r3;", integers, |[a, ..]| {
        (a as i32).clamp(0, 255) as u32
    });
    check(
        "mov.b32 {%rs1, %rs2}, %r3;\nmov.b32 %r7, {%rs2, %rs1};",
        integers,
        |[a, ..]| a.rotate_left(16),
    );
}

#[test]
fn fields_of_bits_are_extracted_and_inserted() {
    check(
        "bfe.u32 %r7, %r3, %r4, %r5;",
        integers,
        |[a, position, length]| {
            let (position, length) = (position & 255, length & 255);
            (0..length.min(32))
                .filter(|i| position + i < 32)
                .map(|i| (a >> (position + i) & 1) << i)
                .sum()
        },
    );
    check(
        "bfe.s32 %r7, %r3, %r4, %r5;",
        integers,
        |[a, position, length]| {
            let (position, length) = (position & 255, length & 255);
            let sign = if length == 0 {
                0
            } else {
                a >> (position + length - 1).min(31) & 1
            };
            let bit = |i: u32| {
                if i < length && position + i < 32 {
                    a >> (position + i) & 1
                } else {
                    sign
                }
            };
            (0..32).map(|i| bit(i) << i).sum()
        },
    );
    check(
        "and.b32 %r4, %r4, 31;\nbfi.b32 %r7, %r3, %r5, %r4, 7;",
        integers,
        |[a, position, base]| {
            let position = position & 31;
            let mask = 127_u32 << position;
            (base & !mask) | (a << position & mask)
        },
    );
    check(
        "shf.l.wrap.b32 %r7, %r3, %r4, %r5;",
        integers,
        |[a, b, c]| ((u64::from(b) << 32 | u64::from(a)) << (c & 31) >> 32) as u32,
    );
    check("prmt.b32 %r7, %r3, %r4, 0x5410;", integers, |[a, b, _]| {
        a & 0xffff | b << 16
    });
}

#[test]
fn float_arithmetic_is_rounded_to_nearest_without_flushing() {
    check("add.f32 %f7, %f3, %f4;", floats, |[a, b, _]| {
        bits(f(a) + f(b))
    });
    check("sub.f32 %f7, %f3, %f4;", floats, |[a, b, _]| {
        bits(f(a) - f(b))
    });
    check("mul.rn.f32 %f7, %f3, %f4;", floats, |[a, b, _]| {
        bits(f(a) * f(b))
    });
    check("fma.rn.f32 %f7, %f3, %f4, %f5;", floats, |[a, b, c]| {
        bits(f(a).mul_add(f(b), f(c)))
    });
    check("div.rn.f32 %f7, %f3, %f4;", floats, |[a, b, _]| {
        bits(f(a) / f(b))
    });
    check("rcp.rn.f32 %f7, %f3;", floats, |[a, ..]| bits(1.0 / f(a)));
    check("sqrt.rn.f32 %f7, %f3;", floats, |[a, ..]| bits(f(a).sqrt()));
    check("neg.f32 %f7, %f3;", floats, |[a, ..]| a ^ 1 << 31);
    check("abs.f32 %f7, %f3;", floats, |[a, ..]| a & !(1 << 31));
    check("copysign.f32 %f7, %f3, %f4;", floats, |[a, b, _]| {
        bits_of_copysign(a, b)
    });
    check("cvt.sat.f32.f32 %f7, %f3;", floats, |[a, ..]| {
        if f(a) > 0.0 {
            f(a).min(1.0).to_bits()
        } else {
            0
        }
    });
}

/// PTX copies the sign of its first operand.
fn bits_of_copysign(sign: u32, magnitude: u32) -> u32 {
    magnitude & !(1 << 31) | sign & 1 << 31
}

#[test]
fn predicates_combine() {
    let body = "setp.lt.u32 %p1, %r3, %r4;\nsetp.gt.and.s32 %p2|%p3, %r4, %r5, !%p1;\nxor.pred %p4, %p1, %p3;\nnot.pred %p5, %p4;\n\
                selp.u32 %r8, 1, 0, %p2;\nselp.u32 %r9, 2, 0, %p3;\nselp.u32 %r10, 4, 0, %p5;\nor.b32 %r7, %r8, %r9;\nor.b32 %r7, %r7, %r10;";
    check(body, integers, |[a, b, c]| {
        let (first, second) = (a < b, (b as i32) > (c as i32));
        let (both, other) = (second && !first, !second && !first);
        u32::from(both) | u32::from(other) << 1 | u32::from(first == other) << 2
    });
}

#[test]
fn conversions_to_integers_round_as_told_and_saturate() {
    check("cvt.rzi.s32.f32 %r7, %f3;", floats, |[a, ..]| {
        f(a) as i32 as u32
    });
    check("cvt.rni.s32.f32 %r7, %f3;", floats, |[a, ..]| {
        f(a).round_ties_even() as i32 as u32
    });
    check("cvt.rmi.u32.f32 %r7, %f3;", floats, |[a, ..]| {
        f(a).floor() as u32
    });
    check("cvt.rpi.f32.f32 %f7, %f3;", floats, |[a, ..]| {
        bits(f(a).ceil())
    });
    check(
        "cvt.rzi.u16.f32 %rs1, %f3;\ncvt.u32.u16 %r7, %rs1;",
        floats,
        |[a, ..]| u32::from(f(a) as u16),
    );
    check(
        "cvt.rzi.s64.f32 %rd4, %f3;\ncvt.u32.u64 %r7, %rd4;",
        floats,
        |[a, ..]| f(a) as i64 as u32,
    );
    check("cvt.rn.f32.s32 %f7, %r3;", integers, |[a, ..]| {
        (a as i32 as f32).to_bits()
    });
    check("cvt.rn.f32.u32 %f7, %r3;", integers, |[a, ..]| {
        (a as f32).to_bits()
    });
    check(
        "cvt.s64.s32 %rd4, %r3;\ncvt.rn.f32.s64 %f7, %rd4;",
        integers,
        |[a, ..]| (a as i32 as f32).to_bits(),
    );
}

#[test]
fn doubles_are_exact_where_they_can_be() {
    check(
        "cvt.f64.f32 %fd1, %f3;\ncvt.f64.f32 %fd2, %f4;\nmul.f64 %fd3, %fd1, %fd2;\ncvt.rn.f32.f64 %f7, %fd3;",
        floats,
        |[a, b, _]| bits((f64::from(f(a)) * f64::from(f(b))) as f32),
    );
    check(
        "cvt.rn.f64.s32 %fd1, %r3;\nadd.f64 %fd2, %fd1, 0d3FE0000000000000;\ncvt.rmi.s32.f64 %r7, %fd2;",
        integers,
        |[a, ..]| a,
    );
}

#[test]
fn shuffles_and_votes_reach_other_lanes() {
    let lanes: fn(u32) -> [[u32; 3]; 32] =
        |seed| std::array::from_fn(|lane| [lane as u32 * 3 + seed, lane as u32, 0]);
    let check = |instruction: &str, expected: fn(u32) -> u32| {
        check(instruction, lanes, |[own, lane, _]| {
            let seed = own - lane * 3;
            expected(lane) * 3 + seed
        });
    };
    check("shfl.sync.down.b32 %r7, %r3, 4, 31, 0xffffffff;", |lane| {
        if lane + 4 < 32 { lane + 4 } else { lane }
    });
    check("shfl.sync.up.b32 %r7, %r3, 1, 0, 0xffffffff;", |lane| {
        lane.saturating_sub(1)
    });
    check("shfl.sync.bfly.b32 %r7, %r3, 5, 31, 0xffffffff;", |lane| {
        lane ^ 5
    });
    // Segments of eight lanes.
    check(
        "shfl.sync.idx.b32 %r7, %r3, 2, 0x181f, 0xffffffff;",
        |lane| lane / 8 * 8 + 2,
    );
    let votes = run(
        "setp.lt.u32 %p1, %r1, 5;\nvote.sync.ballot.b32 %r7, %p1, 0xffffffff;",
        &integers(1),
    );
    assert_eq!(votes, [0x1f; 32]);
    let sums = run("redux.sync.add.s32 %r7, %r1, 0xffffffff;", &integers(1));
    assert_eq!(sums, [31 * 16; 32]);
}
