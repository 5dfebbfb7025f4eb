//! Reads an HTTP answer of the `.well-known` endpoint: a document, a redirect, or neither.
//!
//! Knows nothing of what follows from it.
//!
//! A body over the limit is an answer, not an error. Drivers hand over at most one byte more than `max_body`, and the
//! machine refuses the document. A driver without a limit of its own is therefore safe, and all drivers get the same
//! fact.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use http::header::{CONTENT_ENCODING, LOCATION};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::fact::{DocumentError, Fact, RedirectError, UnusableResponse};
use crate::io::HttpResponse;
use crate::name::{DnsName, Host, ServerName, Url};

/// Reads the answer to a GET of `url`.
pub(crate) fn read(url: &Url, response: &HttpResponse, max_body: usize) -> Fact {
    match response.status {
        // R42: 200 alone is success.
        StatusCode::OK => match document(response, max_body) {
            Ok(name) => Fact::Document(name),
            Err(why) => Fact::Unusable(UnusableResponse::Document(why)),
        },
        // R34, R113: the five redirects that keep GET.
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => match redirect(url, response) {
            Ok(url) => Fact::Redirect(url),
            Err(why) => Fact::Unusable(UnusableResponse::Redirect(why)),
        },
        status => Fact::Unusable(UnusableResponse::Status(status.as_u16())),
    }
}

fn redirect(url: &Url, response: &HttpResponse) -> Result<Url, RedirectError> {
    let mut locations = response.headers.get_all(LOCATION).iter();
    let location = locations.next().ok_or(RedirectError::NoLocation)?;
    // A field that was added twice still says one thing.
    if locations.any(|other| other != location) {
        return Err(RedirectError::ManyLocations);
    }
    url.join(location).map_err(RedirectError::Url)
}

fn document(response: &HttpResponse, max_body: usize) -> Result<ServerName, DocumentError> {
    // RFC 9110 §5.6.1: empty elements of a list are ignored.
    let identity = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    let codings = response.headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = codings.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if !codings.all(|coding| identity(coding.trim_ascii())) {
        return Err(DocumentError::ContentCoding);
    }
    if response.body.len() > max_body {
        return Err(DocumentError::TooLong);
    }
    parse(&response.body)
}

/// Parses the document of the endpoint: a JSON object whose `m.server` is a server name (R43, R67, R68).
///
/// The content type says nothing (R66), other members neither. Depth is bounded by the length of the body alone: nothing
/// recurses.
///
/// # Errors
/// Says what makes the document invalid.
pub fn parse(body: &[u8]) -> Result<ServerName, DocumentError> {
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(DocumentError::ByteOrderMark);
    }
    let text = std::str::from_utf8(body).map_err(|_| DocumentError::NotUtf8)?;
    let Document(found) = serde_json::from_str(text).map_err(|_| DocumentError::NotJson)?;
    let text = found?;
    let name = ServerName::parse(&text).map_err(DocumentError::ServerName)?;
    // A delegation to what nobody can resolve is no delegation.
    if let Host::Name(host) = name.host() {
        DnsName::host(host).map_err(DocumentError::Unresolvable)?;
    }
    Ok(name)
}

struct Document(Result<String, DocumentError>);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TopLevel).map(Self)
    }
}

struct TopLevel;

macro_rules! scalars {
    ($value:ident => $result:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            $result
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            $result
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            $result
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            $result
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            $result
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            $result
        }
    };
}

impl<'de> Visitor<'de> for TopLevel {
    type Value = Result<String, DocumentError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    scalars!(value => Ok(Err(DocumentError::NotAnObject)));

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Err(DocumentError::NotAnObject))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Err(DocumentError::Missing);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            if key.0 != "m.server" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Text(value) = map.next_value()?;
            found = match (found, value) {
                (Err(DocumentError::Missing), Some(text)) => Ok(text),
                (Err(DocumentError::Missing), None) => Err(DocumentError::NotAString),
                // R131: readers differ on which of two they take.
                (Ok(_) | Err(_), _) => Err(DocumentError::Duplicate),
            };
        }
        Ok(found)
    }
}

struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(KeyVisitor)
    }
}

/// A string, or something else.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            scalars!(value => Ok(Text(None)));

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
        }
        from.deserialize_any(TextVisitor)
    }
}

#[cfg(test)]
mod tests;
