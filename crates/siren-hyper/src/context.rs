//! Contexts: the observed pixels of pictures, from which an encoder computes latent codes.

use std::ops::Range;

use candle_core::Tensor;
use rand::Rng;
use rand::seq::index;
use siren_core::Result;

/// A batch of `b` square pictures of one size with the indices of their observed pixels.
#[derive(Clone, Debug)]
pub struct ContextBatch {
    /// Values of all pixels in [−1, 1], `(b, n, c)` with n = side².
    pub pictures: Tensor,
    /// Coordinates of the pixels, `(n, 2)`.
    pub coords: Tensor,
    /// Indices of the observed pixels of each picture, in row-major order: `0..n`.
    pub observed: Vec<Vec<u32>>,
    /// Rows of the auto-decoder's table of codes, one per picture. `None` for pictures that were not trained on, and for models with an
    /// encoder.
    pub codes: Option<Vec<u32>>,
}

impl ContextBatch {
    /// Returns some of the pictures.
    pub(crate) fn narrow(&self, pictures: Range<usize>) -> Result<Self> {
        let codes = self.codes.as_ref();
        Ok(Self {
            pictures: self
                .pictures
                .narrow(0, pictures.start, pictures.len())?
                .contiguous()?,
            coords: self.coords.clone(),
            observed: self.observed[pictures.clone()].to_vec(),
            codes: codes.map(|codes| codes[pictures].to_vec()),
        })
    }

    /// Returns the number of pixels per side.
    fn side(&self) -> usize {
        self.coords.dims()[0].isqrt()
    }

    /// Returns the observed pixels of all pictures, `(Σ k, 2 + c)` with k pixels of one picture, as (row, column, values); and the matrix
    /// `(b, Σ k)` that averages rows over the pixels of each picture.
    pub(crate) fn as_set(&self) -> Result<(Tensor, Tensor)> {
        let device = self.pictures.device();
        let total: usize = self.observed.iter().map(Vec::len).sum();
        let (mut parts, mut mean) = (Vec::new(), vec![0.0; self.observed.len() * total]);
        let mut first = 0;
        for (picture, observed) in self.observed.iter().enumerate() {
            let indices = Tensor::new(observed.as_slice(), device)?;
            let coords = self.coords.index_select(&indices, 0)?;
            let values = self.pictures.get(picture)?.index_select(&indices, 0)?;
            parts.push(Tensor::cat(&[coords, values], 1)?);
            mean[picture * total + first..][..observed.len()].fill(1.0 / observed.len() as f64);
            first += observed.len();
        }
        let mean = Tensor::from_vec(mean, (self.observed.len(), total), device)?;
        Ok((
            Tensor::cat(&parts, 0)?,
            mean.to_dtype(self.pictures.dtype())?,
        ))
    }

    /// Returns the mask `(b, n, 1)`: 1 for observed pixels, 0 for all others.
    fn mask(&self) -> Result<Tensor> {
        let (pictures, pixels, _) = self.pictures.dims3()?;
        let mut mask = vec![0f32; pictures * pixels];
        for (picture, observed) in self.observed.iter().enumerate() {
            let mask = &mut mask[picture * pixels..][..pixels];
            for &pixel in observed {
                mask[pixel as usize] = 1.0;
            }
        }
        let mask = Tensor::from_vec(mask, (pictures, pixels, 1), self.pictures.device())?;
        Ok(mask.to_dtype(self.pictures.dtype())?)
    }

    /// Returns the values `(b, n, c)` with zeros for unobserved pixels, and the mask `(b, n, 1)`: 1 for observed pixels, 0 for all others.
    pub(crate) fn as_targets(&self) -> Result<(Tensor, Tensor)> {
        let mask = self.mask()?;
        Ok((self.pictures.broadcast_mul(&mask)?, mask))
    }

    /// Returns the values and the mask of [`as_targets`](Self::as_targets) with channels first: `(b, c, h, w)` and `(b, 1, h, w)`.
    pub(crate) fn as_pictures(&self) -> Result<(Tensor, Tensor)> {
        let side = self.side();
        let (targets, mask) = self.as_targets()?;
        let (pictures, _, channels) = targets.dims3()?;
        let channels_first = targets.transpose(1, 2)?.contiguous()?;
        Ok((
            channels_first.reshape((pictures, channels, side, side))?,
            mask.reshape((pictures, 1, side, side))?,
        ))
    }
}

/// Rule that selects the pixels that the encoder observes in an evaluation. The variants are the columns of the paper's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextKind {
    /// This number of pixels, drawn at random.
    Pixels(usize),
    /// The upper half of the rows.
    Half,
    /// All pixels.
    Full,
}

impl ContextKind {
    /// Returns the contexts of the paper for pictures of `pixels` pixels: 10, 100 and 1000 pixels (those below `pixels`), half and full.
    #[must_use]
    pub fn all(pixels: usize) -> Vec<Self> {
        let counts = [10, 100, 1000].into_iter().filter(|&count| count < pixels);
        let mut all: Vec<_> = counts.map(Self::Pixels).collect();
        all.extend([Self::Half, Self::Full]);
        all
    }

    /// Returns the suffix of the names of this context's metrics, such as `100` in `mse_100`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Pixels(count) => count.to_string(),
            Self::Half => "half".to_owned(),
            Self::Full => "full".to_owned(),
        }
    }

    /// Draws the indices of the observed pixels of a picture with `side × side` pixels.
    pub(crate) fn draw(self, side: usize, rng: &mut impl Rng) -> Vec<u32> {
        let pixels = side * side;
        match self {
            Self::Pixels(count) => distinct(pixels, count, rng),
            Self::Half => (0..(side.div_ceil(2) * side) as u32).collect(),
            Self::Full => (0..pixels as u32).collect(),
        }
    }
}

/// Draws `count` distinct pixels of `pixels`, or all of them if `count` is larger.
pub(crate) fn distinct(pixels: usize, count: usize, rng: &mut impl Rng) -> Vec<u32> {
    let drawn = index::sample(rng, pixels, count.min(pixels));
    drawn.into_iter().map(|pixel| pixel as u32).collect()
}

/// Draws each of `pixels` pixels independently with this probability.
pub(crate) fn scattered(pixels: usize, probability: f64, rng: &mut impl Rng) -> Vec<u32> {
    (0..pixels as u32)
        .filter(|_| rng.random::<f64>() < probability)
        .collect()
}
