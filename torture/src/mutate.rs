//! Mutations of files, drawn from a seed: flipped bits, cuts, splices, numbers at their limits, words of the format.

use crate::random::Choices;

/// Longest file that a mutation makes.
const LONGEST: usize = 1 << 16;
/// Numbers at which arithmetic goes wrong.
const LIMITS: [u64; 16] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x00ff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    (1 << 60) + 1,
    u64::MAX / 2,
    u64::MAX,
];
/// Numbers in text at which arithmetic goes wrong.
const TEXT_LIMITS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "4294967296",
    "1000000000",
    "9223372036854775807",
    "18446744073709551616",
    "1e308",
    "1e-320",
    "nan",
    "inf",
];

/// Returns a changed copy of `seed`. `others` are files of the same format, and `words` parts of the format.
#[must_use]
pub fn mutated(seed: &[u8], others: &[Vec<u8>], words: &[&[u8]], choices: &mut Choices) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..*choices.of(&[1, 1, 1, 2, 2, 3, 5, 9]) {
        change(&mut bytes, others, words, choices);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], words: &[&[u8]], choices: &mut Choices) {
    if bytes.is_empty() {
        bytes.push(choices.number() as u8);
        return;
    }
    // Headers decide more than data, so changes near the start are more frequent.
    let reach = if choices.one_in(2) { 96 } else { bytes.len() };
    let at = choices.below(reach.min(bytes.len()));
    match choices.below(11) {
        0 | 1 => bytes[at] ^= 1 << choices.below(8),
        2 => bytes[at] = choices.number() as u8,
        3 => bytes.truncate(at),
        4 => {
            let end = (at + 1 + choices.below(64)).min(bytes.len());
            bytes.drain(at..end);
        }
        5 => {
            let end = (at + 1 + choices.below(64)).min(bytes.len());
            let block = bytes[at..end].to_vec();
            bytes.splice(at..at, block);
        }
        6 | 7 => put_limit(bytes, at, choices),
        8 => put_text_limit(bytes, choices),
        9 if !words.is_empty() => {
            let word = choices.of(words);
            let end = if choices.one_in(2) {
                at
            } else {
                (at + word.len()).min(bytes.len())
            };
            bytes.splice(at..end, word.iter().copied());
        }
        10 if !others.is_empty() => {
            let other = choices.of(others);
            let from = choices.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => bytes[at] = bytes[at].wrapping_add(1),
    }
}

/// Writes a number at its limit over the bytes at `at`, in either byte order.
fn put_limit(bytes: &mut [u8], at: usize, choices: &mut Choices) {
    let number = *choices.of(&LIMITS);
    let width = *choices.of(&[1, 2, 4, 8]);
    let mut stored = number.to_le_bytes();
    if choices.one_in(2) {
        stored[..width].reverse();
    }
    let end = (at + width).min(bytes.len());
    bytes[at..end].copy_from_slice(&stored[..end - at]);
}

/// Replaces a run of digits by a number at its limit.
fn put_text_limit(bytes: &mut Vec<u8>, choices: &mut Choices) {
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|&index| {
            bytes[index].is_ascii_digit() && (index == 0 || !bytes[index - 1].is_ascii_digit())
        })
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = *choices.of(&starts);
    let len = bytes[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let number = choices.of(&TEXT_LIMITS);
    bytes.splice(start..start + len, number.bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_mutation_every_time_and_seeds_differ() {
        let seed = b"width 12 height 10 data 0123456789";
        let others = [b"another file of the format".to_vec()];
        let mutate = |number| mutated(seed, &others, &[b"word"], &mut Choices::of_seed(number));
        let all: Vec<Vec<u8>> = (0..500).map(mutate).collect();
        assert_eq!(all, (0..500).map(mutate).collect::<Vec<_>>());
        let changed = all.iter().filter(|bytes| bytes.as_slice() != seed).count();
        assert!(changed > 480, "{changed}");
        let mut distinct = all.clone();
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() > 400, "{}", distinct.len());
        let has = |text: &str| {
            all.iter()
                .any(|bytes| String::from_utf8_lossy(bytes).contains(text))
        };
        assert!(has("2147483648") && has("word") && has("the format"));
    }
}
