//! Damage to the files of a run: what a failing disk, a careless editor or a bad copy leaves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::random::Choices;

/// Files of a run folder that are damaged.
const FILES: [&str; 8] = [
    "checkpoints/last.safetensors",
    "checkpoints/last.safetensors",
    "checkpoints/best.safetensors",
    "metrics.csv",
    "evaluation.csv",
    "timing.csv",
    "config.toml",
    "summary.toml",
];
/// Longest run of zeros that replaces bytes.
const BLOCK: usize = 4096;

/// A kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Some bits are flipped.
    Flip,
    /// One digit of a text is another one.
    Digit,
    /// The end is missing.
    Truncate,
    /// A block is zero.
    Zero,
    /// Nothing is left.
    Empty,
    /// A folder has the name of the file.
    Folder,
    /// The contents are those of another file of the run.
    Swap,
    /// A line or block is there twice.
    Repeat,
    /// A line or block in the middle is missing.
    Cut,
}

/// All kinds.
const DAMAGES: [Damage; 9] = [
    Damage::Flip,
    Damage::Digit,
    Damage::Truncate,
    Damage::Zero,
    Damage::Empty,
    Damage::Folder,
    Damage::Swap,
    Damage::Repeat,
    Damage::Cut,
];

/// A file that was damaged, and what it held before.
pub struct Damaged {
    path: PathBuf,
    before: Vec<u8>,
    /// What it holds since then; `None` for a folder.
    after: Option<Vec<u8>>,
    /// What was done.
    pub damage: Damage,
}

impl Damaged {
    /// Damages one of the files of a run folder. Returns `None` if the chosen file does not exist.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn inflict(run: &Path, choices: &mut Choices) -> Result<Option<Self>> {
        let name = *choices.of(&FILES);
        let damage = *choices.of(&DAMAGES);
        let path = run.join(name);
        let Ok(before) = fs::read(&path) else {
            return Ok(None);
        };
        let other = run.join(*choices.of(&FILES));
        let after = match damage {
            Damage::Folder => None,
            Damage::Swap => Some(fs::read(other).unwrap_or_default()),
            _ => Some(damaged(&before, damage, choices)),
        };
        match &after {
            Some(after) => fs::write(&path, after),
            None => fs::remove_file(&path).and_then(|()| fs::create_dir(&path)),
        }
        .and_then(|()| sync(&path))
        .with_context(|| format!("cannot damage {}", path.display()))?;
        Ok(Some(Self {
            path,
            before,
            after,
            damage,
        }))
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the file still is as it was after the damage.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.after == fs::read(&self.path).ok()
    }

    /// Puts the file back as it was.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn mend(&self) -> Result<()> {
        if self.path.is_dir() {
            fs::remove_dir_all(&self.path)?;
        }
        fs::write(&self.path, &self.before)
            .and_then(|()| sync(&self.path))
            .with_context(|| format!("cannot mend {}", self.path.display()))
    }
}

/// Syncs a file or folder and its entry, so that a later power cut does not undo what was done to it.
fn sync(path: &Path) -> std::io::Result<()> {
    fs::File::open(path)?.sync_all()?;
    path.parent()
        .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

/// Returns a range of at least one byte, of a line if the bytes are a text; an empty one of no bytes.
fn some_range(bytes: &[u8], choices: &mut Choices) -> std::ops::Range<usize> {
    let start = choices.below(bytes.len());
    if std::str::from_utf8(bytes).is_ok() {
        let is_break = |&byte: &u8| byte == b'\n';
        let first = bytes[..start].iter().rposition(is_break);
        let first = first.map_or(0, |index| index + 1);
        let last = bytes[start..].iter().position(is_break);
        return first..last.map_or(bytes.len(), |index| start + index + 1);
    }
    start..(start + 1 + choices.below(BLOCK)).min(bytes.len())
}

fn damaged(before: &[u8], damage: Damage, choices: &mut Choices) -> Vec<u8> {
    let mut after = before.to_vec();
    if before.is_empty() {
        return b"\0".to_vec();
    }
    let range = some_range(before, choices);
    match damage {
        Damage::Flip => {
            for _ in 0..=choices.below(4) {
                let index = choices.below(after.len());
                after[index] ^= 1 << choices.below(8);
            }
        }
        Damage::Digit => {
            let digits: Vec<usize> = (0..after.len())
                .filter(|&index| after[index].is_ascii_digit())
                .collect();
            if !digits.is_empty() {
                let index = *choices.of(&digits);
                after[index] = b'0' + (after[index] - b'0' + 1 + choices.below(9) as u8) % 10;
            }
        }
        Damage::Truncate => after.truncate(choices.below(before.len())),
        Damage::Zero => {
            let end = (range.start + 1 + choices.below(BLOCK)).min(after.len());
            after[range.start..end].fill(0);
        }
        Damage::Empty | Damage::Folder | Damage::Swap => after.clear(),
        Damage::Repeat => {
            let block = before[range.clone()].to_vec();
            after.splice(range.end..range.end, block);
        }
        Damage::Cut => {
            after.drain(range);
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_changes_the_file_and_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<Vec<u8>> = (0..FILES.len())
            .map(|index| format!("step,a\n1,{index}\n2,5\n3,7\n").into_bytes())
            .collect();
        fs::create_dir(folder.path().join("checkpoints")).unwrap();
        for (name, text) in FILES.iter().zip(&texts) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut seen = Vec::new();
        for seed in 0..200 {
            let damaged = Damaged::inflict(folder.path(), &mut Choices::of_seed(seed));
            let damaged = damaged.unwrap().unwrap();
            let after = fs::read(damaged.path());
            let is_same = after.is_ok_and(|after| after == damaged.before);
            // A file may be swapped with itself, and two flips may cancel out.
            assert!(!is_same || [Damage::Swap, Damage::Flip].contains(&damaged.damage));
            assert!(damaged.is_untouched());
            damaged.mend().unwrap();
            assert!(is_same || !damaged.is_untouched());
            assert_eq!(fs::read(damaged.path()).unwrap(), damaged.before);
            seen.push(damaged.damage);
        }
        assert!(DAMAGES.iter().all(|damage| seen.contains(damage)));
    }
}
