//! What a reading may hold, and when it is believed.

use std::fmt::{self, Write as _};

use serde::de::{MapAccess, Visitor};
use serde::{Deserializer as _, Serialize, Serializer};

/// Values of one reading. A device that has more is more than one device.
pub const MOST_FIELDS: usize = 16;
/// Bytes of a field's name: it is shown above a chart.
pub const LONGEST_NAME: usize = 32;
/// Bytes of a body as sent. Sixteen long names with numbers fit.
pub const LONGEST_BODY: usize = 1024;
/// The largest whole number that a JSON number keeps exactly (2^53).
pub const HIGHEST_SEQUENCE: u64 = 1 << 53;

/// Numbers whose digits are written out. Others have an exponent: as digits one may be as long as
/// 300 bytes, and a body that was short enough when it came would be too long where it is read again.
const SPELT_FROM: f64 = 1e-6;
const SPELT_BELOW: f64 = 1e16;

/// The named numbers of a reading, in the order sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(String, f64)>);

/// Why a body is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// Over [`LONGEST_BODY`].
    #[error("the body has more than {LONGEST_BODY} bytes")]
    TooLong,
    /// Not an object of numbers.
    #[error("the body is not an object of numbers: {0}")]
    NotNumbers(String),
}

impl Fields {
    /// Reads `body`: a JSON object with 1 to [`MOST_FIELDS`] fields, each a finite number, each
    /// name once, of letters, digits and `_`, starting with a letter.
    pub fn parse(body: &[u8]) -> Result<Self, BadBody> {
        if body.len() > LONGEST_BODY {
            return Err(BadBody::TooLong);
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let fields = json.deserialize_map(FieldsVisitor).and_then(|fields| {
            json.end()?;
            Ok(fields)
        });
        fields.map(Self).map_err(|error| BadBody::NotNumbers(error.to_string()))
    }

    /// Fields with the names and numbers given, three digits behind the point. For names that may
    /// be ones.
    pub(crate) fn rounded(fields: &[(&str, f64)]) -> Self {
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), round(*value))).collect())
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The value of field `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// The one way in which these fields are stored: JSON without spaces.
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.0.len() * 24 + 2);
        for (name, value) in self.iter() {
            json.push(if json.is_empty() { '{' } else { ',' });
            // Writing to a string cannot fail; the name needs no escape.
            let _ = match value.abs() {
                0.0 | SPELT_FROM..SPELT_BELOW => write!(json, "\"{name}\":{value}"),
                _ => write!(json, "\"{name}\":{value:e}"),
            };
        }
        json.push('}');
        json
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Whether `name` may name a field.
pub fn is_field_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// How far a device's clock may be from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    /// A device that could not send for so long has readings this old.
    pub past_ms: u64,
    /// Clocks differ.
    pub future_ms: u64,
}

impl TimeWindow {
    /// Whether a reading of time `time_ms` that came at `now_ms` is believed.
    pub fn holds(&self, time_ms: u64, now_ms: u64) -> bool {
        time_ms >= now_ms.saturating_sub(self.past_ms)
            && time_ms <= now_ms.saturating_add(self.future_ms)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<(String, f64)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let fault = <A::Error as serde::de::Error>::custom::<String>;
        let mut fields: Self::Value = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !is_field_name(&name) {
                return Err(fault("a name is 1 to 32 letters, digits and _".to_owned()));
            }
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(fault(format!("{name} is there twice")));
            }
            if fields.len() == MOST_FIELDS {
                return Err(fault(format!("more than {MOST_FIELDS} fields")));
            }
            let value: f64 = map.next_value()?;
            fields.push((name, value));
        }
        if fields.is_empty() {
            return Err(fault("no field".to_owned()));
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(body: &str) -> Option<String> {
        Fields::parse(body.as_bytes()).ok().map(|fields| fields.to_json())
    }

    #[test]
    fn an_object_of_numbers_is_stored_in_one_form() {
        for (body, json) in [
            (r#"{"temperature":21.5}"#, r#"{"temperature":21.5}"#),
            (r#" { "b" : 2 , "a":-1e3 } "#, r#"{"b":2,"a":-1000}"#),
            (r#"{"\u0061":1}"#, r#"{"a":1}"#),
            (r#"{"a":0.1}"#, r#"{"a":0.1}"#),
            (r#"{"a":5e-253}"#, r#"{"a":5e-253}"#),
            (r#"{"a":-1E+300,"b":0e9}"#, r#"{"a":-1e300,"b":0}"#),
            (
                r#"{"a":1e-6,"b":12345678901234567890}"#,
                r#"{"a":0.000001,"b":1.2345678901234567e19}"#,
            ),
        ] {
            assert_eq!(stored(body).as_deref(), Some(json), "{body}");
            assert_eq!(stored(json).as_deref(), Some(json), "{json}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let many = (0..=MOST_FIELDS).map(|n| format!("\"f{n}\":1")).collect::<Vec<_>>().join(",");
        for body in [
            "",
            "{}",
            "[1]",
            "1",
            r#"{"a":"1"}"#,
            r#"{"a":null}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":1}{"#,
            r#"{"a":1e999}"#,
            r#"{"a":NaN}"#,
            r#"{"1a":1}"#,
            r#"{"<script>":1}"#,
            r#"{"a'; DROP TABLE records; --":1}"#,
            r#"{"a":1"#,
            &format!("{{{many}}}"),
            &format!(r#"{{"{}":1}}"#, "n".repeat(LONGEST_NAME + 1)),
        ] {
            assert_eq!(stored(body), None, "{body}");
        }
        let long = format!(r#"{{"a":1{}}}"#, " ".repeat(LONGEST_BODY));
        assert_eq!(Fields::parse(long.as_bytes()), Err(BadBody::TooLong));
    }

    #[test]
    fn a_time_is_believed_within_its_window() {
        let window = TimeWindow { past_ms: 1000, future_ms: 10 };
        for (time, holds) in [(8999, false), (9000, true), (10_010, true), (10_011, false)] {
            assert_eq!(window.holds(time, 10_000), holds, "{time}");
        }
        assert!(window.holds(0, 5), "no underflow");
        assert!(window.holds(u64::MAX, u64::MAX), "no overflow");
    }
}
