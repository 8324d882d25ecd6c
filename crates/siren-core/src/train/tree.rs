//! The binary tree along which the chunks of a sample are added, and the parts of it that ranks compute.

use std::iter::Peekable;

/// A sample is halved this often, and the chunks of each part are summed one after the other. The number fixes the order of all additions, so
/// it depends neither on the number of threads nor on that of ranks; it also bounds the threads of all ranks together that can share a step.
const HALVINGS: u32 = 4;

/// The chunks `first .. end`, halved `halvings` times where there are enough of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) first: usize,
    pub(super) end: usize,
    halvings: u32,
}

/// A largest part of the tree that lies within the share of one rank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subtree {
    pub(super) node: Node,
    pub(super) rank: usize,
}

impl Node {
    /// Returns the tree of all chunks, of at most 2^[`HALVINGS`] leaves.
    pub(super) fn halved(chunks: usize) -> Self {
        Self {
            first: 0,
            end: chunks,
            halvings: HALVINGS,
        }
    }

    /// Returns a single leaf of all chunks.
    pub(super) fn leaf(chunks: usize) -> Self {
        Self {
            halvings: 0,
            ..Self::halved(chunks)
        }
    }

    /// Returns both halves, or nothing for a leaf.
    pub(super) fn halves(self) -> Option<[Self; 2]> {
        let Self {
            first,
            end,
            halvings,
        } = self;
        if halvings == 0 || end - first <= 1 {
            return None;
        }
        let middle = first + (end - first) / 2;
        let half = |first, end| Self {
            first,
            end,
            halvings: halvings - 1,
        };
        Some([half(first, middle), half(middle, end)])
    }

    /// Cuts this tree, the whole one, into the shares of `ranks` ranks: adjacent leaves with about as many chunks each. Ranks beyond the number
    /// of leaves have none.
    pub(super) fn shares(self, ranks: usize) -> Vec<Subtree> {
        let mut subtrees = Vec::new();
        self.cut(self.end, ranks, &mut subtrees);
        subtrees
    }

    fn cut(self, chunks: usize, ranks: usize, subtrees: &mut Vec<Subtree>) {
        // The rank of a leaf is that of its middle: twice the middle over twice the number of chunks.
        let Some(halves) = self.halves() else {
            let rank = (self.first + self.end) * ranks / (2 * chunks).max(1);
            subtrees.push(Subtree { node: self, rank });
            return;
        };
        let start = subtrees.len();
        for half in halves {
            half.cut(chunks, ranks, subtrees);
        }
        let own = &subtrees[start..];
        if own.iter().all(|subtree| subtree.rank == own[0].rank) {
            let rank = own[0].rank;
            subtrees.truncate(start);
            subtrees.push(Subtree { node: self, rank });
        }
    }

    /// Adds the values of [`shares`](Self::shares), in their order, along this tree. Returns nothing if there are too few.
    pub(super) fn sum<V>(
        self,
        shares: &mut Peekable<impl Iterator<Item = (Self, V)>>,
        add: &impl Fn(&mut V, V),
    ) -> Option<V> {
        match self.halves() {
            Some([left, right]) if shares.peek()?.0 != self => {
                let mut sum = left.sum(shares, add)?;
                add(&mut sum, right.sum(shares, add)?);
                Some(sum)
            }
            _ => shares.next().map(|(_, value)| value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(node: Node) -> Vec<Node> {
        match node.halves() {
            Some([left, right]) => [leaves(left), leaves(right)].concat(),
            None => vec![node],
        }
    }

    #[test]
    fn the_shares_of_ranks_cover_the_leaves_once_in_order_and_evenly() {
        for chunks in [1, 2, 3, 15, 16, 17, 31, 100, 1024] {
            let tree = Node::halved(chunks);
            let all = leaves(tree);
            for ranks in [1, 2, 3, 4, 5, 7, 16, 40] {
                let shares = tree.shares(ranks);
                let covered: Vec<Node> = shares.iter().flat_map(|one| leaves(one.node)).collect();
                assert_eq!(covered, all, "{chunks} chunks, {ranks} ranks");
                assert!(shares.is_sorted_by_key(|share| share.rank));
                let counts = (0..ranks).map(|rank| {
                    let own = shares.iter().filter(|share| share.rank == rank);
                    own.map(|share| leaves(share.node).len()).sum::<usize>()
                });
                let most = counts.max().unwrap();
                assert!(
                    most <= all.len() / ranks + 1,
                    "{chunks} chunks, {ranks} ranks: {most}"
                );
            }
        }
    }

    /// A text with brackets shows the order of additions.
    #[test]
    fn the_order_of_additions_does_not_depend_on_the_number_of_ranks() {
        fn text(node: Node) -> String {
            match node.halves() {
                Some([left, right]) => format!("({}+{})", text(left), text(right)),
                None => node.first.to_string(),
            }
        }
        let add = |sum: &mut String, more: String| *sum = format!("({sum}+{more})");
        for chunks in [1, 2, 3, 16, 23, 100] {
            let tree = Node::halved(chunks);
            for ranks in 1..20 {
                let shares = tree.shares(ranks);
                let values = shares.iter().map(|share| (share.node, text(share.node)));
                let sum = tree.sum(&mut values.peekable(), &add);
                assert_eq!(sum, Some(text(tree)), "{chunks} chunks, {ranks} ranks");
            }
        }
    }
}
