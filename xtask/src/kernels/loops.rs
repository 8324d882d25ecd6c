//! Loops of a kernel's machine instructions.

use super::sass::SassInstruction;

/// A natural loop: the instructions from which its first one is reached again without leaving through it.
#[derive(Debug)]
struct SassLoop {
    first: usize,
    /// Whether each instruction of the kernel is a part of the loop.
    body: Vec<bool>,
}

impl SassLoop {
    fn size(&self) -> usize {
        self.body.iter().filter(|&&is_inside| is_inside).count()
    }

    fn has(&self, is_wanted: &[bool]) -> bool {
        self.body
            .iter()
            .zip(is_wanted)
            .any(|(&is_inside, &is_wanted)| is_inside && is_wanted)
    }
}

/// Returns which instructions are in a loop that holds a wanted instruction, and holds no smaller such loop.
pub fn innermost_with(instructions: &[SassInstruction], is_wanted: &[bool]) -> Vec<bool> {
    let mut loops = loops(instructions);
    loops.retain(|one| one.has(is_wanted));
    let mut found = vec![false; instructions.len()];
    for one in &loops {
        let is_inner = |other: &SassLoop| one.body[other.first] && other.size() < one.size();
        if !loops.iter().any(is_inner) {
            for (found, &is_inside) in found.iter_mut().zip(&one.body) {
                *found |= is_inside;
            }
        }
    }
    found
}

/// Returns all loops. Loops with the same first instruction are one.
fn loops(instructions: &[SassInstruction]) -> Vec<SassLoop> {
    let predecessors = predecessors(instructions);
    let mut loops: Vec<SassLoop> = Vec::new();
    for (last, instruction) in instructions.iter().enumerate() {
        let Some(first) = instruction.target.filter(|&first| first <= last) else {
            continue;
        };
        let Some(body) = body(&predecessors, first, last) else {
            continue;
        };
        if let Some(same) = loops.iter_mut().find(|other| other.first == first) {
            for (whole, &is_inside) in same.body.iter_mut().zip(&body) {
                *whole |= is_inside;
            }
        } else {
            loops.push(SassLoop { first, body });
        }
    }
    loops
}

/// Returns the instructions that can come directly before each instruction.
fn predecessors(instructions: &[SassInstruction]) -> Vec<Vec<usize>> {
    let mut predecessors = vec![Vec::new(); instructions.len()];
    for (index, instruction) in instructions.iter().enumerate() {
        let next =
            Some(index + 1).filter(|&next| instruction.falls_through && next < instructions.len());
        for successor in next.into_iter().chain(instruction.target) {
            predecessors[successor].push(index);
        }
    }
    predecessors
}

/// Returns the body of the loop that the branch from `last` back to `first` closes.
///
/// These are the instructions that reach `last` without passing `first`. If the start of the kernel is one of them, the branch closes no
/// loop: it returns from code that was moved behind the rest.
fn body(predecessors: &[Vec<usize>], first: usize, last: usize) -> Option<Vec<bool>> {
    let mut body = vec![false; predecessors.len()];
    body[first] = true;
    let mut open = vec![last];
    while let Some(index) = open.pop() {
        if !body[index] {
            body[index] = true;
            open.extend(&predecessors[index]);
        }
    }
    (first == 0 || !body[0]).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::sass;

    fn sample() -> Vec<SassInstruction> {
        let mut kernels = sass::parse(include_str!("samples/sass.txt")).unwrap();
        kernels.swap_remove(0).instructions
    }

    #[test]
    fn a_loop_includes_code_that_was_moved_behind_the_end() {
        let instructions = sample();
        let found: Vec<(usize, usize)> = loops(&instructions)
            .iter()
            .map(|one| (one.first, one.size()))
            .collect();
        // The inner loop from LDSM, the outer from BAR, and the endless one that pads the kernel. The branch that returns from behind
        // the end to the second HMMA is none.
        assert_eq!(found, [(3, 10), (2, 13), (17, 1)]);
        let inner = &loops(&instructions)[0].body;
        assert!(
            inner[15] && inner[16],
            "WARPSYNC and its branch belong to the loop"
        );
    }

    #[test]
    fn only_the_innermost_loop_with_a_wanted_instruction_counts() {
        let instructions = sample();
        let with = |opcode: &str| {
            let is_wanted: Vec<bool> = instructions
                .iter()
                .map(|line| line.opcode == opcode)
                .collect();
            let found = innermost_with(&instructions, &is_wanted);
            found.into_iter().filter(|&is_inside| is_inside).count()
        };
        assert_eq!(with("HMMA"), 10);
        assert_eq!(with("MUFU"), 13);
        assert_eq!(with("STG"), 0);
    }
}
