//! Named random streams: every random number is a function of seed, stream and step.
//!
//! Public as [`signal::Stream`](crate::signal::Stream). It is a module of its own because signals and fields both draw from it.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Stream numbers of the names that existed before names were hashed. Results of existing configs depend on them, so entries are never
/// changed or added; every other name is hashed.
const NUMBERED: [(&str, u8); 11] = [
    ("parameters", 0),
    ("subset", 1),
    ("uniform", 2),
    ("image.mask", 16),
    ("poisson.anchors", 17),
    ("hyper.order", 16),
    ("hyper.context", 17),
    ("hyper.split", 18),
    ("hyper.face", 19),
    ("hyper.scored", 20),
    ("hyper.asked", 21),
];

/// A named stream of random numbers.
///
/// The numbers are a function of the seed, the name and the step alone, so there is no random state to save, and two streams of one
/// seed are independent. Two samplers of a run need streams of different names, or they draw the same points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    name: &'static str,
}

impl Stream {
    /// Initial parameters of a model.
    pub const PARAMETERS: Self = Self::named("parameters");
    /// Subsets of a sample.
    pub const SUBSET: Self = Self::named("subset");
    /// Points drawn uniformly in a box.
    pub const UNIFORM: Self = Self::named("uniform");

    /// Returns the stream of a name, such as `"image.mask"`.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name }
    }

    /// Returns the generator of this stream at a step.
    #[must_use]
    pub fn rng(self, seed: u64, step: u64) -> ChaCha8Rng {
        const STEP_BITS: u32 = 56;
        let step_part = step & ((1 << STEP_BITS) - 1);
        let numbered = NUMBERED.iter().find(|(name, _)| *name == self.name);
        if let Some((_, number)) = numbered {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream((u64::from(*number) << STEP_BITS) | step_part);
            return rng;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ fnv_1a(self.name));
        rng.set_stream(step);
        rng
    }
}

/// Returns the FNV-1a hash of a text.
fn fnv_1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    fn draw(stream: Stream, seed: u64, step: u64) -> u64 {
        stream.rng(seed, step).random()
    }

    #[test]
    fn a_draw_is_a_function_of_stream_seed_and_step() {
        for stream in [Stream::SUBSET, Stream::named("collocation")] {
            assert_eq!(draw(stream, 7, 3), draw(stream, 7, 3));
            assert_ne!(draw(stream, 7, 3), draw(stream, 8, 3));
            assert_ne!(draw(stream, 7, 3), draw(stream, 7, 4));
        }
        let names = ["subset", "uniform", "collocation", "boundary"];
        let mut draws = names.map(|name| draw(Stream::named(name), 7, 3)).to_vec();
        draws.sort_unstable();
        draws.dedup();
        assert_eq!(draws.len(), names.len());
    }
}
