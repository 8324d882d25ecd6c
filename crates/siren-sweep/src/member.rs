//! Members: the runs that a sweep consists of, one for each combination of choices.

use crate::names::file_names;
use crate::spec::Choice;

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Name of the run and of its folder: the names of its choices, joined. It is unique within the sweep.
    pub name: String,
    /// Index of the choice on each axis, in the order of the axes.
    pub choices: Vec<usize>,
    /// Overrides `key=value` for `--set`, in the order of the axes.
    pub overrides: Vec<String>,
}

/// Returns one member for every combination of choices, with the last axis varying fastest.
#[must_use]
pub fn expand(axes: &[Vec<Choice>]) -> Vec<Member> {
    let mut combinations = vec![Vec::new()];
    for choices in axes {
        let extended = |combination: Vec<usize>| {
            (0..choices.len()).map(move |index| [&combination[..], &[index]].concat())
        };
        combinations = combinations.into_iter().flat_map(extended).collect();
    }
    let chosen = |combination: &[usize]| -> Vec<&Choice> {
        let pairs = axes.iter().zip(combination);
        pairs.map(|(choices, &index)| &choices[index]).collect()
    };
    let names = |combination: &Vec<usize>| -> Vec<&str> {
        let chosen = chosen(combination);
        chosen.iter().map(|choice| choice.name.as_str()).collect()
    };
    let names = file_names(&combinations.iter().map(names).collect::<Vec<_>>());
    let member = |(name, choices): (String, Vec<usize>)| {
        let overrides = chosen(&choices)
            .into_iter()
            .flat_map(|c| c.overrides.clone());
        Member {
            name,
            overrides: overrides.collect(),
            choices,
        }
    };
    names.into_iter().zip(combinations).map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_choices_is_a_run_with_a_unique_name() {
        let choice = |name: &str, overrides: &[&str]| Choice {
            name: name.to_owned(),
            overrides: overrides.iter().map(|o| (*o).to_owned()).collect(),
        };
        let axes = [
            vec![
                choice("sine", &[]),
                choice("relu + PE", &["field.activation=\"relu\""]),
            ],
            vec![choice("0", &["seed=0"]), choice("1", &["seed=1"])],
        ];
        let members = expand(&axes);
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(
            names,
            ["sine--0", "sine--1", "relu---PE--0", "relu---PE--1"]
        );
        assert_eq!(
            members[3].overrides,
            ["field.activation=\"relu\"", "seed=1"]
        );
        assert_eq!(members[3].choices, [1, 1]);
    }
}
