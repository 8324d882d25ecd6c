//! The Helmholtz equation for one or more sources, in a known or an unknown medium.

use candle_core::{D, Tensor};
use siren_core::Result;
use siren_core::field::{Order, Trace};
use siren_core::objective::{Context, Objective, Term};

use super::ResidualNorm;
use crate::Point;
use crate::pml::Pml;

/// Column of the squared slowness `m (n, 1)`.
pub const MEDIUM: &str = "medium";
/// Column of the offsets `w (n, 2 S)`: real and imaginary part of each of the `S` sources.
pub const OFFSET: &str = "offset";
/// Column of the remainders `g (n, 2 S)`.
pub const REMAINDER: &str = "remainder";
/// Column of the coefficients of the stretched equation `(n, 10)`: real and imaginary parts of the factors of `u_xx`, `u_yy`, `u_x`, `u_y`, and
/// of `m k² u`, as [`Stretched`](crate::pml::Stretched) has them. A sample without it lies outside the absorbing layers.
pub const STRETCH: &str = "stretch";

/// Residual of the Helmholtz equation, divided by a constant:
///
/// `a Φ_xx + a_x Φ_x + b Φ_yy + b_y Φ_y + c m k² (Φ + w) + g`
///
/// for every source, with the offset `w` and its remainder `g` of [`Offset`](crate::offset::Offset). The field has two channels for each
/// source, the real and the imaginary part. Outside the absorbing layers the equation is `ΔΦ + m k² (Φ + w) + g`.
pub struct Helmholtz {
    name: &'static str,
    order: Order,
    wavenumber: f64,
    scale: f64,
    norm: ResidualNorm,
}

/// Where the equation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Outside the absorbing layers.
    Interior,
    /// In the absorbing layers, or anywhere.
    Layer,
}

impl Region {
    /// Returns the derivatives that the equation has there.
    #[must_use]
    pub fn order(self) -> Order {
        match self {
            Self::Interior => Order::laplacian(2),
            Self::Layer => {
                Order::Traces([Trace::hessian_entry(2, 0, 0), Trace::hessian_entry(2, 1, 1)].into())
            }
        }
    }
}

impl Helmholtz {
    /// Makes the equation at the wavenumber `k`. The residual is divided by `scale`; `name` is that of its term.
    #[must_use]
    pub fn new(
        name: &'static str,
        region: Region,
        wavenumber: f64,
        scale: f64,
        norm: ResidualNorm,
    ) -> Self {
        Self {
            name,
            order: region.order(),
            wavenumber,
            scale,
            norm,
        }
    }
}

impl Objective for Helmholtz {
    fn order(&self) -> &Order {
        &self.order
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let sample = context.sample;
        let medium = sample.column(MEDIUM)?;
        let value = (context.jet.value()? + sample.column(OFFSET)?)?;
        let waves = (value.broadcast_mul(medium)? * self.wavenumber.powi(2))?;
        let residual = match sample.column(STRETCH) {
            Err(_) => (context.jet.traces()?.squeeze(2)? + waves)?,
            Ok(stretch) => stretched(context, stretch, &waves)?,
        };
        let residual = ((residual + sample.column(REMAINDER)?)? / self.scale)?;
        Ok(vec![self.norm.term(self.name, residual)?])
    }
}

/// Columns of the coefficients and their negatives `(n, 20)` by which the jet of a complex field is multiplied: one row for each part of the
/// residual, in it one for each part of the field, in it `Φ`, `Φ_x`, `Φ_y`, `Φ_xx`, `Φ_yy`.
const FACTORS: [[[u32; 5]; 2]; 2] = [
    [[8, 4, 6, 0, 2], [19, 15, 17, 11, 13]],
    [[9, 5, 7, 1, 3], [8, 4, 6, 0, 2]],
];

/// Returns `a Φ_xx + b Φ_yy + a_x Φ_x + b_y Φ_y + c · waves`, `(n, 2 S)`.
///
/// The fields are the first `2 S` channels. Chunks of a step are small, so the number of operations counts: this is one product and one
/// sum over the jet.
fn stretched(context: &Context<'_>, stretch: &Tensor, waves: &Tensor) -> Result<Tensor> {
    let (points, width) = waves.dims2()?;
    let jet = context.jet.packed().narrow(1, 0, width)?;
    let components = jet.dim(2)?;
    let derivatives = jet.narrow(2, 1, components - 1)?;
    let jet = Tensor::cat(&[waves.unsqueeze(2)?, derivatives], 2)?;
    let jet = jet.reshape((points, width / 2, 1, 2 * components))?;
    let columns = Tensor::new(FACTORS.as_flattened().as_flattened(), stretch.device())?;
    let factors = Tensor::cat(&[stretch, &stretch.neg()?], 1)?.index_select(&columns, 1)?;
    let factors = factors.reshape((points, 1, 2, 2 * components))?;
    let sum = jet.broadcast_mul(&factors)?.sum(D::Minus1)?;
    Ok(sum.reshape((points, width))?)
}

