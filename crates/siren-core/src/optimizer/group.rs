//! The parameters that one optimizer updates.

use std::ops::Range;

use crate::field::{Layout, Role};

/// Adjacent parameters of a group, all of which a step changes, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    /// Whether a step changes them: they are not those of tiles at rest.
    pub(super) is_active: bool,
}

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

    /// Cuts the ranges into pieces of at most `most` parameters, and where parameters begin or cease to rest; `resting` is ascending and disjoint.
    pub(super) fn pieces_at_rest(&self, most: usize, resting: &[Range<usize>]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut resting = resting.iter().peekable();
        for Range { mut start, end } in self.pieces(most) {
            while start < end {
                while resting.next_if(|range| range.end <= start).is_some() {}
                let (cut, is_active) = match resting.peek() {
                    Some(range) if range.start <= start => (range.end, false),
                    Some(range) => (range.start, true),
                    None => (end, true),
                };
                let range = start..cut.min(end);
                start = range.end;
                pieces.push(Piece { range, is_active });
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_at_rest_cover_a_group_once_and_are_those_of_the_resting_ranges() {
        let group = Group {
            ranges: vec![2..11, 15..40],
        };
        for resting in [
            &[][..],
            &[0..3, 9..17, 20..21],
            &[2..6, 6..11],
            &[11..15, 39..50],
            &[0..20, 20..50],
        ] {
            let rests = |index: &usize| resting.iter().any(|range| range.contains(index));
            for most in [1, 4, 100] {
                let pieces = group.pieces_at_rest(most, resting);
                let covered = pieces.iter().flat_map(|piece| piece.range.clone());
                assert!(covered.eq((2..11).chain(15..40)), "{resting:?} {most}");
                for Piece { range, is_active } in pieces {
                    assert!((1..=most).contains(&range.len()));
                    assert!(range.clone().all(|index| rests(&index) != is_active));
                }
            }
        }
    }

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
