//! Orders of warps and blocks.

/// The order in which the blocks of a launch, and the warps of a block between two barriers, are executed.
///
/// A kernel that is right gives the same bits in every order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WarpOrder {
    /// From the first to the last.
    #[default]
    Forward,
    /// From the last to the first.
    Backward,
    /// In an order drawn from the seed, anew after each barrier.
    Shuffled(u64),
}

/// Draws orders.
pub(super) struct Shuffler {
    order: WarpOrder,
    state: u64,
}

impl Shuffler {
    pub(super) fn new(order: WarpOrder) -> Self {
        let state = match order {
            WarpOrder::Shuffled(seed) => seed,
            _ => 0,
        };
        Self { order, state }
    }

    /// The next of a sequence of equidistributed numbers (`SplitMix64`).
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An order of `0..count`.
    pub(super) fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        match self.order {
            WarpOrder::Forward => {}
            WarpOrder::Backward => order.reverse(),
            WarpOrder::Shuffled(_) => {
                for last in (1..count).rev() {
                    order.swap(last, (self.draw() % (last as u64 + 1)) as usize);
                }
            }
        }
        order
    }
}
