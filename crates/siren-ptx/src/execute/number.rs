//! Arithmetic of one lane where PTX and Rust differ, or where Rust has no name for it.

/// The NaN that arithmetic on `f32` gives.
const NAN_F32: u32 = 0x7fff_ffff;
const NAN_F64: u64 = 0x7fff_ffff_ffff_ffff;

/// Bits of a result; every NaN becomes the one of the hardware, so that operands' order does not show.
#[inline(always)]
pub(crate) fn bits32(value: f32) -> u32 {
    if value.is_nan() {
        NAN_F32
    } else {
        value.to_bits()
    }
}

#[inline(always)]
pub(crate) fn bits64(value: f64) -> u64 {
    if value.is_nan() {
        NAN_F64
    } else {
        value.to_bits()
    }
}

/// Order of `f32` bits as signed integers, with -0 below +0.
#[inline(always)]
fn key32(bits: u32) -> i32 {
    (bits ^ ((bits as i32 >> 31) as u32 >> 1)) as i32
}

#[inline(always)]
fn key64(bits: u64) -> i64 {
    (bits ^ ((bits as i64 >> 63) as u64 >> 1)) as i64
}

/// Minimum: a NaN gives way to a number.
#[inline(always)]
pub(crate) fn min_f32(a: u32, b: u32) -> u32 {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    let smaller = if key32(a) < key32(b) { a } else { b };
    let number = if x.is_nan() { b } else { a };
    let one = if x.is_nan() || y.is_nan() {
        number
    } else {
        smaller
    };
    if x.is_nan() && y.is_nan() {
        NAN_F32
    } else {
        one
    }
}

/// Maximum: a NaN gives way to a number.
#[inline(always)]
pub(crate) fn max_f32(a: u32, b: u32) -> u32 {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    let larger = if key32(a) < key32(b) { b } else { a };
    let number = if x.is_nan() { b } else { a };
    let one = if x.is_nan() || y.is_nan() {
        number
    } else {
        larger
    };
    if x.is_nan() && y.is_nan() {
        NAN_F32
    } else {
        one
    }
}

#[inline(always)]
pub(crate) fn min_f64(a: u64, b: u64) -> u64 {
    match (f64::from_bits(a).is_nan(), f64::from_bits(b).is_nan()) {
        (true, true) => NAN_F64,
        (true, false) => b,
        (false, true) => a,
        _ => {
            if key64(a) < key64(b) {
                a
            } else {
                b
            }
        }
    }
}

#[inline(always)]
pub(crate) fn max_f64(a: u64, b: u64) -> u64 {
    match (f64::from_bits(a).is_nan(), f64::from_bits(b).is_nan()) {
        (true, true) => NAN_F64,
        (true, false) => b,
        (false, true) => a,
        _ => {
            if key64(a) < key64(b) {
                b
            } else {
                a
            }
        }
    }
}

/// Value of a half.
#[inline(always)]
pub(crate) fn f32_from_f16(half: u32) -> u32 {
    let (sign, magnitude) = ((half & 0x8000) << 16, half & 0x7fff);
    // A subnormal half is an integer times 2^-24.
    let subnormal = (magnitude as i32 as f32 * f32::from_bits(0x3380_0000)).to_bits();
    let normal = (magnitude << 13) + (112 << 23);
    let special = if magnitude > 0x7c00 {
        NAN_F32
    } else {
        0x7f80_0000
    };
    let value = if magnitude < 0x0400 {
        subnormal
    } else {
        normal
    };
    sign | if magnitude >= 0x7c00 {
        special & (0x7fff_ffff)
    } else {
        value
    }
}

/// Nearest half, ties to even.
#[inline(always)]
pub(crate) fn f16_from_f32(bits: u32) -> u32 {
    let (sign, magnitude) = ((bits >> 16) & 0x8000, bits & 0x7fff_ffff);
    // The sum's last place is 2^-24, a subnormal half's.
    let sum = f32::from_bits(magnitude) + 0.5;
    let subnormal = sum.to_bits().wrapping_sub(0x3f00_0000);
    let rounded = magnitude.wrapping_add(0xfff + ((magnitude >> 13) & 1));
    let normal = (rounded >> 13).wrapping_sub(112 << 10);
    let finite = if magnitude < 0x3880_0000 {
        subnormal
    } else {
        normal
    };
    // From 65,520 on, the nearest is infinity.
    let large = if magnitude > 0x7f80_0000 {
        0x7fff
    } else {
        0x7c00
    };
    if magnitude > 0x7f80_0000 {
        0x7fff
    } else {
        sign | if magnitude >= 0x477f_f000 {
            large
        } else {
            finite
        }
    }
}

