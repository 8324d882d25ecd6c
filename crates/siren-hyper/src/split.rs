//! Splits of a set of pictures into training, validation (which selects the best parameters) and test.

mod file;

use std::ops::Range;
use std::path::Path;

use rand::seq::SliceRandom;
use siren_core::signal::Stream;
use siren_core::{Error, Result};

use crate::config::SplitConfig;
use crate::folder::{Folder, PictureFiles};

/// Random numbers of the split, which is the same for every seed of a config.
const SPLIT: Stream = Stream::named("hyper.split");

/// Indices of the pictures of each part of a set, in ascending order unless a split file gives another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Pictures that a model is trained on.
    pub training: Vec<usize>,
    /// Pictures whose PSNR selects the best parameters.
    pub validation: Vec<usize>,
    /// Pictures that are only evaluated.
    pub test: Vec<usize>,
}

/// A part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Training,
    Validation,
    Test,
}

impl Part {
    const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::Test];

    /// Returns the name and the number of the part in a split file, for messages.
    fn name(self) -> &'static str {
        match self {
            Self::Training => "training (0)",
            Self::Validation => "validation (1)",
            Self::Test => "test (2)",
        }
    }

    /// Parses the name of a part.
    fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Training),
            "val" | "valid" | "validation" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

impl Split {
    /// Splits `count` pictures at random, in the same way for the same count, in groups of `config.together` consecutive pictures. `config.file`
    /// is not used.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if there are fewer than three groups, or a value of `config` is out of range.
    pub fn random(count: usize, config: &SplitConfig) -> Result<Self> {
        config.check()?;
        random(count, config)
            .map_err(|expected| Error::invalid("number of pictures", count, &expected))
    }

    /// Returns the three parts: training, validation and test.
    #[must_use]
    pub fn parts(&self) -> [&[usize]; 3] {
        Part::ALL.map(|part| self.part(part))
    }

    fn part(&self, part: Part) -> &[usize] {
        match part {
            Part::Training => &self.training,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }

    fn part_mut(&mut self, part: Part) -> &mut Vec<usize> {
        match part {
            Part::Training => &mut self.training,
            Part::Validation => &mut self.validation,
            Part::Test => &mut self.test,
        }
    }

    /// Checks that each part has a picture, and that no index exceeds `count` pictures or occurs twice.
    pub(crate) fn check(&self, count: usize) -> Result<()> {
        if let Some(part) = Part::ALL.into_iter().find(|p| self.part(*p).is_empty()) {
            let expected = "at least one picture in each part";
            return Err(Error::invalid(
                "split",
                format!("without {}", part.name()),
                expected,
            ));
        }
        let mut is_used = vec![false; count];
        for &index in self.parts().into_iter().flatten() {
            let expected =
                format!("indices below {count}, the number of pictures, each at most once");
            match is_used.get_mut(index) {
                Some(used) if !*used => *used = true,
                _ => return Err(Error::invalid("split", format!("with {index}"), &expected)),
            }
        }
        Ok(())
    }
}

/// Splits the pictures of the folder `set`: by the split file if there is one, else by folders named `train`, `val` and `test`, else at
/// random, with the pictures of a folder in the same part.
///
/// # Errors
/// If a part has no pictures, or the split does not fit the set.
pub(crate) fn of_files(set: &Path, files: &PictureFiles, config: &SplitConfig) -> Result<Split> {
    if let Some(file) = &config.file {
        return file::read(file, set, &files.names);
    }
    let fail = |message: String| Error::signal(set, message);
    if files.folders.is_empty() {
        return random(files.names.len(), config)
            .map_err(|expected| fail(format!("expected {expected}")));
    }
    if config.together != 1 {
        let expected = format!(
            "absent: the pictures of each folder in {} always stay together",
            set.display()
        );
        return Err(Error::invalid(
            "signal.split.together",
            config.together,
            &expected,
        ));
    }
    if let Some(split) = split_by_folder_names(&files.folders).map_err(fail)? {
        return Ok(split);
    }
    let groups: Vec<_> = files.folders.iter().map(|f| f.pictures.clone()).collect();
    let message = format!(
        "expected at least 3 folders of pictures, for training, validation and test; there are {}",
        groups.len()
    );
    split_groups(&groups, config).ok_or_else(|| fail(message))
}

/// Splits `count` pictures at random, in groups of `config.together` consecutive pictures.
///
/// # Errors
/// If there are fewer than three groups: the expected number of pictures, as text.
pub(crate) fn random(count: usize, config: &SplitConfig) -> Result<Split, String> {
    let together = config.together;
    let starts = (0..count).step_by(together);
    let groups: Vec<_> = starts
        .map(|from| from..count.min(from.saturating_add(together)))
        .collect();
    split_groups(&groups, config).ok_or_else(|| {
        format!(
            "at least 3 pictures (or 3 times `signal.split.together = {together}`), for training, validation and test; there are \
             {count}"
        )
    })
}

/// Splits groups of pictures at random, in the same way for the same number of groups. The fractions of `config` are fractions of the
/// groups. Returns `None` if there are fewer than three groups.
fn split_groups(groups: &[Range<usize>], config: &SplitConfig) -> Option<Split> {
    let count = groups.len();
    if count < 3 {
        return None;
    }
    let groups_in = |fraction: f64| ((fraction * count as f64).round() as usize).max(1);
    let test = groups_in(config.test).min(count - 2);
    let validation = groups_in(config.validation).min(count - test - 1);
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut SPLIT.rng(0, 0));
    let pictures = |chosen: &[usize]| {
        let ranges = chosen.iter().map(|&group| groups[group].clone());
        let mut all: Vec<usize> = ranges.flatten().collect();
        all.sort_unstable();
        all
    };
    let (test, rest) = order.split_at(test);
    let (validation, training) = rest.split_at(validation);
    Some(Split {
        training: pictures(training),
        validation: pictures(validation),
        test: pictures(test),
    })
}

