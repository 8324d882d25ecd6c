//! Instructions by which lanes of a warp exchange values.

use super::registers::LANES;
use super::warp::Warp;
use crate::fault::{FaultKind, Trap, lane_trap};
use crate::isa::{Atomic, Op, Shuffle, ShuffleMode, Vote};

/// `vote`, `redux` and `bar.warp`.
pub(super) fn execute(warp: &mut Warp, op: Op, members: u32) {
    match op {
        Op::Vote { f, flip, d, a, .. } => {
            let value = warp.registers.predicates[a as usize] ^ if flip { u32::MAX } else { 0 };
            let result = vote(f, value, members);
            if f == Vote::Ballot {
                warp.registers.set_word(d, &[result; LANES], members);
            } else {
                warp.registers.set_predicate(d, result, members);
            }
        }
        Op::Reduce { f, d, a, .. } => {
            let values = warp.registers.word(a);
            let lanes = (0..LANES).filter(|lane| members >> lane & 1 == 1);
            let result = lanes
                .map(|lane| values[lane])
                .reduce(|x, y| reduce(f, x, y))
                .unwrap_or(0);
            warp.registers.set_word(d, &[result; LANES], members);
        }
        _ => {}
    }
}

fn reduce(f: Atomic, x: u32, y: u32) -> u32 {
    match f {
        Atomic::MinS => (x as i32).min(y as i32) as u32,
        Atomic::MaxS => (x as i32).max(y as i32) as u32,
        Atomic::MinU => x.min(y),
        Atomic::MaxU => x.max(y),
        Atomic::And => x & y,
        Atomic::Or => x | y,
        Atomic::Xor => x ^ y,
        _ => x.wrapping_add(y),
    }
}

/// `shfl.sync`. A read from a lane that does not take part is a fault.
pub(super) fn shuffle(warp: &mut Warp, shuffle: &Shuffle, members: u32) -> Result<(), Trap> {
    let (a, b, c) = (
        *warp.registers.word(shuffle.a),
        *warp.registers.word(shuffle.b),
        *warp.registers.word(shuffle.c),
    );
    let (mut result, mut valid) = (a, 0);
    for lane in (0..LANES).filter(|lane| members >> lane & 1 == 1) {
        let (own, by) = (lane as i64, i64::from(b[lane] & 31));
        let (clamp, segment) = (i64::from(c[lane] & 31), i64::from(c[lane] >> 8 & 31));
        let (highest, lowest) = ((own & segment) | (clamp & !segment), own & segment);
        let (source, inside) = match shuffle.mode {
            ShuffleMode::Up => (own - by, own - by >= highest),
            ShuffleMode::Down => (own + by, own + by <= highest),
            ShuffleMode::Butterfly => (own ^ by, own ^ by <= highest),
            ShuffleMode::Index => (
                lowest | (by & !segment),
                lowest | (by & !segment) <= highest,
            ),
        };
        let source = if inside { source } else { own };
        if members >> source & 1 == 0 {
            return Err(lane_trap(
                lane,
                FaultKind::PartialWarp {
                    arrived: members,
                    expected: members | 1 << source,
                },
            ));
        }
        result[lane] = a[source as usize];
        valid |= u32::from(inside) << lane;
    }
    warp.registers.set_word(shuffle.d, &result, members);
    warp.registers.set_predicate(shuffle.valid, valid, members);
    Ok(())
}

/// `cp.async.commit_group`: the copies of each lane so far become a group.
pub(super) fn commit_copies(warp: &mut Warp, active: u32) {
    for lane in (0..LANES).filter(|lane| active >> lane & 1 == 1) {
        warp.copy_groups[lane] += 1;
    }
    for copy in &mut warp.copies {
        if copy.group.is_none() && active >> copy.lane & 1 == 1 {
            copy.group = Some(warp.copy_groups[copy.lane]);
        }
    }
}

/// Result of a vote, as a word or as lanes of a predicate.
fn vote(f: Vote, value: u32, members: u32) -> u32 {
    let votes = value & members;
    let every = |holds: bool| if holds { u32::MAX } else { 0 };
    match f {
        Vote::Ballot => votes,
        Vote::Any => every(votes != 0),
        Vote::All => every(votes == members),
        Vote::Uniform => every(votes == 0 || votes == members),
    }
}
