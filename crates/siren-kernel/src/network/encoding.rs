//! Encodings of the coordinates, with their sizes and constants resolved.

/// Sinusoidal features: `sin⟨ω, x⟩` and `cos⟨ω, x⟩` for every `ω`.
#[derive(Clone, Debug, PartialEq)]
pub struct Waves {
    /// Each `ω`, radians per unit of the coordinates.
    pub angular: Vec<Vec<f64>>,
    /// The sine and the cosine of a wave stand side by side; otherwise all sines, then all cosines.
    pub side_by_side: bool,
}

impl Waves {
    /// The features one by one: `ω`, and whether it is the cosine.
    pub fn features(&self) -> Vec<(&[f64], bool)> {
        let both = [false, true];
        let waves = || self.angular.iter().map(Vec::as_slice);
        if self.side_by_side {
            let pair = |omega| both.map(|cosine| (omega, cosine));
            return waves().flat_map(pair).collect();
        }
        let half = |cosine| waves().map(move |omega| (omega, cosine));
        both.into_iter().flat_map(half).collect()
    }
}

/// An encoding with its sizes and constants settled.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// The coordinates themselves.
    Identity,
    /// The coordinates (if `keep`), then the waves.
    Sinusoids {
        /// Whether the coordinates stand before the waves.
        keep: bool,
        /// Frequencies and order of the waves.
        waves: Waves,
    },
    /// Parameters at these offsets: `centers × d` coordinates, then `centers` widths.
    Rbf {
        /// Number of centers.
        centers: usize,
        /// Index of the first coordinate of the centers `(centers, d)`.
        first_center: usize,
        /// Index of the first width `(centers,)`.
        first_sigma: usize,
    },
}

impl Features {
    /// `sin(2ⁱπ xⱼ), cos(2ⁱπ xⱼ)` for `i < frequencies`, axis by axis within a frequency.
    pub fn nerf(dims: usize, frequencies: usize) -> Self {
        let wave = |i: usize, j: usize| {
            let mut angular = vec![0.0; dims];
            angular[j] = std::f64::consts::PI * (1u64 << i) as f64;
            angular
        };
        let waves = (0..frequencies).flat_map(|i| (0..dims).map(move |j| (i, j)));
        Self::Sinusoids {
            keep: true,
            waves: Waves {
                angular: waves.map(|(i, j)| wave(i, j)).collect(),
                side_by_side: true,
            },
        }
    }

    /// All sines of `2πBx`, then all cosines; `matrix` is `B`, row by row.
    pub fn fourier(dims: usize, matrix: &[f64]) -> Self {
        let wave = |row: &[f64]| row.iter().map(|b| std::f64::consts::TAU * b).collect();
        Self::Sinusoids {
            keep: false,
            waves: Waves {
                angular: matrix.chunks(dims).map(wave).collect(),
                side_by_side: false,
            },
        }
    }

    /// Inputs of the first layer for `dims` coordinates.
    pub fn count(&self, dims: usize) -> usize {
        match self {
            Self::Identity => dims,
            Self::Sinusoids { keep, waves } => {
                2 * waves.angular.len() + if *keep { dims } else { 0 }
            }
            Self::Rbf { centers, .. } => *centers,
        }
    }
}
