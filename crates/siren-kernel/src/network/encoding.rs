//! Encodings of the coordinates.

/// Sinusoidal features `sin⟨ω, x⟩` and `cos⟨ω, x⟩` for each angular frequency vector `ω`.
#[derive(Clone, Debug, PartialEq)]
pub struct Waves {
    /// The vectors `ω`, each of `d` components, in radians per unit of the coordinates.
    pub angular_frequencies: Vec<Vec<f64>>,
    /// Whether the sine and the cosine of each `ω` are adjacent. Otherwise all sines come first, then all cosines.
    pub interleaved: bool,
}

/// One feature of [`Waves`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaveFeature<'a> {
    /// `ω`, in radians per unit of the coordinates.
    pub angular_frequency: &'a [f64],
    /// Whether the feature is `cos⟨ω, x⟩`; otherwise it is `sin⟨ω, x⟩`.
    pub is_cosine: bool,
}

impl Waves {
    /// Returns the features in the order of the inputs of the first layer.
    #[must_use]
    pub fn features(&self) -> Vec<WaveFeature<'_>> {
        let feature = |omega, is_cosine| WaveFeature {
            angular_frequency: omega,
            is_cosine,
        };
        let sine_and_cosine = [false, true];
        let waves = || self.angular_frequencies.iter().map(Vec::as_slice);
        if self.interleaved {
            let pair = |omega| sine_and_cosine.map(|is_cosine| feature(omega, is_cosine));
            return waves().flat_map(pair).collect();
        }
        let half = |is_cosine| waves().map(move |omega| feature(omega, is_cosine));
        sine_and_cosine.into_iter().flat_map(half).collect()
    }
}

/// Encoding of the coordinates `x`, with its sizes and constants resolved: the inputs of the first layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// The coordinates.
    Identity,
    /// Sinusoidal features of the coordinates.
    Sinusoids {
        /// Whether the coordinates precede the sinusoids.
        include_input: bool,
        /// Frequencies and order of the sinusoids.
        waves: Waves,
    },
    /// Radial basis functions `e^(−(s ‖x − c‖²)²)` with learned centers `c` and widths `s`.
    Rbf {
        /// Number of centers.
        centers: usize,
        /// Index of the centers `(centers, d)` in the flat parameters.
        first_center: usize,
        /// Index of the widths `s (centers,)` in the flat parameters. They must follow the centers directly.
        first_sigma: usize,
    },
}

impl Features {
    /// Returns the positional encoding of NeRF (Mildenhall et al. 2020): the `dims` coordinates, then `sin(2ⁱπ xⱼ), cos(2ⁱπ xⱼ)` for
    /// `i < frequencies`, axis by axis within a frequency.
    #[must_use]
    pub fn nerf(dims: usize, frequencies: usize) -> Self {
        let angular_frequency = |i: usize, j: usize| {
            let mut omega = vec![0.0; dims];
            omega[j] = std::f64::consts::PI * (1u64 << i) as f64;
            omega
        };
        let waves = (0..frequencies).flat_map(|i| (0..dims).map(move |j| (i, j)));
        Self::Sinusoids {
            include_input: true,
            waves: Waves {
                angular_frequencies: waves.map(|(i, j)| angular_frequency(i, j)).collect(),
                interleaved: true,
            },
        }
    }

    /// Returns random Fourier features (Tancik et al. 2020): all sines of `2πBx`, then all cosines. `matrix` is `B`, row-major, with `dims`
    /// columns.
    #[must_use]
    pub fn fourier(dims: usize, matrix: &[f64]) -> Self {
        let angular_frequency =
            |row: &[f64]| row.iter().map(|b| std::f64::consts::TAU * b).collect();
        Self::Sinusoids {
            include_input: false,
            waves: Waves {
                angular_frequencies: matrix.chunks(dims).map(angular_frequency).collect(),
                interleaved: false,
            },
        }
    }

    /// Returns the number of features of `dims` coordinates, which is the number of inputs of the first layer.
    #[must_use]
    pub fn count(&self, dims: usize) -> usize {
        match self {
            Self::Identity => dims,
            Self::Sinusoids {
                include_input,
                waves,
            } => 2 * waves.angular_frequencies.len() + if *include_input { dims } else { 0 },
            Self::Rbf { centers, .. } => *centers,
        }
    }
}
