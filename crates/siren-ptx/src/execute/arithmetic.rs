//! Arithmetic of a warp. Everything is inlined into the loop that is compiled for each instruction set.

use super::number::{
    bf16_from_f32, bits32, bits64, extract, f16_from_f32, f32_from_f16, insert, look_up, max_f32,
    max_f64, min_f32, min_f64, permute, saturate, shift_left, shift_right, shift_right_signed,
};
use super::registers::{LANES, Registers};
use crate::fault::{FaultKind, Trap, lane_trap};
use crate::isa::{
    Binary32, Binary64, Divide, Narrow, Shift, Slot, Ternary32, Ternary64, Unary32, Unary64, Widen,
};
use crate::memory::{LOCAL_WINDOW, SHARED_WINDOW};

#[inline(always)]
fn float(bits: u32) -> f32 {
    f32::from_bits(bits)
}

#[inline(always)]
fn double(bits: u64) -> f64 {
    f64::from_bits(bits)
}

#[inline(always)]
pub(super) fn unary32(r: &mut Registers, f: Unary32, d: Slot, a: Slot, mask: u32) {
    match f {
        Unary32::Mov => r.word_from_word(d, a, mask, |a| a),
        Unary32::Not => r.word_from_word(d, a, mask, |a| !a),
        Unary32::Neg => r.word_from_word(d, a, mask, u32::wrapping_neg),
        Unary32::Abs => r.word_from_word(d, a, mask, |a| (a as i32).wrapping_abs() as u32),
        Unary32::Popc => r.word_from_word(d, a, mask, u32::count_ones),
        Unary32::Clz => r.word_from_word(d, a, mask, u32::leading_zeros),
        Unary32::Brev => r.word_from_word(d, a, mask, u32::reverse_bits),
        Unary32::Zero8 => r.word_from_word(d, a, mask, |a| a & 0xff),
        Unary32::Zero16 => r.word_from_word(d, a, mask, |a| a & 0xffff),
        Unary32::Sign8 => r.word_from_word(d, a, mask, |a| a as i8 as u32),
        Unary32::Sign16 => r.word_from_word(d, a, mask, |a| a as i16 as u32),
        Unary32::High16 => r.word_from_word(d, a, mask, |a| a >> 16),
        Unary32::NegF32 => r.word_from_word(d, a, mask, |a| a ^ 0x8000_0000),
        Unary32::AbsF32 => r.word_from_word(d, a, mask, |a| a & 0x7fff_ffff),
        Unary32::SqrtF32 => r.word_from_word(d, a, mask, |a| bits32(float(a).sqrt())),
        Unary32::RecipF32 => r.word_from_word(d, a, mask, |a| bits32(1.0 / float(a))),
        Unary32::SaturateF32 => r.word_from_word(d, a, mask, |a| bits32(saturate(float(a)))),
        Unary32::NearestF32 => r.word_from_word(d, a, mask, |a| bits32(float(a).round_ties_even())),
        Unary32::TruncF32 => r.word_from_word(d, a, mask, |a| bits32(float(a).trunc())),
        Unary32::FloorF32 => r.word_from_word(d, a, mask, |a| bits32(float(a).floor())),
        Unary32::CeilF32 => r.word_from_word(d, a, mask, |a| bits32(float(a).ceil())),
        Unary32::S32FromF32 => r.word_from_word(d, a, mask, |a| float(a) as i32 as u32),
        Unary32::U32FromF32 => r.word_from_word(d, a, mask, |a| float(a) as u32),
        Unary32::F32FromS32 => r.word_from_word(d, a, mask, |a| (a as i32 as f32).to_bits()),
        Unary32::F32FromU32 => r.word_from_word(d, a, mask, |a| (a as f32).to_bits()),
        Unary32::F16FromF32 => r.word_from_word(d, a, mask, f16_from_f32),
        Unary32::F32FromF16 => r.word_from_word(d, a, mask, |a| f32_from_f16(a & 0xffff)),
        Unary32::Bf16FromF32 => r.word_from_word(d, a, mask, bf16_from_f32),
        Unary32::F32FromBf16 => r.word_from_word(d, a, mask, |a| a << 16),
    }
}

