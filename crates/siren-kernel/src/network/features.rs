//! Forward pass of the encodings: the input jet of the first layer.

use pulp::{Simd, WithSimd};

use super::encoding::{Features, Waves};
use super::order::TraceEntry;
use super::pointwise::{Components, ForwardBuffers, Scratch, add_product, multiply};
use super::radial_basis::{self, RadialBasis, ScaledDistances};
use super::tile::Tile;
use crate::function::Scaled;
use crate::product::panel::stride;
use crate::{Level, Real};

/// Buffers of a tile in the forward pass of the encoding.
pub(super) struct TileBuffers<'a, T> {
    pub(super) tile: &'a mut Tile<T>,
    /// Distances of radial basis functions, where they are not saved.
    pub(super) current_z: &'a mut Vec<T>,
    pub(super) scratch: &'a mut Scratch<T>,
}

/// Forward pass of the encoding of one tile.
pub(super) struct EncodingPass<'a, T> {
    pub(super) level: Level,
    pub(super) features: &'a Features,
    pub(super) components: Components<'a>,
    /// `(points, d)`.
    pub(super) coords: &'a [T],
    /// `(P,)`.
    pub(super) params: &'a [T],
}

impl<T: Real> EncodingPass<'_, T> {
    /// Writes the jet of the encoding to the input of the first layer.
    pub(super) fn forward(self, buffers: TileBuffers<'_, T>) {
        let dims = self.coords.len() / buffers.tile.points;
        let input = &mut buffers.tile.inputs[0];
        match self.features {
            Features::Identity => self.write_coordinates(dims, input),
            Features::Sinusoids {
                include_input,
                waves,
            } => {
                T::dispatch(
                    self.level,
                    Sinusoids {
                        input_columns: if *include_input { dims } else { 0 },
                        waves,
                        components: self.components,
                        coords: self.coords,
                        dims,
                        out: input,
                    },
                );
            }
            Features::Rbf {
                centers,
                first_center,
                first_sigma,
            } => {
                let basis = RadialBasis {
                    centers: &self.params[*first_center..][..centers * dims],
                    sigmas: &self.params[*first_sigma..][..*centers],
                };
                self.write_radial_basis(basis, buffers);
            }
        }
    }

    fn write_coordinates(&self, dims: usize, input: &mut [T]) {
        let stride = stride(dims);
        let block = self.coords.len() / dims * stride;
        input[..self.components.count() * block].fill(T::of(0.0));
        for (p, x) in self.coords.chunks(dims).enumerate() {
            input[p * stride..][..dims].copy_from_slice(x);
            for i in 0..self.components.gradients {
                input[(1 + i) * block + p * stride + i] = T::of(1.0);
            }
        }
    }

    fn write_radial_basis(&self, basis: RadialBasis<'_, T>, buffers: TileBuffers<'_, T>) {
        let TileBuffers {
            tile,
            current_z,
            scratch,
        } = buffers;
        let (saved, input) = (&mut tile.distances, &mut tile.inputs[0]);
        let mut buffers = if self.components.count() == 1 {
            ForwardBuffers::saving_slopes(current_z, saved, input)
        } else {
            ForwardBuffers::saving_preactivations(saved, input)
        };
        T::dispatch(
            self.level,
            ScaledDistances {
                components: self.components,
                coords: self.coords,
                basis,
                distances: &mut *buffers.z,
            },
        );
        let centers = basis.sigmas.len();
        let stage = radial_basis::stage(self.level, self.components, centers, tile.points);
        stage.forward(&[], &mut buffers, scratch);
    }
}

/// Writes the jet of [`Features::Sinusoids`].
struct Sinusoids<'a, 'b, T> {
    /// Number of coordinates that precede the sinusoids.
    input_columns: usize,
    waves: &'a Waves,
    components: Components<'a>,
    coords: &'b [T],
    dims: usize,
    out: &'b mut [T],
}

