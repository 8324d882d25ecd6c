//! Conversion of array elements of any type to levels from 0 to 255.

/// Largest distance of a float from [0, 1] at which it is still clipped to the range: half a level of 255.
const HALF_A_LEVEL: f64 = 0.5 / 255.0;

/// The type of an array's elements (NumPy's dtype).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ElementType {
    kind: ElementKind,
    /// Bytes per element.
    width: usize,
    is_big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ElementKind {
    Bool,
    Unsigned,
    Signed,
    Float,
}

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
        let (order, rest) = name.split_at_checked(1).unwrap_or_default();
        let is_big_endian = order == ">";
        let (kind, width) = match rest {
            "b1" => (ElementKind::Bool, 1),
            "u1" | "u2" | "u4" | "u8" => (ElementKind::Unsigned, byte_count(rest)),
            "i1" | "i2" | "i4" | "i8" => (ElementKind::Signed, byte_count(rest)),
            "f4" | "f8" => (ElementKind::Float, byte_count(rest)),
            "f2" | "f12" | "f16" => {
                return Err(format!(
                    "is an array of the type {name}, expected uint8, or float32 or float64 in [0, 1]: save it with `numpy.save(path, \
                     clip.astype(numpy.float32))`"
                ));
            }
            _ => {
                return Err(format!(
                    "is an array of the type {name}, expected uint8, or float32 or float64 in [0, 1]"
                ));
            }
        };
        Ok(Self {
            kind,
            width,
            is_big_endian,
        })
    }

    /// Returns the number of bytes per element.
    pub(super) fn width(self) -> usize {
        self.width
    }

    /// Returns whether every value of the type is a valid level, so that no check of the values is needed.
    pub(super) fn is_always_in_range(self) -> bool {
        self.kind == ElementKind::Bool || (self.kind == ElementKind::Unsigned && self.width == 1)
    }

    /// Decodes the value of an element from its stored bytes.
    pub(super) fn value(self, stored: &[u8]) -> f64 {
        // The element in little-endian order, zero-extended to eight bytes.
        let mut extended = [0; 8];
        for (byte, index) in extended.iter_mut().zip(0..self.width) {
            *byte = stored[if self.is_big_endian {
                self.width - 1 - index
            } else {
                index
            }];
        }
        let bits = u64::from_le_bytes(extended);
        let unused = 64 - 8 * self.width as u32;
        match (self.kind, self.width) {
            (ElementKind::Bool, _) => f64::from(u8::from(bits != 0)),
            (ElementKind::Unsigned, _) => bits as f64,
            // The arithmetic shift extends the sign bit.
            (ElementKind::Signed, _) => ((bits << unused) as i64 >> unused) as f64,
            (ElementKind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (ElementKind::Float, _) => f64::from_bits(bits),
        }
    }

    /// Converts an element whose value is in range to a level from 0 to 255.
    pub(super) fn level(self, stored: &[u8]) -> u8 {
        let value = self.value(stored);
        match self.kind {
            ElementKind::Unsigned | ElementKind::Signed => value as u8,
            ElementKind::Bool | ElementKind::Float => (255.0 * value).round() as u8,
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
        let is_float = self.kind == ElementKind::Float;
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

/// Parses the number of bytes after the letter of a type's name, such as 4 of `f4`.
fn byte_count(name: &str) -> usize {
    name[1..].parse().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_types_and_byte_orders_are_read() {
        for (name, stored, value) in [
            ("|u1", vec![200], 200.0),
            ("|b1", vec![1], 1.0),
            ("|i1", vec![0xff], -1.0),
            ("<u2", vec![1, 2], 513.0),
            (">u2", vec![2, 1], 513.0),
            ("<i2", vec![0xfe, 0xff], -2.0),
            (">i4", vec![0xff, 0xff, 0xff, 0xfd], -3.0),
            ("<i8", 77_i64.to_le_bytes().to_vec(), 77.0),
            ("<f4", 0.25_f32.to_le_bytes().to_vec(), 0.25),
            (">f4", 0.25_f32.to_be_bytes().to_vec(), 0.25),
            ("<f8", 0.1_f64.to_le_bytes().to_vec(), 0.1),
            (">f8", 0.1_f64.to_be_bytes().to_vec(), 0.1),
        ] {
            let element = ElementType::of(name).unwrap();
            assert_eq!(element.width(), stored.len());
            assert!((element.value(&stored) - value).abs() < 1e-12, "{name}");
        }
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