#[inline(always)]
pub(super) fn unary64(r: &mut Registers, f: Unary64, d: Slot, a: Slot, mask: u32) {
    match f {
        Unary64::Mov => r.long_from_long(d, a, mask, |a| a),
        Unary64::Not => r.long_from_long(d, a, mask, |a| !a),
        Unary64::Neg => r.long_from_long(d, a, mask, u64::wrapping_neg),
        Unary64::Abs => r.long_from_long(d, a, mask, |a| (a as i64).wrapping_abs() as u64),
        Unary64::Brev => r.long_from_long(d, a, mask, u64::reverse_bits),
        Unary64::Zero8 => r.long_from_long(d, a, mask, |a| a & 0xff),
        Unary64::Zero16 => r.long_from_long(d, a, mask, |a| a & 0xffff),
        Unary64::Zero32 => r.long_from_long(d, a, mask, |a| a & 0xffff_ffff),
        Unary64::Sign8 => r.long_from_long(d, a, mask, |a| a as i8 as u64),
        Unary64::Sign16 => r.long_from_long(d, a, mask, |a| a as i16 as u64),
        Unary64::Sign32 => r.long_from_long(d, a, mask, |a| a as i32 as u64),
        Unary64::NegF64 => r.long_from_long(d, a, mask, |a| a ^ (1 << 63)),
        Unary64::AbsF64 => r.long_from_long(d, a, mask, |a| a & (u64::MAX >> 1)),
        Unary64::SqrtF64 => r.long_from_long(d, a, mask, |a| bits64(double(a).sqrt())),
        Unary64::RecipF64 => r.long_from_long(d, a, mask, |a| bits64(1.0 / double(a))),
        Unary64::NearestF64 => {
            r.long_from_long(d, a, mask, |a| bits64(double(a).round_ties_even()));
        }
        Unary64::TruncF64 => r.long_from_long(d, a, mask, |a| bits64(double(a).trunc())),
        Unary64::FloorF64 => r.long_from_long(d, a, mask, |a| bits64(double(a).floor())),
        Unary64::CeilF64 => r.long_from_long(d, a, mask, |a| bits64(double(a).ceil())),
        Unary64::S64FromF64 => r.long_from_long(d, a, mask, |a| double(a) as i64 as u64),
        Unary64::U64FromF64 => r.long_from_long(d, a, mask, |a| double(a) as u64),
        Unary64::F64FromS64 => r.long_from_long(d, a, mask, |a| (a as i64 as f64).to_bits()),
        Unary64::F64FromU64 => r.long_from_long(d, a, mask, |a| (a as f64).to_bits()),
        Unary64::ToShared => r.long_from_long(d, a, mask, |a| a.wrapping_sub(SHARED_WINDOW)),
        Unary64::FromShared => r.long_from_long(d, a, mask, |a| a.wrapping_add(SHARED_WINDOW)),
        Unary64::ToLocal => r.long_from_long(d, a, mask, |a| a.wrapping_sub(LOCAL_WINDOW)),
        Unary64::FromLocal => r.long_from_long(d, a, mask, |a| a.wrapping_add(LOCAL_WINDOW)),
    }
}

#[inline(always)]
pub(super) fn widen(r: &mut Registers, f: Widen, d: Slot, a: Slot, mask: u32) {
    match f {
        Widen::Zero => r.long_from_word(d, a, mask, u64::from),
        Widen::Sign => r.long_from_word(d, a, mask, |a| a as i32 as u64),
        Widen::F64FromF32 => r.long_from_word(d, a, mask, |a| bits64(f64::from(float(a)))),
        Widen::F64FromS32 => r.long_from_word(d, a, mask, |a| f64::from(a as i32).to_bits()),
        Widen::F64FromU32 => r.long_from_word(d, a, mask, |a| f64::from(a).to_bits()),
        Widen::S64FromF32 => r.long_from_word(d, a, mask, |a| float(a) as i64 as u64),
        Widen::U64FromF32 => r.long_from_word(d, a, mask, |a| float(a) as u64),
    }
}

