//! What the reference model makes of an HTTP answer.
//!
//! Knows nothing of what follows from it.

use std::collections::BTreeSet;
use std::fmt;

use discovery_core::{
    DnsName, Fact, Host, HttpResponse, Policy, ServerName, UnusableResponse, Url,
};
use http::header::{AGE, CACHE_CONTROL, CONTENT_ENCODING, DATE, EXPIRES, LOCATION, VARY};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::fresh::{Life, Stated};

/// What an HTTP answer says.
pub(super) enum Answer {
    Document(ServerName),
    Invalid,
    Redirect(Url),
    BadRedirect,
    Status(u16),
}

impl Answer {
    /// A fact that is given; None for what is no answer.
    pub(super) fn given(fact: &Fact) -> Option<Self> {
        if let Fact::Document(name) = fact {
            Some(Self::Document(name.clone()))
        } else if let Fact::Redirect(url) = fact {
            Some(Self::Redirect(url.clone()))
        } else if let Fact::Unusable(UnusableResponse::Status(status)) = fact {
            Some(Self::Status(*status))
        } else if let Fact::Unusable(UnusableResponse::Document(_)) = fact {
            Some(Self::Invalid)
        } else if let Fact::Unusable(UnusableResponse::Redirect(_)) = fact {
            Some(Self::BadRedirect)
        } else {
            None
        }
    }

    /// For how long the answer may be reused; where headers speak of it, only the bound is told.
    pub(super) fn life(&self, response: &HttpResponse, policy: &Policy) -> Life {
        let firm = Life::jittered_down(policy.well_known.failure_ttl, policy);
        let (life, bound) = match self {
            Self::Document(_) => (Life::of_document(policy), policy.well_known.max_ttl),
            Self::Redirect(_) => return Life::at_most(policy.well_known.max_ttl),
            // What may pass by itself is asked again sooner.
            Self::Status(408 | 425 | 429 | 500..=599) => {
                let life = Life::jittered_down(policy.well_known.retry_ttl, policy);
                (life, life.most)
            }
            Self::Invalid | Self::BadRedirect | Self::Status(_) => (firm, firm.most),
        };
        let told = [CACHE_CONTROL, EXPIRES, AGE, DATE, VARY];
        let told = told.iter().any(|name| response.headers.contains_key(name));
        if !told {
            return life;
        }
        if !matches!(self, Self::Document(_)) {
            return Life::at_most(bound);
        }
        match Stated::by(&response.headers) {
            Stated::Nothing => life,
            Stated::Seconds(seconds) => Life::stated(seconds, policy),
            Stated::ByTheClock => Life::at_most(bound),
        }
    }

    pub(super) fn read(url: &Url, response: &HttpResponse, policy: &Policy) -> Self {
        match response.status.as_u16() {
            200 => document(response, policy).map_or(Self::Invalid, Self::Document),
            // R113: relative to where it stands; R69, R115: to nothing but https.
            301 | 302 | 303 | 307 | 308 => {
                let locations: BTreeSet<&[u8]> = response
                    .headers
                    .get_all(LOCATION)
                    .iter()
                    .map(|value| value.as_bytes())
                    .collect();
                match (locations.first(), locations.len()) {
                    (Some(location), 1) => {
                        let next = uri_reference(location).and_then(|text| url.join(text).ok());
                        next.map_or(Self::BadRedirect, Self::Redirect)
                    }
                    _ => Self::BadRedirect,
                }
            }
            status => Self::Status(status),
        }
    }
}

/// A `Location` with every character escaped that no URI has (RFC 3986 §2), unless it could lead elsewhere for other readers. A
/// host that has such a character stays one that no host can have.
fn uri_reference(location: &[u8]) -> Option<String> {
    let mut text = String::new();
    for (index, byte) in location.iter().enumerate() {
        let escape =
            |at: usize| location.get(index.saturating_add(at)).copied().unwrap_or_default();
        let encoded = escape(1).is_ascii_hexdigit() && escape(2).is_ascii_hexdigit();
        match byte {
            b'\\' | 0..=0x1f | 0x7f => return None,
            b'%' if !encoded => text.push_str("%25"),
            b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                text.push_str(&format!("%{byte:02X}"));
            }
            _ => text.push(char::from(*byte)),
        }
    }
    Some(text)
}

/// `m.server` of a valid document (R22, R43, R68, R131); the type of the content does not matter (R66).
fn document(response: &HttpResponse, policy: &Policy) -> Option<ServerName> {
    let coded = response
        .headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    if coded || response.body.len() > policy.well_known.max_body {
        return None;
    }
    m_server(&response.body)
}

/// `m.server` of these bytes, if they are a valid document.
pub(crate) fn m_server(body: &[u8]) -> Option<ServerName> {
    let text = std::str::from_utf8(body).ok()?;
    let mut json = serde_json::Deserializer::from_str(text);
    let found = json.deserialize_map(Members).ok()?;
    json.end().ok()?;
    let name = ServerName::parse(&found?).ok()?;
    match name.host() {
        Host::Ip(_) => Some(name),
        Host::Name(host) => DnsName::host(host).is_ok().then_some(name),
    }
}

/// The value of `m.server`, if it stands there once and is a string.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut values = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "m.server" {
                values.push(map.next_value::<Value>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(match values.as_slice() {
            [Value::String(name)] => Some(name.clone()),
            _ => None,
        })
    }
}