/// Returns `a Φ_xx + b Φ_yy + a_x Φ_x + b_y Φ_y` of the first `width = 2 S` channels, `(n, 2 S)`.
pub(super) fn stretched_derivatives(
    context: &Context<'_>,
    stretch: &Tensor,
    width: usize,
) -> Result<Tensor> {
    let none = context.jet.value()?.narrow(1, 0, width)?.zeros_like()?;
    stretched(context, stretch, &none)
}

/// Returns `c · waves`, `(n, 2 S)`.
pub(super) fn stretched_waves(stretch: &Tensor, waves: &Tensor) -> Result<Tensor> {
    complex_product(&stretch.narrow(1, 8, 2)?, waves)
}

/// Returns the products of complex factors `(n, 2)` with complex values `(n, 2 S)`.
fn complex_product(factor: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (points, width) = values.dims2()?;
    let values = values.reshape((points, width / 2, 2))?;
    let [re, im] = [0, 1].map(|index| values.narrow(2, index, 1));
    let (re, im) = (re?, im?);
    let factor = factor.unsqueeze(1)?;
    let [a, b] = [0, 1].map(|index| factor.narrow(2, index, 1));
    let (a, b) = (a?, b?);
    let real = (re.broadcast_mul(&a)? - im.broadcast_mul(&b)?)?;
    let imaginary = (re.broadcast_mul(&b)? + im.broadcast_mul(&a)?)?;
    Ok(Tensor::cat(&[real, imaginary], 2)?.reshape((points, width))?)
}

/// Returns the coefficients of the stretched equation, as the column [`STRETCH`] has them.
pub(crate) fn stretches(pml: &Pml, points: &[Point]) -> Vec<[f64; 10]> {
    let row = |&point: &Point| {
        let at = pml.at(point);
        let factors = [
            at.second[0],
            at.second[1],
            at.first[0],
            at.first[1],
            at.zeroth,
        ];
        std::array::from_fn(|i| {
            let factor = factors[i / 2];
            if i % 2 == 0 { factor.re } else { factor.im }
        })
    };
    points.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use num_complex::Complex64;
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::objective::Coefficients;
    use siren_core::signal::{Sample, Stream};

    use super::*;
    use crate::pml::Pml;

    #[test]
    fn the_stretched_operator_of_every_source_is_that_of_complex_arithmetic() {
        let pml = Pml::default();
        let points = [[0.9, -0.3], [-0.8, 0.95], [0.1, -0.99], [0.2, 0.3]];
        let place = |values: &[f64], width: usize| {
            Tensor::from_slice(values, (points.len(), width), &Device::Cpu).unwrap()
        };
        let sample = Sample::new(place(points.as_flattened(), 2)).unwrap();
        // Two sources, and a channel of the medium.
        let (shape, mut rng) = (FieldShape::new(2, 5), Stream::PARAMETERS.rng(0, 0));
        let config = SirenConfig {
            hidden_features: 8.into(),
            ..SirenConfig::default()
        };
        let field = config.init(shape, &mut rng, DType::F64, &Device::Cpu);
        let order = Region::Layer.order();
        let jet = field.unwrap().jet(sample.coords(), &order).unwrap();
        let context = Context {
            jet: &jet,
            sample: &sample,
            step: 0,
            progress: 0.0,
            coefficients: &Coefficients::default(),
        };
        let waves: Vec<f64> = (0..4 * points.len()).map(|i| (i as f64).sin()).collect();
        let stretch = place(stretches(&pml, &points).as_flattened(), 10);
        let found = stretched(&context, &stretch, &place(&waves, 4)).unwrap();
        let found: Vec<f64> = found.flatten_all().unwrap().to_vec1().unwrap();
        let jets: Vec<Vec<Vec<f64>>> = jet.packed().to_vec3().unwrap();
        for (index, &point) in points.iter().enumerate() {
            let at = pml.at(point);
            for source in 0..2 {
                let complex = |values: [f64; 2]| Complex64::new(values[0], values[1]);
                let of = |component| {
                    complex([0, 1].map(|part| jets[index][2 * source + part][component]))
                };
                let first = 4 * index + 2 * source;
                let expected = at.second[0] * of(3)
                    + at.second[1] * of(4)
                    + at.first[0] * of(1)
                    + at.first[1] * of(2)
                    + at.zeroth * complex([waves[first], waves[first + 1]]);
                let error = (complex([found[first], found[first + 1]]) - expected).norm();
                assert!(error < 1e-11 * expected.norm(), "{index} {source}: {error}");
            }
        }
    }
}
