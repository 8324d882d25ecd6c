//! Conversion of array elements of any type to levels from 0 to 255.

use siren_core::file::{ArrayElement, ArrayElementKind};

/// Largest distance of a float from [0, 1] at which it is still clipped to the range: half a level of 255.
const HALF_A_LEVEL: f64 = 0.5 / 255.0;

/// The type of the elements of a clip's array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ElementType(ArrayElement);

/// Minimum and maximum of the finite values of an array, and the number of values that are not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ValueRange {
    /// Minimum and maximum; `None` before the first finite value.
    bounds: Option<(f64, f64)>,
    non_finite: u64,
}

impl ValueRange {
    /// Extends the range to include `values`.
    pub(super) fn add(&mut self, values: impl Iterator<Item = f64>) {
        for value in values {
            if value.is_finite() {
                let (low, high) = self.bounds.unwrap_or((value, value));
                self.bounds = Some((low.min(value), high.max(value)));
            } else {
                self.non_finite += 1;
            }
        }
    }
}

impl ElementType {
    /// Parses NumPy's name of a type, such as `<f4`. The error of an unsupported type is a message that says what to do.
    pub(super) fn of(name: &str) -> Result<Self, String> {
        if let Some(element) = ArrayElement::parse(name) {
            return Ok(Self(element));
        }
        let advice = match name.get(1..) {
            Some("f2" | "f12" | "f16") => {
                ": save it with `numpy.save(path, clip.astype(numpy.float32))`"
            }
            _ => "",
        };
        Err(format!(
            "is an array of the type {name}, expected uint8, or float32 or float64 in [0, 1]{advice}"
        ))
    }

    /// Returns the number of bytes per element.
    pub(super) fn width(self) -> usize {
        self.0.width()
    }

    /// Returns whether every value of the type is a valid level, so that no check of the values is needed.
    pub(super) fn is_always_in_range(self) -> bool {
        match self.0.kind() {
            ArrayElementKind::Bool => true,
            ArrayElementKind::Unsigned => self.width() == 1,
            ArrayElementKind::Signed | ArrayElementKind::Float => false,
        }
    }

    /// Decodes the value of an element from its stored bytes.
    pub(super) fn value(self, stored: &[u8]) -> f64 {
        self.0.value(stored)
    }

    /// Converts an element whose value is in range to a level from 0 to 255.
    pub(super) fn level(self, stored: &[u8]) -> u8 {
        let value = self.value(stored);
        match self.0.kind() {
            ArrayElementKind::Unsigned | ArrayElementKind::Signed => value as u8,
            ArrayElementKind::Bool | ArrayElementKind::Float => (255.0 * value).round() as u8,
        }
    }

    /// Checks that the values of an array are levels. The error is a message with their range and a NumPy command that converts them.
    pub(super) fn check(self, range: ValueRange) -> Result<(), String> {
        let ValueRange { bounds, non_finite } = range;
        let (low, high) = bounds.unwrap_or((0.0, 0.0));
        if non_finite > 0 {
            return Err(format!(
                "has {non_finite} values that are not finite, expected values in [0, 1]: replace them, for example with \
                 `numpy.save(path, numpy.nan_to_num(clip, nan=0, posinf=1, neginf=0))`"
            ));
        }
        let is_float = self.0.kind() == ArrayElementKind::Float;
        if is_float && low >= -HALF_A_LEVEL && high <= 1.0 + HALF_A_LEVEL {
            return Ok(());
        }
        if !is_float && low >= 0.0 && high <= 255.0 {
            return Ok(());
        }
        let expected = if is_float {
            "floats in [0, 1]"
        } else {
            "integers from 0 to 255"
        };
        let (meaning, advice) = match (low, high) {
            (0.0.., ..=255.0) => ("levels of 8 bits", "clip / 255"),
            (-1.0.., ..=1.0) => ("centered at zero", "(clip + 1) / 2"),
            (0.0.., ..=1023.0) => ("levels of 10 bits", "clip / 1023"),
            (0.0.., ..=4095.0) => ("levels of 12 bits", "clip / 4095"),
            (0.0.., ..=65_535.0) => ("levels of 16 bits", "clip / 65535"),
            _ => (
                "values in arbitrary units",
                "(clip - clip.min()) / (clip.max() - float(clip.min()))",
            ),
        };
        Err(format!(
            "has values from {low} to {high}, expected {expected}: if they are {meaning}, convert them with `numpy.save(path, {advice})`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_type_is_refused_with_its_name() {
        for name in ["<c8", "<U4", "|O", "structure", "", "|V2"] {
            let message = ElementType::of(name).unwrap_err();
            assert!(
                message.contains(name) && message.contains("uint8"),
                "{message}"
            );
        }
        assert!(
            ElementType::of("<f2")
                .unwrap_err()
                .contains("astype(numpy.float32)")
        );
    }

    #[test]
    fn values_out_of_range_are_refused_with_a_command_that_converts_them() {
        let check = |name: &str, low: f64, high: f64| {
            let mut range = ValueRange::default();
            range.add([low, high].into_iter());
            ElementType::of(name).unwrap().check(range)
        };
        for (name, low, high) in [
            ("<f4", 0.0, 1.0),
            ("<f4", -0.001, 1.001),
            ("<f4", 0.2, 0.3),
            ("<i8", 0.0, 255.0),
            ("<u2", 3.0, 200.0),
        ] {
            assert_eq!(check(name, low, high), Ok(()));
        }
        for (name, low, high, words) in [
            (
                "<f4",
                0.0,
                254.5,
                "254.5, expected floats in [0, 1]: if they are levels of 8 bits, convert them with `numpy.save(path, clip / 255)`",
            ),
            ("<f8", -1.0, 1.0, "(clip + 1) / 2"),
            ("<u2", 0.0, 1000.0, "clip / 1023"),
            ("<u2", 0.0, 65_000.0, "clip / 65535"),
            (
                "<i4",
                -4.0,
                9.0,
                "from -4 to 9, expected integers from 0 to 255",
            ),
            ("<f4", -4.0, 9.0, "clip.min()"),
            ("<f4", f64::NAN, 1.0, "1 values that are not finite"),
        ] {
            let message = check(name, low, high).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn values_are_rounded_to_the_nearest_level() {
        let float = ElementType::of("<f4").unwrap();
        for (value, level) in [
            (0.0_f32, 0),
            (1.0, 255),
            (0.5, 128),
            (0.1, 26),
            (-0.001, 0),
            (1.001, 255),
        ] {
            assert_eq!(float.level(&value.to_le_bytes()), level, "{value}");
        }
        assert_eq!(ElementType::of(">i2").unwrap().level(&[0, 201]), 201);
        assert_eq!(ElementType::of("|b1").unwrap().level(&[1]), 255);
    }
}
