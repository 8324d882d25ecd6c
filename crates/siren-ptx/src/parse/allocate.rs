//! Gives registers that are never needed at the same time the same slot.
//!
//! PTX has a register for every value. A warp of a large kernel would take half a megabyte, most of it never in a cache.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use super::visit::{Class, Role, visit};
use crate::isa::{Op, Slot, TRUE};
use crate::module::Kernel;

/// Instructions that are executed one after the other.
struct Segment {
    first: usize,
    end: usize,
    successors: Vec<usize>,
}

/// A set of registers, a bit each.
type Bits = Vec<u64>;

fn insert(bits: &mut Bits, at: usize) {
    bits[at / 64] |= 1 << (at % 64);
}

fn remove(bits: &mut Bits, at: usize) {
    bits[at / 64] &= !(1 << (at % 64));
}

fn members(bits: &Bits) -> impl Iterator<Item = usize> {
    let words = bits.iter().enumerate();
    words.flat_map(|(at, &word)| {
        (0..64)
            .filter(move |bit| word >> bit & 1 == 1)
            .map(move |bit| at * 64 + bit)
    })
}

/// Instructions that may follow an instruction.
fn followers(kernel: &Kernel, at: usize) -> Vec<usize> {
    let instruction = &kernel.code[at];
    let mut followers = match instruction.op {
        Op::Branch { target } => vec![target as usize],
        Op::BranchIndexed { table, .. } => kernel.branch_tables[table as usize]
            .iter()
            .map(|&target| target as usize)
            .collect(),
        _ => Vec::new(),
    };
    let leaves = matches!(
        instruction.op,
        Op::Branch { .. } | Op::BranchIndexed { .. } | Op::Exit
    );
    if (!leaves || instruction.guard != TRUE) && at + 1 < kernel.code.len() {
        followers.push(at + 1);
    }
    followers
}

fn segments(kernel: &Kernel) -> Vec<Segment> {
    let count = kernel.code.len();
    let mut starts = vec![false; count + 1];
    (starts[0], starts[count]) = (true, true);
    for at in 0..count {
        let next = followers(kernel, at);
        if next != [at + 1] {
            starts[at + 1] = true;
            for target in next {
                starts[target] = true;
            }
        }
    }
    let bounds: Vec<usize> = (0..=count).filter(|&at| starts[at]).collect();
    let segment = |pair: &[usize]| {
        let next = followers(kernel, pair[1] - 1);
        let successors = next
            .iter()
            .filter_map(|target| bounds.binary_search(target).ok())
            .collect();
        Segment {
            first: pair[0],
            end: pair[1],
            successors,
        }
    };
    bounds.windows(2).map(segment).collect()
}

/// Index of a register among words, then longs; none for predicates.
fn index(words: usize, class: Class, slot: Slot) -> Option<usize> {
    match class {
        Class::Word => Some(slot as usize),
        Class::Long => Some(words + slot as usize),
        Class::Predicate => None,
    }
}

/// Registers that an instruction reads and writes.
fn touched(kernel: &Kernel, at: usize) -> Vec<(usize, Role)> {
    let mut found = Vec::new();
    visit(kernel, &kernel.code[at].op, &mut |slot, class, role| {
        found.extend(index(kernel.words, class, slot).map(|register| (register, role)));
        slot
    });
    found
}

/// Steps from the registers needed after an instruction to those needed before it.
fn step_back(kernel: &Kernel, at: usize, live: &mut Bits) {
    let touched = touched(kernel, at);
    // A guarded write leaves the lanes that it does not reach.
    if kernel.code[at].guard == TRUE {
        for &(register, _) in touched.iter().filter(|(_, role)| *role == Role::Write) {
            remove(live, register);
        }
    }
    for &(register, _) in touched.iter().filter(|(_, role)| *role == Role::Read) {
        insert(live, register);
    }
}

/// Registers that are needed at the start of each segment.
fn needed(kernel: &Kernel, segments: &[Segment]) -> Vec<Bits> {
    let empty = vec![0; (kernel.words + kernel.longs).div_ceil(64)];
    let mut needed = vec![empty; segments.len()];
    loop {
        let mut changed = false;
        for at in (0..segments.len()).rev() {
            let mut live = needed_after(&segments[at], &needed);
            for instruction in (segments[at].first..segments[at].end).rev() {
                step_back(kernel, instruction, &mut live);
            }
            changed |= live != needed[at];
            needed[at] = live;
        }
        if !changed {
            return needed;
        }
    }
}

