//! The runs that a sweep consists of.

use crate::spec::{Choice, file_name};

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Name of the run and of its folder: the names of its choices, joined.
    pub name: String,
    /// Which choice of each axis.
    pub choices: Vec<usize>,
    /// `key=value`, as `--set` takes it, in the order of the axes.
    pub overrides: Vec<String>,
}

/// Every combination of choices, the last axis varying fastest.
#[must_use]
pub fn expand(axes: &[Vec<Choice>]) -> Vec<Member> {
    let mut members = vec![Member {
        name: String::new(),
        choices: Vec::new(),
        overrides: Vec::new(),
    }];
    for choices in axes {
        let with = |member: &Member, index: usize, choice: &Choice| {
            let mut member = member.clone();
            if !member.name.is_empty() {
                member.name.push_str("--");
            }
            member.name.push_str(&file_name(&choice.name));
            member.choices.push(index);
            member.overrides.extend(choice.overrides.iter().cloned());
            member
        };
        let longer = |member: Member| {
            let choices = choices.iter().enumerate();
            choices
                .map(move |(index, choice)| with(&member, index, choice))
                .collect::<Vec<_>>()
        };
        members = members.into_iter().flat_map(longer).collect();
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_a_run_with_a_name_of_its_own() {
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