#[inline(always)]
pub(super) fn narrow(r: &mut Registers, f: Narrow, d: Slot, a: Slot, mask: u32) {
    match f {
        Narrow::Low => r.word_from_long(d, a, mask, |a| a as u32),
        Narrow::F32FromF64 => r.word_from_long(d, a, mask, |a| bits32(double(a) as f32)),
        Narrow::F32FromS64 => r.word_from_long(d, a, mask, |a| (a as i64 as f32).to_bits()),
        Narrow::F32FromU64 => r.word_from_long(d, a, mask, |a| (a as f32).to_bits()),
        Narrow::S32FromF64 => r.word_from_long(d, a, mask, |a| double(a) as i32 as u32),
        Narrow::U32FromF64 => r.word_from_long(d, a, mask, |a| double(a) as u32),
        Narrow::Popc => r.word_from_long(d, a, mask, u64::count_ones),
        Narrow::Clz => r.word_from_long(d, a, mask, u64::leading_zeros),
    }
}

#[inline(always)]
pub(super) fn binary32(r: &mut Registers, f: Binary32, d: Slot, s: [Slot; 2], mask: u32) {
    match f {
        Binary32::Add => r.word_from_words(d, s, mask, u32::wrapping_add),
        Binary32::Sub => r.word_from_words(d, s, mask, u32::wrapping_sub),
        Binary32::MulLo => r.word_from_words(d, s, mask, u32::wrapping_mul),
        Binary32::MulHiS => {
            r.word_from_words(d, s, mask, |a, b| {
                ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32
            });
        }
        Binary32::MulHiU => r.word_from_words(d, s, mask, |a, b| {
            ((u64::from(a) * u64::from(b)) >> 32) as u32
        }),
        Binary32::MinS => r.word_from_words(d, s, mask, |a, b| (a as i32).min(b as i32) as u32),
        Binary32::MinU => r.word_from_words(d, s, mask, u32::min),
        Binary32::MaxS => r.word_from_words(d, s, mask, |a, b| (a as i32).max(b as i32) as u32),
        Binary32::MaxU => r.word_from_words(d, s, mask, u32::max),
        Binary32::And => r.word_from_words(d, s, mask, |a, b| a & b),
        Binary32::Or => r.word_from_words(d, s, mask, |a, b| a | b),
        Binary32::Xor => r.word_from_words(d, s, mask, |a, b| a ^ b),
        Binary32::Shl => r.word_from_words(d, s, mask, shift_left),
        Binary32::ShrS => r.word_from_words(d, s, mask, shift_right_signed),
        Binary32::ShrU => r.word_from_words(d, s, mask, shift_right),
        Binary32::Pack16 => r.word_from_words(d, s, mask, |a, b| a & 0xffff | b << 16),
        Binary32::AddF32 => r.word_from_words(d, s, mask, |a, b| bits32(float(a) + float(b))),
        Binary32::SubF32 => r.word_from_words(d, s, mask, |a, b| bits32(float(a) - float(b))),
        Binary32::MulF32 => r.word_from_words(d, s, mask, |a, b| bits32(float(a) * float(b))),
        Binary32::DivF32 => r.word_from_words(d, s, mask, |a, b| bits32(float(a) / float(b))),
        Binary32::MinF32 => r.word_from_words(d, s, mask, min_f32),
        Binary32::MaxF32 => r.word_from_words(d, s, mask, max_f32),
        Binary32::CopysignF32 => {
            r.word_from_words(d, s, mask, |a, b| a & 0x7fff_ffff | b & 0x8000_0000);
        }
    }
}

