//! Pictures of complex fields.

use std::path::Path;

use num_complex::Complex64;
use siren_core::Result;

use super::DIFFERENCE_MAGNIFICATION;
use super::color::{ColorScale, HIDDEN, quantile_range};
use super::panel::{Landmarks, Panel, SquareGrid, shape_error, sheet};

/// Quantile of |u| at which colors saturate, so that the peak at a source does not take the whole scale.
const QUANTILE: f32 = 0.99;

/// Writes a picture of four panels, from left to right: Re u, Im u, |u| and the phase of u.
///
/// Re u and Im u are blue below zero and red above, on the scale from −s to s; |u| runs from dark violet at 0 to yellow at s. The phase is
/// light where u is real and positive, red at π/2, dark at π, blue at −π/2. Returns s, the 99 % quantile of |u|.
///
/// # Errors
/// Same as [`Picture::save`](siren_picture::Picture::save).
pub(crate) fn complex_field(
    field: SquareGrid<'_, Complex64>,
    landmarks: &Landmarks<'_>,
    path: &Path,
) -> Result<f64> {
    let range = quantile_range(field.values().iter().map(|u| u.norm()), QUANTILE);
    let signed = ColorScale::Signed { range };
    let magnitude = ColorScale::Sequential {
        low: 0.0,
        high: range,
    };
    let draw = |scale: ColorScale, quantity: fn(Complex64) -> f64| {
        Panel::new(field, |_, u| scale.color(if_finite(u, quantity)))
    };
    let panels = [
        draw(signed, |u| u.re),
        draw(signed, |u| u.im),
        draw(magnitude, Complex64::norm),
        draw(ColorScale::Phase, Complex64::arg),
    ];
    let panels = panels.map(|panel| panel.with(landmarks));
    sheet(&[panels.into()]).save(path)?;
    Ok(range)
}

/// Writes a picture of three panels, from left to right: Re u of the network, Re u of the reference, and the difference of both.
///
/// Values are blue below zero and red above, on the scale from −s to s; the difference (network minus reference) is on a scale smaller by
/// the factor [`DIFFERENCE_MAGNIFICATION`]. Points at which `is_compared` is false are gray. Returns s, the 99 % quantile of the reference's |u|
/// at the points that are compared.
///
/// # Errors
/// [`siren_core::Error::Shape`] unless both fields and `is_compared` have the same number of points. Same as [`Picture::save`](siren_picture::Picture::save).
pub(crate) fn field_comparison(
    network: SquareGrid<'_, Complex64>,
    reference: SquareGrid<'_, Complex64>,
    is_compared: &[bool],
    landmarks: &Landmarks<'_>,
    path: &Path,
) -> Result<f64> {
    reference.ensure_same_side(network)?;
    let count = reference.values().len();
    if is_compared.len() != count {
        let expected = format!("a mask of {count} points");
        return Err(shape_error(expected, format!("{}", is_compared.len())));
    }
    let pairs = reference.values().iter().zip(is_compared);
    let compared = pairs.filter(|(_, is_compared)| **is_compared);
    let range = quantile_range(compared.map(|(u, _)| u.norm()), QUANTILE);
    let differences: Vec<Complex64> = network
        .values()
        .iter()
        .zip(reference.values())
        .map(|(network, reference)| network - reference)
        .collect();
    let difference = SquareGrid::new(&differences, reference.side())?;
    let difference_range = range / DIFFERENCE_MAGNIFICATION;
    let panels = [
        (network, range),
        (reference, range),
        (difference, difference_range),
    ]
    .map(|(grid, range)| {
        let scale = ColorScale::Signed { range };
        let color = |index: usize, u: Complex64| {
            if is_compared[index] {
                scale.color(if_finite(u, |u| u.re))
            } else {
                HIDDEN
            }
        };
        Panel::new(grid, color).with(landmarks)
    });
    sheet(&[panels.into()]).save(path)?;
    Ok(range)
}

/// Returns a quantity of u, or NaN if either part of u is not finite.
fn if_finite(u: Complex64, quantity: impl Fn(Complex64) -> f64) -> f64 {
    if u.is_finite() { quantity(u) } else { f64::NAN }
}
