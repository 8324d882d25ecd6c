//! Union-find.

/// A partition of the integers from 0 on, by union-find with path halving. The lowest member of a set represents it.
pub(crate) struct DisjointSets {
    parents: Vec<usize>,
}

impl DisjointSets {
    /// Returns `count` sets of one member each.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            parents: (0..count).collect(),
        }
    }

    /// Returns the member that represents the set of `member`.
    pub(crate) fn find(&mut self, mut member: usize) -> usize {
        while self.parents[member] != member {
            self.parents[member] = self.parents[self.parents[member]];
            member = self.parents[member];
        }
        member
    }

    /// Unites the sets of two members, and returns whether they were different.
    pub(crate) fn unite(&mut self, first: usize, second: usize) -> bool {
        let [first, second] = [self.find(first), self.find(second)];
        self.parents[first.max(second)] = first.min(second);
        first != second
    }
}