fn needed_after(segment: &Segment, needed: &[Bits]) -> Bits {
    let mut live = vec![0; needed[0].len()];
    for &successor in &segment.successors {
        for (word, more) in live.iter_mut().zip(&needed[successor]) {
            *word |= more;
        }
    }
    live
}

/// First and last place where each register is needed; an instruction reads at twice its index and writes one later.
fn intervals(kernel: &Kernel) -> Vec<Option<[usize; 2]>> {
    let segments = segments(kernel);
    let needed = needed(kernel, &segments);
    let mut intervals: Vec<Option<[usize; 2]>> = vec![None; kernel.words + kernel.longs];
    let mut extend = |register: usize, place: usize| {
        let [first, last] = intervals[register].unwrap_or([place, place]);
        intervals[register] = Some([first.min(place), last.max(place)]);
    };
    for (at, segment) in segments.iter().enumerate() {
        for register in members(&needed[at]) {
            extend(register, 2 * segment.first);
        }
        for register in members(&needed_after(segment, &needed)) {
            extend(register, 2 * segment.end - 1);
        }
        for instruction in segment.first..segment.end {
            for (register, role) in touched(kernel, instruction) {
                extend(register, 2 * instruction + usize::from(role == Role::Write));
            }
        }
    }
    intervals
}

/// New slots of the registers of a class, and how many there are. Fixed registers come first and keep their slots to themselves.
fn assign(intervals: &[Option<[usize; 2]>], fixed: &HashSet<Slot>) -> (Vec<Slot>, usize) {
    let mut slots = vec![0; intervals.len()];
    let mut count = 0;
    for (register, slot) in slots.iter_mut().enumerate() {
        if fixed.contains(&(register as Slot)) {
            *slot = count as Slot;
            count += 1;
        }
    }
    let free_register = |register: &usize| !fixed.contains(&(*register as Slot));
    let mut order: Vec<([usize; 2], usize)> = (0..intervals.len())
        .filter(free_register)
        .filter_map(|register| intervals[register].map(|interval| (interval, register)))
        .collect();
    order.sort_unstable();
    let (mut taken, mut free) = (BinaryHeap::new(), Vec::new());
    for ([first, last], register) in order {
        while let Some(&Reverse((end, slot))) = taken.peek()
            && end < first
        {
            taken.pop();
            free.push(slot);
        }
        let slot = free.pop().unwrap_or_else(|| {
            count += 1;
            (count - 1) as Slot
        });
        slots[register] = slot;
        taken.push(Reverse((last, slot)));
    }
    (slots, count)
}

/// Renumbers the words and longs of a kernel.
pub(super) fn allocate(kernel: &mut Kernel) {
    let intervals = intervals(kernel);
    let fixed_words = kernel.word_constants.iter().map(|constant| constant.0);
    let fixed_words: HashSet<Slot> = fixed_words
        .chain(kernel.specials.iter().map(|special| special.0))
        .collect();
    let fixed_longs = kernel.long_constants.iter().map(|constant| constant.0);
    let fixed_longs: HashSet<Slot> = fixed_longs
        .chain(kernel.addresses.iter().map(|address| address.0))
        .collect();
    let (words, word_count) = assign(&intervals[..kernel.words], &fixed_words);
    let (longs, long_count) = assign(&intervals[kernel.words..], &fixed_longs);
    let renumber = &mut |slot: Slot, class: Class, _: Role| match class {
        Class::Word => words[slot as usize],
        Class::Long => longs[slot as usize],
        Class::Predicate => slot,
    };
    super::visit::renumber(kernel, renumber);
    for constant in &mut kernel.word_constants {
        constant.0 = words[constant.0 as usize];
    }
    for special in &mut kernel.specials {
        special.0 = words[special.0 as usize];
    }
    for constant in &mut kernel.long_constants {
        constant.0 = longs[constant.0 as usize];
    }
    for address in &mut kernel.addresses {
        address.0 = longs[address.0 as usize];
    }
    (kernel.words, kernel.longs) = (word_count, long_count);
}
