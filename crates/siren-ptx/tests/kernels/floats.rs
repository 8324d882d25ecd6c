//! Minima, comparisons and halves, whose edges are NaN, zeros and ties.
#![expect(clippy::float_cmp, reason = "comparisons are what is tested")]

use crate::arithmetic::{check, f, floats, run};

#[test]
fn minima_and_maxima_prefer_numbers_and_order_zeros() {
    let order = |a: f32, b: f32| {
        if a == b {
            b.is_sign_negative().cmp(&a.is_sign_negative())
        } else {
            a.total_cmp(&b)
        }
    };
    let pick = move |[a, b]: [u32; 2], least: bool| match (f(a).is_nan(), f(b).is_nan()) {
        (true, true) => 0x7fff_ffff,
        (true, false) => b,
        (false, true) => a,
        _ if order(f(a), f(b)).is_lt() == least => a,
        _ => b,
    };
    check("min.f32 %f7, %f3, %f4;", floats, move |[a, b, _]| {
        pick([a, b], true)
    });
    check("max.f32 %f7, %f3, %f4;", floats, move |[a, b, _]| {
        pick([a, b], false)
    });
}

#[test]
fn comparisons_know_nan() {
    let set =
        |relation: &str| format!("setp.{relation}.f32 %p1, %f3, %f4;\nselp.u32 %r7, 1, 0, %p1;");
    let check = |relation: &str, expected: fn(f32, f32) -> bool| {
        check(&set(relation), floats, |[a, b, _]| {
            u32::from(expected(f(a), f(b)))
        });
    };
    let ordered = |a: f32, b: f32| !a.is_nan() && !b.is_nan();
    check("eq", |a, b| a == b);
    check("ne", |a, b| !a.is_nan() && !b.is_nan() && a != b);
    check("lt", |a, b| a < b);
    check("ge", |a, b| a >= b);
    check("equ", |a, b| a == b || a.is_nan() || b.is_nan());
    check("neu", |a, b| a != b);
    check("leu", |a, b| a <= b || a.is_nan() || b.is_nan());
    check("gtu", |a, b| a > b || a.is_nan() || b.is_nan());
    check("num", ordered);
    check("nan", |a, b| a.is_nan() || b.is_nan());
}

/// The half nearest to a float, found among all halves.
fn nearest_half(value: f32) -> u32 {
    let magnitude = value.abs();
    if value.is_nan() {
        return 0x7fff;
    }
    let best = (0..0x7c00_u32).min_by_key(|&half| {
        (f64::from(half_value(half)) - f64::from(magnitude))
            .abs()
            .to_bits()
            * 2
            + u64::from(half & 1)
    });
    let finite = best.unwrap_or(0);
    let half = if magnitude >= 65_520.0 {
        0x7c00
    } else {
        finite
    };
    half | u32::from(value.is_sign_negative()) << 15
}

fn half_value(half: u32) -> f32 {
    let (exponent, mantissa) = (half >> 10 & 31, half & 1023);
    if exponent == 0 {
        mantissa as f32 * 2.0_f32.powi(-24)
    } else {
        (1024 + mantissa) as f32 * 2.0_f32.powi(exponent as i32 - 25)
    }
}

#[test]
fn halves_are_the_nearest() {
    let to_half = "cvt.rn.f16.f32 %rs1, %f3;\ncvt.u32.u16 %r7, %rs1;";
    check(to_half, floats, |[a, ..]| nearest_half(f(a)));
    let near: fn(u32) -> [[u32; 3]; 32] = |seed| {
        std::array::from_fn(|lane| {
            let half = (seed * 6007 + lane as u32 * 997) % 0x7c00;
            let middle = f32::midpoint(half_value(half), half_value((half + 1) % 0x7c00));
            [middle.to_bits() + (lane as u32 % 3) - 1, 0, 0]
        })
    };
    check(to_half, near, |[a, ..]| nearest_half(f(a)));
    check(
        "cvt.rn.bf16.f32 %rs1, %f3;\ncvt.u32.u16 %r7, %rs1;",
        floats,
        |[a, ..]| {
            if f(a).is_nan() {
                0x7fff
            } else {
                ((u64::from(a) + 0x7fff + u64::from(a >> 16 & 1)) >> 16) as u32
            }
        },
    );
    check("cvt.rn.f16x2.f32 %r7, %f3, %f4;", floats, |[a, b, _]| {
        nearest_half(f(a)) << 16 | nearest_half(f(b))
    });
}

#[test]
fn every_half_becomes_its_value() {
    for first in (0..0x8000_u32).step_by(32 * 64) {
        let inputs =
            std::array::from_fn(|lane| [first + lane as u32 * 64, first + lane as u32 * 64 + 1, 0]);
        for (found, [half, ..]) in run("cvt.u16.u32 %rs1, %r3;\ncvt.f32.f16 %f7, %rs1;", &inputs)
            .into_iter()
            .zip(inputs)
        {
            let expected = match half {
                ..0x7c00 => half_value(half).to_bits(),
                0x7c00 => f32::INFINITY.to_bits(),
                _ => 0x7fff_ffff,
            };
            assert_eq!(found, expected, "{half:#x}");
        }
    }
}