#[inline(always)]
pub(super) fn binary64(r: &mut Registers, f: Binary64, d: Slot, s: [Slot; 2], mask: u32) {
    match f {
        Binary64::Add => r.long_from_longs(d, s, mask, u64::wrapping_add),
        Binary64::Sub => r.long_from_longs(d, s, mask, u64::wrapping_sub),
        Binary64::MulLo => r.long_from_longs(d, s, mask, u64::wrapping_mul),
        Binary64::MulHiS => {
            r.long_from_longs(d, s, mask, |a, b| {
                ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
            });
        }
        Binary64::MulHiU => r.long_from_longs(d, s, mask, |a, b| {
            ((u128::from(a) * u128::from(b)) >> 64) as u64
        }),
        Binary64::MinS => r.long_from_longs(d, s, mask, |a, b| (a as i64).min(b as i64) as u64),
        Binary64::MinU => r.long_from_longs(d, s, mask, u64::min),
        Binary64::MaxS => r.long_from_longs(d, s, mask, |a, b| (a as i64).max(b as i64) as u64),
        Binary64::MaxU => r.long_from_longs(d, s, mask, u64::max),
        Binary64::And => r.long_from_longs(d, s, mask, |a, b| a & b),
        Binary64::Or => r.long_from_longs(d, s, mask, |a, b| a | b),
        Binary64::Xor => r.long_from_longs(d, s, mask, |a, b| a ^ b),
        Binary64::AddF64 => r.long_from_longs(d, s, mask, |a, b| bits64(double(a) + double(b))),
        Binary64::SubF64 => r.long_from_longs(d, s, mask, |a, b| bits64(double(a) - double(b))),
        Binary64::MulF64 => r.long_from_longs(d, s, mask, |a, b| bits64(double(a) * double(b))),
        Binary64::DivF64 => r.long_from_longs(d, s, mask, |a, b| bits64(double(a) / double(b))),
        Binary64::MinF64 => r.long_from_longs(d, s, mask, min_f64),
        Binary64::MaxF64 => r.long_from_longs(d, s, mask, max_f64),
    }
}

#[inline(always)]
pub(super) fn shift64(r: &mut Registers, f: Shift, d: Slot, [a, b]: [Slot; 2], mask: u32) {
    let (a, b, mut result) = (r.long(a), r.word(b), [0; LANES]);
    for lane in 0..LANES {
        let (a, b) = (a[lane], b[lane]);
        result[lane] = match f {
            Shift::Left => a.checked_shl(b).unwrap_or(0),
            Shift::RightU => a.checked_shr(b).unwrap_or(0),
            Shift::RightS => (a as i64 >> b.min(63)) as u64,
        };
    }
    r.set_long(d, &result, mask);
}

#[inline(always)]
pub(super) fn ternary32(r: &mut Registers, f: Ternary32, d: Slot, s: [Slot; 3], mask: u32) {
    let pair = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    match f {
        Ternary32::MadLo => {
            r.word_from_three(d, s, mask, |a, b, c| a.wrapping_mul(b).wrapping_add(c));
        }
        Ternary32::FmaF32 => r.word_from_three(d, s, mask, |a, b, c| {
            bits32(float(a).mul_add(float(b), float(c)))
        }),
        Ternary32::BfeU => r.word_from_three(d, s, mask, |a, place, _| {
            extract(u64::from(a), 32, place, false) as u32
        }),
        Ternary32::BfeS => r.word_from_three(d, s, mask, |a, place, _| {
            extract(u64::from(a), 32, place, true) as u32
        }),
        Ternary32::FunnelLeft => {
            r.word_from_three(d, s, mask, |a, b, c| (pair(a, b) << (c & 31) >> 32) as u32);
        }
        Ternary32::FunnelRight => {
            r.word_from_three(d, s, mask, |a, b, c| (pair(a, b) >> (c & 31)) as u32);
        }
        Ternary32::FunnelLeftClamp => {
            r.word_from_three(d, s, mask, |a, b, c| (pair(a, b) << c.min(32) >> 32) as u32);
        }
        Ternary32::FunnelRightClamp => {
            r.word_from_three(d, s, mask, |a, b, c| (pair(a, b) >> c.min(32)) as u32);
        }
        Ternary32::Permute => r.word_from_three(d, s, mask, permute),
        Ternary32::Insert => {
            r.word_from_three(d, s, mask, |a, base, place| {
                insert(u64::from(a), u64::from(base), 32, place) as u32
            });
        }
        Ternary32::Lop3(table) => r.word_from_three(d, s, mask, |a, b, c| look_up(a, b, c, table)),
    }
}

