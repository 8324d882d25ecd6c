//! Checks of a problem before it is solved: errors for what cannot work, notes for what may not.

use siren_core::{Error, Result};

use crate::Point;
use crate::pml::Pml;
use crate::source::PointSource;

/// Deeper layers of a field of sines make up for a first layer that is slower than the waves, up to this ratio of k √m to ω₀: waves of k = 20
/// are fitted best with ω₀ = 12 to 15.
const WAVENUMBERS_PER_OMEGA_0: f64 = 2.0;
/// Frequencies of a field reach some times the first layer's ω₀: the largest ratio of the width of the source's spectrum, 1/√σ, to ω₀.
const SPECTRUM_PER_OMEGA_0: f64 = 4.0;

/// Checks a layer: its own values, and that it is at least half a wavelength wide, `L ≥ π / k`. `key` is the key of its table, such as `signal.pml`.
///
/// # Errors
/// As [`Pml::validate`]; [`Error::InvalidValue`] with the width that is needed.
pub fn check_pml(key: &str, pml: &Pml, wavenumber: f64) -> Result<()> {
    pml.validate(key)?;
    let half_wavelength = std::f64::consts::PI / wavenumber;
    if pml.width < half_wavelength {
        let remedy = if half_wavelength <= Pml::LARGEST_WIDTH {
            "widen the layer or raise the wavenumber"
        } else {
            "raise the wavenumber: at this one the domain is less than a wavelength wide"
        };
        let expected = format!(
            "at least half a wavelength, {half_wavelength:.3} at k = {wavenumber}: {remedy}"
        );
        return Err(Error::invalid(
            &format!("{key}.width"),
            pml.width,
            &expected,
        ));
    }
    Ok(())
}

/// Checks that points lie in [−1, 1]², and outside of the layer if there is one. `key` is the key of the list, such as `signal.receivers`.
///
/// # Errors
/// [`Error::InvalidValue`] with the first point that does not, and the number of all that do not.
pub fn check_positions(key: &str, points: &[Point], pml: Option<&Pml>) -> Result<()> {
    let limit = pml.map_or(1.0, Pml::inner);
    // A point that is not a number is outside.
    let is_inside = |point: &&Point| point.iter().all(|value| value.abs() <= limit);
    let Some(first) = points.iter().position(|point| !is_inside(&point)) else {
        return Ok(());
    };
    let [x, y] = points[first];
    let count = points.iter().filter(|point| !is_inside(point)).count();
    let is_in_domain = x.abs() <= 1.0 && y.abs() <= 1.0;
    let place = if is_in_domain {
        "it lies in the absorbing layer, where the field is no solution of the original problem"
    } else {
        "it lies outside of the domain [-1, 1] x [-1, 1]; positions are in coordinates, not in meters or pixels"
    };
    let expected = format!(
        "|x|, |y| <= {limit}: {place} ({count} of {} points do)",
        points.len()
    );
    Err(Error::invalid(
        &format!("{key}[{first}]"),
        format!("[{x}, {y}]"),
        &expected,
    ))
}

/// Returns a note if the support of a source reaches into the layer.
#[must_use]
pub fn source_in_layer_note(source: &PointSource, pml: &Pml) -> Option<String> {
    let [x, y] = source.position;
    let (radius, inner) = (source.radius(), pml.inner());
    let distance = inner - x.abs().max(y.abs());
    (distance < radius).then(|| {
        format!(
            "the source at [{x}, {y}] has the radius {radius:.4}, and the absorbing layer begins at a distance of {distance:.4}: part of the \
             source lies in the layer"
        )
    })
}

/// Returns a note if the field has to oscillate much faster than the first layer: k √m > 2 ω₀ where the medium is slowest. `max_squared_slowness` is
/// the largest m.
#[must_use]
pub fn wavenumber_note(
    wavenumber: f64,
    max_squared_slowness: f64,
    first_omega_0: f64,
) -> Option<String> {
    let largest = wavenumber * max_squared_slowness.sqrt();
    (largest > WAVENUMBERS_PER_OMEGA_0 * first_omega_0).then(|| {
        format!(
            "the largest wavenumber is {largest:.1}, more than twice the first layer's omega_0 = {first_omega_0}: the field starts smoother than the \
             waves; if the fit stays too smooth, raise `field.first_omega_0` towards {:.0}",
            (0.75 * largest).ceil()
        )
    })
}

