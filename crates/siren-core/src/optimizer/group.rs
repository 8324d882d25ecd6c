//! The parameters that one optimizer updates.

use std::ops::Range;

use crate::field::{Layout, Role};

/// Disjoint ranges of a flat parameter tensor, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    ranges: Vec<Range<usize>>,
}

impl Group {
    /// Returns the group of all parameters.
    #[must_use]
    pub fn all(layout: &Layout) -> Self {
        Self::complement_of(&[], layout.len())
    }

    /// Returns the group of the parameters of a range.
    #[must_use]
    pub fn of_range(range: Range<usize>) -> Self {
        let ranges = Vec::from_iter((!range.is_empty()).then_some(range));
        Self { ranges }
    }

    /// Returns the group of the parameters of one role.
    #[must_use]
    pub fn of_role(layout: &Layout, role: Role) -> Self {
        let entries = layout.of_role(role);
        Self {
            ranges: entries.map(|entry| entry.range.clone()).collect(),
        }
    }

    /// Returns the group of all parameters that are not in this one, of `len` in all.
    #[must_use]
    pub fn complement(&self, len: usize) -> Self {
        Self::complement_of(&self.ranges, len)
    }

    fn complement_of(ranges: &[Range<usize>], len: usize) -> Self {
        let mut between = Vec::new();
        let mut end = 0;
        for range in ranges.iter().cloned().chain(std::iter::once(len..len)) {
            if end < range.start {
                between.push(end..range.start);
            }
            end = range.end;
        }
        Self { ranges: between }
    }

    /// Returns the ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Returns the number of parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// Returns whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Cuts the ranges into pieces of at most `most` parameters.
    #[must_use]
    pub fn pieces(&self, most: usize) -> Vec<Range<usize>> {
        let cut = |range: &Range<usize>| {
            let (start, end) = (range.start, range.end);
            (start..end)
                .step_by(most)
                .map(move |first| first..end.min(first.saturating_add(most)))
        };
        self.ranges.iter().flat_map(cut).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_and_its_complement_cover_all_parameters_once() {
        let group = Group {
            ranges: vec![5..11, 11..20],
        };
        for len in [20, 21, 300] {
            let complement = group.complement(len);
            let mut all = [group.pieces(7), complement.pieces(7)].concat();
            all.sort_by_key(|range| range.start);
            let mut end = 0;
            for range in all {
                assert!(range.start == end && (1..=7).contains(&range.len()));
                end = range.end;
            }
            assert_eq!(end, len);
            assert_eq!(group.len() + complement.len(), len);
        }
    }
}
