//! Contexts: the pixels of pictures that an encoder sees.

use candle_core::Tensor;
use rand::Rng;
use rand::seq::index;
use siren_core::Result;

/// Some pictures, and which of their pixels are seen.
#[derive(Clone, Debug)]
pub struct Contexts {
    /// Values in [−1, 1], `(b, n, c)` with n = side².
    pub pictures: Tensor,
    /// Coordinates of the pixels, `(n, 2)`.
    pub coords: Tensor,
    /// For every picture, the pixels that are seen.
    pub seen: Vec<Vec<u32>>,
    /// Which codes of an auto-decoder are theirs, if they have any.
    pub codes: Option<Vec<u32>>,
}

impl Contexts {
    /// Pixels a side.
    fn side(&self) -> usize {
        self.coords.dims()[0].isqrt()
    }

    /// The seen pixels of all pictures, `(Σ k, 2 + c)`: row, column, values; and the matrix `(b, Σ k)` that averages over those of each.
    pub(crate) fn as_set(&self) -> Result<(Tensor, Tensor)> {
        let device = self.pictures.device();
        let total: usize = self.seen.iter().map(Vec::len).sum();
        let (mut parts, mut mean) = (Vec::new(), vec![0.0; self.seen.len() * total]);
        let mut first = 0;
        for (at, seen) in self.seen.iter().enumerate() {
            let indices = Tensor::new(seen.as_slice(), device)?;
            let coords = self.coords.index_select(&indices, 0)?;
            let values = self.pictures.get(at)?.index_select(&indices, 0)?;
            parts.push(Tensor::cat(&[coords, values], 1)?);
            mean[at * total + first..][..seen.len()].fill(1.0 / seen.len() as f64);
            first += seen.len();
        }
        let mean = Tensor::from_vec(mean, (self.seen.len(), total), device)?;
        Ok((
            Tensor::cat(&parts, 0)?,
            mean.to_dtype(self.pictures.dtype())?,
        ))
    }

    /// 1 where a pixel is seen, `(b, n, 1)`.
    fn mask(&self) -> Result<Tensor> {
        let (pictures, pixels, _) = self.pictures.dims3()?;
        let mut mask = vec![0f32; pictures * pixels];
        for (at, seen) in self.seen.iter().enumerate() {
            for &pixel in seen {
                mask[at * pixels + pixel as usize] = 1.0;
            }
        }
        let mask = Tensor::from_vec(mask, (pictures, pixels, 1), self.pictures.device())?;
        Ok(mask.to_dtype(self.pictures.dtype())?)
    }

    /// The values of the seen pixels with zeros elsewhere, and 1 where a pixel is seen: `(b, n, c)` and `(b, n, 1)`.
    pub(crate) fn as_targets(&self) -> Result<(Tensor, Tensor)> {
        let mask = self.mask()?;
        Ok((self.pictures.broadcast_mul(&mask)?, mask))
    }

    /// The same as pictures: `(b, c, h, w)` and `(b, 1, h, w)`.
    pub(crate) fn as_pictures(&self) -> Result<(Tensor, Tensor)> {
        let side = self.side();
        let (targets, mask) = self.as_targets()?;
        let (pictures, _, channels) = targets.dims3()?;
        let first = targets.transpose(1, 2)?.contiguous()?;
        Ok((
            first.reshape((pictures, channels, side, side))?,
            mask.reshape((pictures, 1, side, side))?,
        ))
    }
}

/// How many pixels of a picture are seen where its fit is scored, as in the paper's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// So many, at random.
    Pixels(usize),
    /// The upper half of the rows.
    Half,
    /// All.
    Full,
}

impl Context {
    /// The paper's, where a picture has as many pixels.
    #[must_use]
    pub fn all(pixels: usize) -> Vec<Self> {
        let numbers = [10, 100, 1000]
            .into_iter()
            .filter(|&number| number < pixels);
        let mut all: Vec<_> = numbers.map(Self::Pixels).collect();
        all.extend([Self::Half, Self::Full]);
        all
    }

    /// The end of a metric's name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Pixels(number) => number.to_string(),
            Self::Half => "half".to_owned(),
            Self::Full => "full".to_owned(),
        }
    }

    /// Which pixels.
    pub(crate) fn draw(self, side: usize, rng: &mut impl Rng) -> Vec<u32> {
        let pixels = side * side;
        match self {
            Self::Pixels(number) => distinct(pixels, number, rng),
            Self::Half => (0..(side.div_ceil(2) * side) as u32).collect(),
            Self::Full => (0..pixels as u32).collect(),
        }
    }
}

/// So many different pixels, at most all.
pub(crate) fn distinct(pixels: usize, number: usize, rng: &mut impl Rng) -> Vec<u32> {
    let drawn = index::sample(rng, pixels, number.min(pixels));
    drawn.into_iter().map(|pixel| pixel as u32).collect()
}

/// Each pixel with this probability.
pub(crate) fn scattered(pixels: usize, probability: f64, rng: &mut impl Rng) -> Vec<u32> {
    (0..pixels as u32)
        .filter(|_| rng.random::<f64>() < probability)
        .collect()
}
