//! Values that are texts with a grammar of their own. Plain numbers may stand without quotes.

use std::fmt;

use serde::{Deserializer, de};

/// The text of a value that may be a string or a number.
///
/// # Errors
/// Says what was `wanted` if it is neither.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
    wanted: &'static str,
) -> Result<String, D::Error> {
    struct Visitor(&'static str);

    impl de::Visitor<'_> for Visitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }

    deserializer.deserialize_any(Visitor(wanted))
}

/// A number, or the text `none`.
pub(crate) mod or_none {
    use serde::{Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(number) => serializer.serialize_f64(*number),
            None => serializer.serialize_str("none"),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        const WANTED: &str = "a number or \"none\"";
        match super::read(deserializer, WANTED)?.as_str() {
            "none" => Ok(None),
            text => {
                text.parse().map(Some).map_err(|_| de::Error::custom(format!("`{text}` is not {WANTED}")))
            }
        }
    }
}