#[inline(always)]
pub(crate) fn bf16_from_f32(bits: u32) -> u32 {
    let nan = bits & 0x7fff_ffff > 0x7f80_0000;
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    if nan { 0x7fff } else { rounded }
}

/// Bounds a value by 0 and 1; NaN becomes 0.
#[inline(always)]
pub(crate) fn saturate(value: f32) -> f32 {
    if value > 0.0 {
        if value < 1.0 { value } else { 1.0 }
    } else {
        0.0
    }
}

#[inline(always)]
pub(crate) fn shift_left(a: u32, b: u32) -> u32 {
    if b > 31 { 0 } else { a << (b & 31) }
}

#[inline(always)]
pub(crate) fn shift_right(a: u32, b: u32) -> u32 {
    if b > 31 { 0 } else { a >> (b & 31) }
}

#[inline(always)]
pub(crate) fn shift_right_signed(a: u32, b: u32) -> u32 {
    (a as i32 >> b.min(31)) as u32
}

/// Bits `position .. position + length` of `value`, which has `bits` bits; beyond them, a signed field repeats the sign.
#[inline(always)]
pub(crate) fn extract(value: u64, bits: u32, place: u32, signed: bool) -> u64 {
    let (position, length) = (place & 255, place >> 8 & 255);
    let unused = 64 - bits;
    let top = value << unused;
    let extended = if signed {
        (top as i64 >> unused) as u64
    } else {
        top >> unused
    };
    let sign = if signed {
        (extended as i64 >> 63) as u64
    } else {
        0
    };
    let shifted = if position < bits {
        (extended as i64 >> position) as u64 & !(u64::MAX.checked_shl(64 - position).unwrap_or(0))
    } else {
        0
    };
    let filled = if position < bits {
        shifted | sign.checked_shl(64 - position).unwrap_or(0)
    } else {
        sign
    };
    if length == 0 {
        return 0;
    }
    if length >= 64 {
        return filled;
    }
    let kept = filled & ((1 << length) - 1);
    if signed && kept >> (length - 1) & 1 == 1 {
        kept | u64::MAX << length
    } else {
        kept
    }
}

/// `base`, of `bits` bits, with the low bits of `field` at a place: the position and `length << 8`.
#[inline(always)]
pub(crate) fn insert(field: u64, base: u64, bits: u32, place: u32) -> u64 {
    let (position, length) = (place & 255, place >> 8 & 255);
    if position >= bits || length == 0 {
        return base;
    }
    let mask = if length >= 64 {
        u64::MAX
    } else {
        (1 << length) - 1
    } << position;
    (base & !mask) | ((field << position) & mask)
}

/// Bytes of the pair `(a, b)` that the four nibbles of `selector` name.
#[inline(always)]
pub(crate) fn permute(a: u32, b: u32, selector: u32) -> u32 {
    let pair = u64::from(b) << 32 | u64::from(a);
    let mut result = 0;
    for index in 0..4 {
        let nibble = selector >> (4 * index);
        let byte = (pair >> ((nibble & 7) * 8)) as u8;
        // The fourth bit repeats the byte's sign.
        let byte = if nibble & 8 == 0 {
            byte
        } else {
            ((byte as i8) >> 7) as u8
        };
        result |= u32::from(byte) << (8 * index);
    }
    result
}

/// Any function of three bits, by its table.
#[inline(always)]
pub(crate) fn look_up(a: u32, b: u32, c: u32, table: u8) -> u32 {
    let mut result = 0;
    for index in 0..8_u8 {
        let pick = |bits: u32, wanted: u8| if wanted == 1 { bits } else { !bits };
        let minterm = pick(a, index >> 2 & 1) & pick(b, index >> 1 & 1) & pick(c, index & 1);
        result |= if table >> index & 1 == 1 { minterm } else { 0 };
    }
    result
}
