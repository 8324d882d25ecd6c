//! From the values of a file to the squared slowness.

use siren_core::{Error, Result};

use super::file::Model;
use super::{MediumFileConfig, MediumQuantity};

/// Velocities in meters per second are above this, velocities in kilometers per second below.
const KILOMETERS_BELOW: f64 = 50.0;
/// Reference velocities above this are in meters per second.
const METERS_ABOVE: f64 = 100.0;
/// Largest ratio of two velocities of a model. The ratio of steel to rubber is about 100.
const MAX_RATIO: f64 = 1000.0;
/// Largest ratio of the squared slowness of a whole model to that of the background.
const MAX_CONTRAST: f64 = 100.0;

/// Converts the values of a file, in place, to the squared slowness `(c_ref / c)²`. `key` is the key of the file's table, such as
/// `signal.medium.file`.
///
/// # Errors
/// [`Error::Signal`] that names row and column of a value that is not above 0 or not finite, or says which unit or layout does not fit;
/// [`Error::InvalidValue`] if there is no reference velocity.
pub(super) fn to_squared_slowness(
    model: &mut Model,
    config: &MediumFileConfig,
    reference_velocity: Option<f64>,
    key: &str,
) -> Result<()> {
    let quantity = config.quantity;
    let reference = match (quantity, reference_velocity) {
        (MediumQuantity::SquaredSlowness, _) => 1.0,
        (_, Some(reference)) => reference,
        (_, None) => {
            return Err(Error::invalid(
                "signal.units.reference_velocity",
                "missing",
                &format!(
                    "the velocity of the background, because the file of `{key}` holds velocities; or set `{key}.quantity` to \
                     \"squared_slowness\" if it holds (c_ref / c)²"
                ),
            ));
        }
    };
    check_values(model, quantity)
        .and_then(|()| check_units(model, quantity, reference))
        .map_err(|message| Error::signal(&config.path, message))?;
    for value in &mut model.values {
        *value = squared_slowness(*value, quantity, reference);
    }
    Ok(())
}

fn squared_slowness(value: f64, quantity: MediumQuantity, reference: f64) -> f64 {
    match quantity {
        MediumQuantity::Velocity => (reference / value).powi(2),
        MediumQuantity::Slowness => (reference * value).powi(2),
        MediumQuantity::SquaredSlowness => value,
    }
}

fn name(quantity: MediumQuantity) -> &'static str {
    match quantity {
        MediumQuantity::Velocity => "velocity",
        MediumQuantity::Slowness => "slowness",
        MediumQuantity::SquaredSlowness => "squared slowness",
    }
}

/// Checks that every value is finite and above 0.
fn check_values(model: &Model, quantity: MediumQuantity) -> Result<(), String> {
    let is_bad = |value: &f64| !(*value > 0.0 && value.is_finite());
    let Some(index) = model.values.iter().position(is_bad) else {
        return Ok(());
    };
    let others = model.values[index + 1..]
        .iter()
        .filter(|value| is_bad(value))
        .count();
    let columns = model.shape.columns;
    let more = if others > 0 {
        format!(" (and {others} more)")
    } else {
        String::new()
    };
    Err(format!(
        "the {} is {} in row {}, column {} (counted from 0){more}: expected finite values above 0; fill the gaps of the model, and check the \
         type and the layout of the file",
        name(quantity),
        model.values[index],
        index / columns,
        index % columns
    ))
}