/// Splits folders named `train`, `val` and `test`. Returns `None` if the folders have other names.
fn split_by_folder_names(folders: &[Folder]) -> Result<Option<Split>, String> {
    let mut split = Split::default();
    let mut count = 0;
    for folder in folders {
        if let Some(part) = Part::parse(&folder.name) {
            count += 1;
            split.part_mut(part).extend(folder.pictures.clone());
        }
    }
    match count {
        0 | 1 => Ok(None),
        3 if folders.len() == 3 && split.parts().iter().all(|part| !part.is_empty()) => {
            Ok(Some(split))
        }
        _ => {
            let names: Vec<&str> = folders.iter().map(|f| f.name.as_str()).take(5).collect();
            Err(format!(
                "has folders named like parts of a split ({}), expected exactly `train`, `val` and `test`, or one folder per \
                 person",
                names.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_pictures_of_a_group_stay_in_one_part() {
        let split = SplitConfig {
            together: 10,
            ..SplitConfig::default()
        };
        let split = random(340, &split).unwrap();
        let parts = split.parts();
        assert_eq!(parts.map(<[usize]>::len), [280, 30, 30]);
        for part in parts {
            for ten in part.chunks(10) {
                assert!(ten[0] % 10 == 0 && ten[9] == ten[0] + 9, "{ten:?}");
            }
        }
        let mut all = parts.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..340));
    }

    #[test]
    fn three_pictures_give_one_to_each_part_and_two_are_an_error() {
        let split = SplitConfig::default();
        let three = random(3, &split).unwrap();
        assert_eq!(three.parts().map(<[usize]>::len), [1, 1, 1]);
        assert!(
            random(2, &split)
                .unwrap_err()
                .contains("at least 3 pictures")
        );
    }

    /// Returns a set whose folders have these names and three pictures each.
    fn set(folders: &[&str]) -> PictureFiles {
        let folder = |(at, name): (usize, &&str)| Folder {
            name: (*name).to_owned(),
            pictures: 3 * at..3 * at + 3,
        };
        let names = folders
            .iter()
            .flat_map(|f| (1..4).map(move |at| format!("{f}/{at}.png")));
        PictureFiles {
            paths: Vec::new(),
            names: names.collect(),
            folders: folders.iter().enumerate().map(folder).collect(),
        }
    }

    #[test]
    fn pictures_of_a_folder_stay_in_one_part() {
        let people: Vec<String> = (0..20).map(|at| format!("s{at}")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        let split = SplitConfig::default();
        let split_folders =
            |folders: &[&str], split| of_files(Path::new("set"), &set(folders), split);
        let people_split = split_folders(&people, &split).unwrap();
        let parts = people_split.parts();
        assert_eq!(parts.map(<[usize]>::len), [48, 6, 6]);
        for three in parts.into_iter().flat_map(|part| part.chunks(3)) {
            assert!(three[0] % 3 == 0 && three[2] == three[0] + 2, "{three:?}");
        }
        let together = SplitConfig {
            together: 2,
            ..SplitConfig::default()
        };
        for (folders, split, words) in [
            (&people[..2], &split, "at least 3 folders of pictures"),
            (&people[..], &together, "`signal.split.together` is 2"),
            (
                &["train", "test"],
                &split,
                "exactly `train`, `val` and `test`",
            ),
            (
                &["train", "test", "s1", "s2"],
                &split,
                "(train, test, s1, s2)",
            ),
            (&["train", "training", "test"], &split, "exactly `train`"),
        ] {
            let message = split_folders(folders, split).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn folders_named_train_val_and_test_are_the_parts() {
        let split = SplitConfig::default();
        for folders in [
            ["test", "train", "val"],
            ["Testing", "Training", "validation"],
        ] {
            let split = of_files(Path::new("set"), &set(&folders), &split).unwrap();
            assert_eq!(split.parts(), [[3, 4, 5], [6, 7, 8], [0, 1, 2]]);
        }
    }
}
