//! Comparisons and selections of a warp.

use super::registers::{LANES, Registers};
use crate::isa::{Comparand, Logic, Relation, Slot, Test};

#[inline(always)]
fn relate<T: PartialOrd>(relation: Relation, a: &T, b: &T) -> bool {
    let (less, equal, greater) = (a < b, a == b, a > b);
    let number = less || equal || greater;
    match relation {
        Relation::Eq => equal,
        Relation::Ne => less || greater,
        Relation::Lt => less,
        Relation::Le => a <= b,
        Relation::Gt => greater,
        Relation::Ge => a >= b,
        Relation::EqU => equal || !number,
        Relation::NeU => !equal,
        Relation::LtU => less || !number,
        Relation::LeU => !greater,
        Relation::GtU => greater || !number,
        Relation::GeU => !less,
        Relation::Num => number,
        Relation::Nan => !number,
    }
}

/// Lanes where a comparison holds.
#[inline(always)]
pub(super) fn compare(r: &Registers, test: Test, s: [Slot; 2]) -> u32 {
    macro_rules! relations {
        ($run:expr) => {
            match test.relation {
                Relation::Eq => $run(Relation::Eq),
                Relation::Ne => $run(Relation::Ne),
                Relation::Lt => $run(Relation::Lt),
                Relation::Le => $run(Relation::Le),
                Relation::Gt => $run(Relation::Gt),
                Relation::Ge => $run(Relation::Ge),
                other => $run(other),
            }
        };
    }
    match test.kind {
        Comparand::S32 => relations!(|relation| r.test_words(s, |a, b| relate(
            relation,
            &(a as i32),
            &(b as i32)
        ))),
        Comparand::U32 => relations!(|relation| r.test_words(s, |a, b| relate(relation, &a, &b))),
        Comparand::F32 => {
            relations!(|relation| r.test_words(s, |a, b| relate(
                relation,
                &f32::from_bits(a),
                &f32::from_bits(b)
            )))
        }
        Comparand::S64 => relations!(|relation| r.test_longs(s, |a, b| relate(
            relation,
            &(a as i64),
            &(b as i64)
        ))),
        Comparand::U64 => relations!(|relation| r.test_longs(s, |a, b| relate(relation, &a, &b))),
        Comparand::F64 => {
            relations!(|relation| r.test_longs(s, |a, b| relate(
                relation,
                &f64::from_bits(a),
                &f64::from_bits(b)
            )))
        }
    }
}

#[inline(always)]
pub(super) fn combine(f: Logic, a: u32, b: u32) -> u32 {
    match f {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}

#[inline(always)]
pub(super) fn select32(r: &mut Registers, d: Slot, [a, b]: [Slot; 2], p: Slot, mask: u32) {
    let (a, b, p, mut result) = (r.word(a), r.word(b), r.predicates[p as usize], [0; LANES]);
    for lane in 0..LANES {
        result[lane] = if p >> lane & 1 == 1 { a[lane] } else { b[lane] };
    }
    r.set_word(d, &result, mask);
}

#[inline(always)]
pub(super) fn select64(r: &mut Registers, d: Slot, [a, b]: [Slot; 2], p: Slot, mask: u32) {
    let (a, b, p, mut result) = (r.long(a), r.long(b), r.predicates[p as usize], [0; LANES]);
    for lane in 0..LANES {
        result[lane] = if p >> lane & 1 == 1 { a[lane] } else { b[lane] };
    }
    r.set_long(d, &result, mask);
}
