//! Lists of exactly two values in configs. The TOML reader ignores further elements of a list that is read as an array.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A list of exactly two values.
pub(crate) struct Pair<T>(pub(crate) [T; 2]);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pair<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<T>::deserialize(deserializer)?;
        let count = values.len();
        let pair = values.try_into().map(Self);
        pair.map_err(|_| D::Error::custom(format!("a list of {count} values, expected 2")))
    }
}

/// Deserializes an array of two values, for `deserialize_with`.
///
/// # Errors
/// Those of the format, and for another number of values.
pub(crate) fn pair<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<[T; 2], D::Error> {
    Ok(Pair::deserialize(deserializer)?.0)
}

/// Deserializes an optional array of two values, for `deserialize_with`.
///
/// # Errors
/// As for [`pair`].
pub(crate) fn optional_pair<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<[T; 2]>, D::Error> {
    Ok(Option::<Pair<T>>::deserialize(deserializer)?.map(|pair| pair.0))
}