#[inline(always)]
pub(super) fn ternary64(r: &mut Registers, f: Ternary64, d: Slot, s: [Slot; 3], mask: u32) {
    match f {
        Ternary64::MadLo => {
            r.long_from_three(d, s, mask, |a, b, c| a.wrapping_mul(b).wrapping_add(c));
        }
        Ternary64::FmaF64 => r.long_from_three(d, s, mask, |a, b, c| {
            bits64(double(a).mul_add(double(b), double(c)))
        }),
    }
}

pub(super) fn extract64(
    r: &mut Registers,
    signed: bool,
    d: Slot,
    [a, place]: [Slot; 2],
    mask: u32,
) {
    let (a, place, mut result) = (r.long(a), r.word(place), [0; LANES]);
    for lane in 0..LANES {
        result[lane] = extract(a[lane], 64, place[lane], signed);
    }
    r.set_long(d, &result, mask);
}

pub(super) fn insert64(r: &mut Registers, d: Slot, [a, base, place]: [Slot; 3], mask: u32) {
    let (a, base, place, mut result) = (r.long(a), r.long(base), r.word(place), [0; LANES]);
    for lane in 0..LANES {
        result[lane] = insert(a[lane], base[lane], 64, place[lane]);
    }
    r.set_long(d, &result, mask);
}

#[inline(always)]
pub(super) fn multiply_wide(r: &mut Registers, signed: bool, d: Slot, s: [Slot; 2], mask: u32) {
    if signed {
        r.long_from_words(d, s, mask, |a, b| {
            (i64::from(a as i32) * i64::from(b as i32)) as u64
        });
    } else {
        r.long_from_words(d, s, mask, |a, b| u64::from(a) * u64::from(b));
    }
}

#[inline(always)]
pub(super) fn multiply_add_wide(
    r: &mut Registers,
    signed: bool,
    d: Slot,
    [a, b, c]: [Slot; 3],
    mask: u32,
) {
    let (a, b, c, mut result) = (r.word(a), r.word(b), r.long(c), [0; LANES]);
    for lane in 0..LANES {
        let signed_product = (i64::from(a[lane] as i32) * i64::from(b[lane] as i32)) as u64;
        let product = u64::from(a[lane]) * u64::from(b[lane]);
        result[lane] = c[lane].wrapping_add(if signed { signed_product } else { product });
    }
    r.set_long(d, &result, mask);
}

/// Quotient or remainder of words; the lanes of `mask` must not divide by zero.
pub(super) fn divide32(
    r: &mut Registers,
    f: Divide,
    d: Slot,
    [a, b]: [Slot; 2],
    mask: u32,
) -> Result<(), Trap> {
    let mut result = [0; LANES];
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 == 1) {
        let (a, b) = (r.word(a)[lane], r.word(b)[lane]);
        if b == 0 {
            return Err(lane_trap(lane, FaultKind::DivisionByZero));
        }
        result[lane] = match f {
            Divide::QuotientS => (a as i32).wrapping_div(b as i32) as u32,
            Divide::QuotientU => a / b,
            Divide::RemainderS => (a as i32).wrapping_rem(b as i32) as u32,
            Divide::RemainderU => a % b,
        };
    }
    r.set_word(d, &result, mask);
    Ok(())
}

pub(super) fn divide64(
    r: &mut Registers,
    f: Divide,
    d: Slot,
    [a, b]: [Slot; 2],
    mask: u32,
) -> Result<(), Trap> {
    let mut result = [0; LANES];
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 == 1) {
        let (a, b) = (r.long(a)[lane], r.long(b)[lane]);
        if b == 0 {
            return Err(lane_trap(lane, FaultKind::DivisionByZero));
        }
        result[lane] = match f {
            Divide::QuotientS => (a as i64).wrapping_div(b as i64) as u64,
            Divide::QuotientU => a / b,
            Divide::RemainderS => (a as i64).wrapping_rem(b as i64) as u64,
            Divide::RemainderU => a % b,
        };
    }
    r.set_long(d, &result, mask);
    Ok(())
}