/// Returns a note if a Gaussian source is too sharp for the first layer: 1/√σ > 4 ω₀. `variance` is σ.
#[must_use]
pub fn source_width_note(variance: f64, first_omega_0: f64) -> Option<String> {
    let needed = variance.sqrt().recip();
    (needed > SPECTRUM_PER_OMEGA_0 * first_omega_0).then(|| {
        format!(
            "a source of variance {variance:e} has frequencies of 1/sqrt(variance) = {needed:.1}, above 4 omega_0 = {:.1} of the first layer: set \
             `field.first_omega_0` to {:.0} or more, or widen the source to a variance of {:.2e}",
            SPECTRUM_PER_OMEGA_0 * first_omega_0,
            (needed / SPECTRUM_PER_OMEGA_0).ceil(),
            (SPECTRUM_PER_OMEGA_0 * first_omega_0).powi(-2)
        )
    })
}

/// Returns a note if waves reach the border of [−1, 1]² before the last time, where nothing absorbs them. They start at a distance of `radius`
/// around `center`, and are nowhere faster than `1 / √m` for the least m, `min_squared_slowness`.
#[must_use]
pub fn border_note(
    center: Point,
    radius: f64,
    min_squared_slowness: f64,
    last_time: f64,
) -> Option<String> {
    let velocity = min_squared_slowness.sqrt().recip();
    let distance = (1.0 - center[0].abs().max(center[1].abs()) - radius).max(0.0);
    let arrival = distance / velocity;
    (last_time > arrival).then(|| {
        format!(
            "waves may reach the border at t = {arrival:.3} (distance {distance:.3}, velocity at most {velocity:.3}), before the end at t = \
             {last_time}: results after that depend on the condition at the border; shorten the time, or use an absorbing border"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_under_half_a_wavelength_is_refused_with_the_width_it_needs() {
        let pml = Pml::default();
        check_pml("signal.pml", &pml, 20.0).unwrap();
        let message = check_pml("signal.pml", &pml, 10.0).unwrap_err().to_string();
        let expected =
            "`signal.pml.width` is 0.25, expected at least half a wavelength, 0.314 at k = 10";
        assert!(message.starts_with(expected), "{message}");
        for (width, strength) in [(0.0, 5.0), (1.0, 5.0), (f64::NAN, 5.0), (0.5, 0.0)] {
            assert!(check_pml("p", &Pml { width, strength }, 20.0).is_err());
        }
    }

    #[test]
    fn positions_in_the_layer_and_outside_of_the_domain_are_named() {
        let pml = Pml::default();
        let inner = [[0.75, -0.75], [0.0, 0.0]];
        check_positions("signal.receivers", &inner, Some(&pml)).unwrap();
        check_positions("signal.receivers", &[[1.0, -1.0]], None).unwrap();
        for (points, layer, expected) in [
            (
                vec![[0.0, 0.0], [0.0, -0.8], [0.9, 0.0]],
                Some(&pml),
                "`s[1]` is [0, -0.8], expected |x|, |y| <= 0.75: it lies in the absorbing layer",
            ),
            (
                vec![[1200.0, 0.0]],
                Some(&pml),
                "outside of the domain [-1, 1] x [-1, 1]",
            ),
            (vec![[0.0, 1.1]], None, "(1 of 1 points do)"),
            (vec![[f64::NAN, 0.0]], None, "`s[0]` is [NaN, 0]"),
        ] {
            let message = check_positions("s", &points, layer)
                .unwrap_err()
                .to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn notes_appear_with_their_numbers_where_a_problem_is_hard_and_not_where_it_is_not() {
        assert_eq!(wavenumber_note(20.0, 1.0, 30.0), None);
        let note = wavenumber_note(40.0, 4.0, 30.0).unwrap();
        assert!(
            note.contains("80.0") && note.contains("omega_0 = 30"),
            "{note}"
        );
        assert_eq!(source_width_note(1e-4, 30.0), None);
        let note = source_width_note(1e-5, 30.0).unwrap();
        assert!(
            note.contains("316.2") && note.contains("120.0") && note.contains("to 80"),
            "{note}"
        );
        assert_eq!(border_note([0.0, 0.0], 0.1, 1.0, 0.4), None);
        let note = border_note([0.5, 0.0], 0.1, 0.25, 0.4).unwrap();
        assert!(
            note.contains("t = 0.200 (distance 0.400, velocity at most 2.000)"),
            "{note}"
        );
        let pml = Pml::default();
        assert_eq!(
            source_in_layer_note(&PointSource::at([0.6, 0.0]), &pml),
            None
        );
        let note = source_in_layer_note(&PointSource::at([0.0, -0.7]), &pml).unwrap();
        assert!(note.contains("0.0615") && note.contains("0.0500"), "{note}");
    }
}
