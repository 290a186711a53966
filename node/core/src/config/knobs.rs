//! Settings that can be listed, set by name and checked against their ranges.

use std::time::Duration;

/// One setting: its name, its value, and the values it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knob {
    /// Its name: the group, a point, and the name in the group.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The values it may have, for people.
    pub range: String,
}

/// A setting that cannot have this value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {wanted}")]
pub struct ConfigError {
    pub(super) name: String,
    pub(super) wanted: String,
}

/// A kind of value.
pub(super) trait Value: Copy + PartialOrd {
    fn parse(text: &str) -> Option<Self>;
    fn show(self) -> String;
}

macro_rules! plain_value {
    ($($kind:ty)*) => {
        $(
            impl Value for $kind {
                fn parse(text: &str) -> Option<Self> {
                    text.parse().ok()
                }

                fn show(self) -> String {
                    self.to_string()
                }
            }
        )*
    };
}

plain_value!(bool u8 u16 u32 f32);

impl Value for Duration {
    /// Seconds, with a fraction if need be.
    fn parse(text: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(text.parse().ok()?).ok()
    }

    fn show(self) -> String {
        self.as_secs_f64().to_string()
    }
}

/// Whether a value is one that a setting may have.
pub(super) fn check<V: Value>(name: String, value: V, (least, most): (V, V)) -> Result<(), ConfigError> {
    if least <= value && value <= most {
        Ok(())
    } else {
        Err(ConfigError { name, wanted: span((least, most)) })
    }
}

pub(super) fn span<V: Value>((least, most): (V, V)) -> String {
    format!("{} to {}", least.show(), most.show())
}

/// Defines a group of settings: a struct with a field for each, its default, and the way to list,
/// set and check them by name. Of each field it takes the default and the least and greatest value.
macro_rules! knobs {
    (
        $(#[$about:meta])*
        pub struct $name:ident($group:literal) {
            $( $(#[$field_about:meta])* $field:ident: $kind:ty = $default:expr, $least:expr, $most:expr; )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $( $(#[$field_about])* pub $field: $kind, )*
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $( $field: $default, )* }
            }
        }

        impl $name {
            pub(super) fn list(&self, into: &mut Vec<$crate::config::knobs::Knob>) {
                use $crate::config::knobs::{Knob, Value, span};
                $(
                    let name = concat!($group, ".", stringify!($field)).to_owned();
                    let range = span::<$kind>(($least, $most));
                    into.push(Knob { name, value: Value::show(self.$field), range });
                )*
            }

            /// Sets the field of this name. `None`: there is none, or the text is no value of it.
            pub(super) fn set(&mut self, name: &str, text: &str) -> Option<()> {
                match name {
                    $( stringify!($field) => self.$field = $crate::config::knobs::Value::parse(text)?, )*
                    _ => return None,
                }
                Some(())
            }

            pub(super) fn check(&self) -> Result<(), $crate::config::knobs::ConfigError> {
                $(
                    let name = concat!($group, ".", stringify!($field)).to_owned();
                    $crate::config::knobs::check::<$kind>(name, self.$field, ($least, $most))?;
                )*
                Ok(())
            }
        }
    };
}

pub(super) use knobs;