impl<T: Real> WithSimd for Sinusoids<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            input_columns,
            dims,
            ..
        } = self;
        let Components { gradients, traces } = self.components;
        let count = self.waves.angular_frequencies.len();
        let width = stride(input_columns + 2 * count);
        let block = self.coords.len() / dims * width;
        let (factors, mut rows) = (self.factors(), vec![T::of(0.0); 4 * count]);
        let factor = |row: usize| &factors[row * count..][..count];
        let (angle, rest) = rows.split_at_mut(count);
        let (sin, rest) = rest.split_at_mut(count);
        let (cos, minus_sin) = rest.split_at_mut(count);
        for (p, x) in self.coords.chunks(dims).enumerate() {
            angle.fill(T::of(0.0));
            for (i, &x) in x.iter().enumerate() {
                add_product(x, factor(1), factor(2 + i), angle);
            }
            let one = T::of(1.0);
            let unscaled_sin = Scaled {
                factor: one,
                out: &mut *sin,
            };
            let unscaled_cos = Scaled {
                factor: one,
                out: &mut *cos,
            };
            T::sin_cos_slice(simd, one, angle, unscaled_sin, unscaled_cos);
            multiply(factor(0), sin, minus_sin);
            for component in 0..=gradients + traces.len() {
                let row = &mut self.out[component * block + p * width..][..width];
                let (row, padding) = row.split_at_mut(input_columns + 2 * count);
                let (coordinates, row) = row.split_at_mut(input_columns);
                padding.fill(T::of(0.0));
                coordinates.fill(T::of(0.0));
                if component == 0 {
                    coordinates.copy_from_slice(&x[..input_columns]);
                } else if let Some(derivative) = coordinates.get_mut(component - 1) {
                    // Only gradient components get here: there are as many of them as coordinates.
                    *derivative = T::of(1.0);
                }
                let is_gradient = (1..=gradients).contains(&component);
                let (of_sine, of_cosine) = if is_gradient {
                    (&*cos, &*minus_sin)
                } else {
                    (&*sin, &*cos)
                };
                let values = WaveValues {
                    factor: factor(1 + component),
                    of_sine,
                    of_cosine,
                };
                values.write(self.waves.interleaved, row);
            }
        }
    }
}

impl<T: Real> Sinusoids<'_, '_, T> {
    /// Returns rows of one factor per wave: −1; 1, for the values; `ωᵢ`, for each axis; `−Σᵢⱼ Aᵢⱼ ωᵢ ωⱼ`, for each second-order trace.
    fn factors(&self) -> Vec<T> {
        let frequencies = &self.waves.angular_frequencies;
        let mut factors = vec![T::of(-1.0); frequencies.len()];
        factors.resize(2 * frequencies.len(), T::of(1.0));
        for i in 0..self.dims {
            factors.extend(frequencies.iter().map(|omega| T::of(omega[i])));
        }
        for trace in self.components.traces {
            let quadratic = |omega: &Vec<f64>| {
                let entries = trace.entries().iter();
                let products = entries.map(|entry| {
                    let TraceEntry { i, j, coefficient } = *entry;
                    -coefficient * omega[i] * omega[j]
                });
                T::of(products.sum::<f64>())
            };
            factors.extend(frequencies.iter().map(quadratic));
        }
        factors
    }
}

/// One component of the jet of all waves at one point.
struct WaveValues<'a, T> {
    factor: &'a [T],
    /// The component of the sines, without the factor.
    of_sine: &'a [T],
    /// The component of the cosines, without the factor.
    of_cosine: &'a [T],
}

impl<T: Real> WaveValues<'_, T> {
    /// Writes `factor · of_sine` and `factor · of_cosine` to a row, in the order of the features.
    #[inline(always)]
    fn write(self, interleaved: bool, row: &mut [T]) {
        let Self {
            factor,
            of_sine,
            of_cosine,
        } = self;
        if interleaved {
            let pairs = row
                .chunks_exact_mut(2)
                .zip(factor)
                .zip(of_sine)
                .zip(of_cosine);
            for (((pair, &factor), &of_sine), &of_cosine) in pairs {
                pair[0] = factor * of_sine;
                pair[1] = factor * of_cosine;
            }
        } else {
            let (sines, cosines) = row.split_at_mut(factor.len());
            multiply(factor, of_sine, sines);
            multiply(factor, of_cosine, cosines);
        }
    }
}