/// Checks that the values are in the unit of the reference velocity, and may be those of a medium.
fn check_units(model: &Model, quantity: MediumQuantity, reference: f64) -> Result<(), String> {
    let range = |[low, high]: [f64; 2], &value: &f64| [low.min(value), high.max(value)];
    let [low, high] = (model.values.iter()).fold([f64::INFINITY, 0.0], range);
    let [slowest, fastest] = match quantity {
        MediumQuantity::Velocity => [low, high],
        MediumQuantity::Slowness => [1.0 / high, 1.0 / low],
        MediumQuantity::SquaredSlowness => [high.sqrt().recip(), low.sqrt().recip()],
    };
    let span = format!("the {} is from {low} to {high}", name(quantity));
    if fastest / slowest > MAX_RATIO {
        return Err(format!(
            "{span}, expected velocities that differ by a factor of {MAX_RATIO} at most: check the type of the elements, the byte order, and \
             whether the file has a header"
        ));
    }
    if quantity == MediumQuantity::SquaredSlowness {
        if high < 1.0 / MAX_CONTRAST || low > MAX_CONTRAST {
            return Err(format!(
                "{span}, expected values about 1, relative to the background: divide by the squared slowness of the background, or set \
                 `quantity` to \"velocity\" or \"slowness\" and give `signal.units.reference_velocity`"
            ));
        }
        return Ok(());
    }
    let velocities = format!("velocities are from {slowest} to {fastest}");
    if fastest < KILOMETERS_BELOW && reference > METERS_ABOVE {
        return Err(format!(
            "{velocities}, but `signal.units.reference_velocity` is {reference}: the velocities seem to be in km/s, the reference in m/s; multiply the velocities by 1000"
        ));
    }
    if slowest > METERS_ABOVE && reference < KILOMETERS_BELOW {
        return Err(format!(
            "{velocities}, but `signal.units.reference_velocity` is {reference}: the velocities seem to be in m/s, the reference in km/s; give the reference in m/s"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::samples::SampleShape;

    fn convert(
        values: &[f64],
        quantity: MediumQuantity,
        reference: Option<f64>,
    ) -> Result<Vec<f64>, String> {
        let mut model = Model {
            shape: SampleShape {
                rows: values.len() / 2,
                columns: 2,
            },
            values: values.to_vec(),
        };
        let config = MediumFileConfig {
            path: "model.npy".into(),
            quantity,
            ..MediumFileConfig::default()
        };
        to_squared_slowness(&mut model, &config, reference, "signal.medium.file")
            .map_err(|error| error.to_string())?;
        Ok(model.values)
    }

    #[test]
    fn every_quantity_becomes_the_squared_slowness_relative_to_the_background() {
        use MediumQuantity::{Slowness, SquaredSlowness, Velocity};
        for (values, quantity, reference) in [
            ([1500.0, 3000.0], Velocity, Some(1500.0)),
            ([1.0 / 1500.0, 1.0 / 3000.0], Slowness, Some(1500.0)),
            ([1.0, 0.25], SquaredSlowness, None),
            // Both in km/s.
            ([1.5, 3.0], Velocity, Some(1.5)),
        ] {
            let m = convert(&values, quantity, reference).unwrap();
            assert!((m[0] - 1.0).abs() < 1e-12 && (m[1] - 0.25).abs() < 1e-12);
        }
    }

    #[test]
    fn impossible_values_and_units_are_refused_with_their_place() {
        use MediumQuantity::{Slowness, SquaredSlowness, Velocity};
        let fast = Some(1500.0);
        for (values, quantity, reference, expected) in [
            (
                [1500.0, 1500.0, 0.0, -1.0],
                Velocity,
                fast,
                "velocity is 0 in row 1, column 0 (counted from 0) (and 1 more)",
            ),
            (
                [1500.0, f64::NAN, 1.0, 1.0],
                Velocity,
                fast,
                "is NaN in row 0, column 1",
            ),
            ([1.5, 2.0, 3.0, 4.5], Velocity, fast, "seem to be in km/s"),
            (
                [1500.0, 2e3, 3e3, 4500.0],
                Velocity,
                Some(1.5),
                "seem to be in m/s",
            ),
            ([1.5, 2.0, 3.0, 4.5], Slowness, fast, "seem to be in km/s"),
            (
                [4e-7, 1e-7, 1e-7, 1e-7],
                SquaredSlowness,
                None,
                "expected values about 1",
            ),
            ([1e-30, 1e20, 1.0, 1.0], Velocity, fast, "byte order"),
            (
                [1500.0, 2e3, 3e3, 4500.0],
                Velocity,
                None,
                "`signal.units.reference_velocity` is missing",
            ),
        ] {
            let message = convert(&values, quantity, reference).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
