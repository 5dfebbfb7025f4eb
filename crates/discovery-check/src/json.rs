//! Canonical JSON of the Matrix specification: sorted keys, no blanks, integers alone.
//!
//! Objects with a key that occurs twice are refused: readers differ on which of the two values counts, so a signature over
//! such an object proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Largest integer of canonical JSON, 2^53 - 1; the smallest is its negative.
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of canonical JSON.
    Integer(i64),
    /// A number that canonical JSON has no form for: a fraction, an exponent, or an integer out of range.
    Other(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object. Keys are sorted by their bytes, which is the order of code points.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads a whole text. Depth is bounded by serde_json.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// The member of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// The members of an object; none of anything else.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&String, &Self)> {
        let members = if let Self::Object(members) = self { Some(members) } else { None };
        members.into_iter().flatten()
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// Whether canonical JSON has a form for every number.
    pub(crate) fn is_canonical(&self) -> bool {
        match self {
            Self::Other(_) => false,
            Self::List(items) => items.iter().all(Self::is_canonical),
            Self::Object(members) => members.values().all(Self::is_canonical),
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Text(_) => true,
        }
    }

    /// The canonical form, which signatures are made over. Numbers outside canonical JSON are written as serde_json does.
    pub(crate) fn canonical(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(number) => out.push_str(&number.to_string()),
            Self::Other(number) => out.push_str(&serde_json::json!(number).to_string()),
            Self::Text(text) => quote(text, out),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    quote(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// An object without these members.
    pub(crate) fn without(&self, keys: &[&str]) -> Self {
        let members = self.members().filter(|(key, _)| !keys.contains(&key.as_str()));
        Self::Object(members.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// A string with the shortest escapes, as serde_json writes it and as canonical JSON demands.
fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        let fits = (-MAX_INTEGER..=MAX_INTEGER).contains(&value);
        #[allow(clippy::cast_precision_loss, reason = "it is reported, not computed with")]
        Ok(if fits { Json::Integer(value) } else { Json::Other(value as f64) })
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        #[allow(clippy::cast_precision_loss, reason = "it is reported, not computed with")]
        i64::try_from(value).map_or(Ok(Json::Other(value as f64)), |value| self.visit_i64(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Other(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = members.next_entry::<String, Json>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key {key:?} occurs twice")));
            }
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        Json::parse(text.as_bytes()).ok().map(|json| json.canonical())
    }

    #[test]
    fn examples_of_the_specification_come_out_as_it_says() {
        for (text, expected) in [
            ("{}", "{}"),
            (r#"{ "one": 1, "two": "Two" }"#, r#"{"one":1,"two":"Two"}"#),
            (r#"{ "b": "2", "a": "1" }"#, r#"{"a":"1","b":"2"}"#),
            (r#"{ "本": 2, "日": 1 }"#, r#"{"日":1,"本":2}"#),
            (r#"{ "a": "\u65E5" }"#, r#"{"a":"日"}"#),
            (
                r#"{ "a": null, "b": [true, -0, "\u0001\n\/"] }"#,
                "{\"a\":null,\"b\":[true,-0.0,\"\\u0001\\n/\"]}",
            ),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn numbers_outside_the_range_are_not_canonical() {
        for (text, is_canonical) in [
            ("[9007199254740991]", true),
            ("[-9007199254740991]", true),
            ("[9007199254740992]", false),
            ("[1.5]", false),
            (r#"{"a":[{"b":1e3}]}"#, false),
        ] {
            let json = Json::parse(text.as_bytes());
            assert_eq!(json.ok().map(|json| json.is_canonical()), Some(is_canonical), "{text}");
        }
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused() {
        assert_eq!(canonical(r#"{"a":1,"b":{"c":1,"c":1}}"#), None);
    }
}
