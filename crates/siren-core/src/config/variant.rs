//! Config enums that are written as a name, or as a table of one name with settings.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};

/// Beginning of the message for a table of two names.
pub(super) const TWO_NAMES: &str = "two names, expected one";

/// An enum that a config gives in one of two forms: a name such as `"fourier"`, for a variant with default settings, or a table of one name
/// such as `{ fourier = { scale = 4.0 } }`.
pub trait Variant<'de>: Sized {
    /// The names that a config may hold.
    type Name: Deserialize<'de>;
    /// Completes "expected …" in messages: what the enum names, with examples of both forms.
    const EXPECTED: &'static str;

    /// Returns the variant of that name with its default settings.
    fn with_defaults(name: Self::Name) -> Self;

    /// Reads the settings of the variant of that name; `None` if it has none.
    ///
    /// # Errors
    /// Those of the format, and for settings that are none of the variant's.
    fn with_settings<A: MapAccess<'de>>(
        name: Self::Name,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error>;
}

/// Deserializes a [`Variant`].
///
/// # Errors
/// Those of the format, and for a name or a table that is none of the variant's.
pub fn deserialize<'de, V: Variant<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<V, D::Error> {
    deserializer.deserialize_any(NameOrTable(PhantomData))
}

struct NameOrTable<V>(PhantomData<V>);

impl<'de, V: Variant<'de>> Visitor<'de> for NameOrTable<V> {
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(V::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<V, E> {
        Ok(V::with_defaults(V::Name::deserialize(
            name.to_owned().into_deserializer(),
        )?))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<V, A::Error> {
        let Some(name) = table.next_key()? else {
            return Err(A::Error::custom(format!(
                "an empty table, expected {}",
                V::EXPECTED
            )));
        };
        let Some(variant) = V::with_settings(name, &mut table)? else {
            return Err(A::Error::custom(
                "a name without settings in a table: write the name alone, as a string",
            ));
        };
        match table.next_key::<V::Name>()? {
            None => Ok(variant),
            Some(_) => Err(A::Error::custom(format!("{TWO_NAMES}: {}", V::EXPECTED))),
        }
    }
}
