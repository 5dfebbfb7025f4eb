//! The `https` URLs of `.well-known` documents and redirects.
//!
//! Knows nothing of HTTP beyond that.
//!
//! The URL of a host's own document is stored as its host, because nearly all URLs are of that form. The text is built
//! when a request is made.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use fluent_uri::component::Host as UriHost;
use fluent_uri::{Uri, UriRef};
use serde::{Deserialize, Serialize};

use crate::name::{DnsName, TlsName};

/// The path of the document, rooted at the host (R32, R111).
const PATH: &str = "/.well-known/matrix/server";
/// Longest URL that a redirect may lead to, in bytes.
const MAX_URL_LENGTH: usize = 4096;

/// An absolute `https` URL in normal form: host in lower case without final dot, no default port, no dot segments, no
/// user, no fragment. Two URLs are equal when their text is. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Url(Kind);

/// A URL is kept in one way alone, so that equal ones are equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The document of this host: nearly all URLs are, and are kept by the million.
    WellKnown(DnsName),
    Other(Arc<Parts>),
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Parts {
    text: Box<str>,
    host: TlsName,
    port: u16,
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BadUrl {
    /// It is not a URI reference (R113).
    Syntax,
    /// The scheme is not `https` (R14, R69, R115).
    Downgrade,
    /// The host cannot be resolved.
    Host,
    /// Its port is 0 or beyond 65535.
    Port,
    /// It carries a user name or password.
    User,
    /// It is longer than 4 KiB.
    TooLong,
}

impl Url {
    /// The URL of the document of a host (R32).
    pub fn well_known(host: &DnsName) -> Self {
        Self(Kind::WellKnown(host.clone()))
    }

    /// Parses an absolute URL.
    ///
    /// # Errors
    /// Says why nothing can be fetched from there.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        if text.len() > MAX_URL_LENGTH {
            return Err(BadUrl::TooLong);
        }
        Uri::parse(text).map_err(|_| BadUrl::Syntax)?;
        // What is absolute resolves to itself without dot segments, whatever the base.
        Self::resolve("https://localhost/", text)
    }

    /// The target of a redirect from this URL: the `Location`, resolved against it (R113).
    ///
    /// What RFC 3986 does not allow in a path or query is percent-encoded, as browsers do: spaces, bytes above 127, `"<>[]^{|}`,
    /// backticks, and a percent sign without two digits behind it (RFC 9110 §10.2.2 leaves recovery to the client). The authority is
    /// taken as it is. Control characters and backslashes are refused everywhere.
    ///
    /// # Errors
    /// Says why nothing can be fetched from there.
    pub fn join(&self, location: impl AsRef<[u8]>) -> Result<Self, BadUrl> {
        let location = location.as_ref();
        if location.len() > MAX_URL_LENGTH {
            return Err(BadUrl::TooLong);
        }
        Self::resolve(&self.text(), &encoded(location)?)
    }

    fn resolve(base: &str, reference: &str) -> Result<Self, BadUrl> {
        let base = Uri::parse(base).map_err(|_| BadUrl::Syntax)?;
        let reference = UriRef::parse(reference).map_err(|_| BadUrl::Syntax)?;
        let resolved = reference.resolve_against(&base).map_err(|_| BadUrl::Syntax)?;
        Self::from_uri(resolved.borrow())
    }

    fn from_uri(uri: Uri<&str>) -> Result<Self, BadUrl> {
        if uri.as_str().len() > MAX_URL_LENGTH {
            return Err(BadUrl::TooLong);
        }
        if !uri.scheme().as_str().eq_ignore_ascii_case("https") {
            return Err(BadUrl::Downgrade);
        }
        let authority = uri.authority().ok_or(BadUrl::Host)?;
        if authority.userinfo().is_some() {
            return Err(BadUrl::User);
        }
        let host = match authority.host_parsed() {
            UriHost::Ipv4(ip) => TlsName::Ip(IpAddr::V4(ip)),
            UriHost::Ipv6(ip) => TlsName::Ip(IpAddr::V6(ip)),
            UriHost::RegName(name) => {
                TlsName::Dns(DnsName::host(name.as_str()).map_err(|_| BadUrl::Host)?)
            }
            _ => return Err(BadUrl::Host),
        };
        let port = match authority.port().map(|port| port.as_str()) {
            None | Some("") => 443,
            Some(digits) => {
                digits.parse().ok().filter(|port: &u16| *port != 0).ok_or(BadUrl::Port)?
            }
        };
        let path = if uri.path().is_empty() { "/" } else { uri.path().as_str() };
        if port == 443
            && path == PATH
            && uri.query().is_none()
            && let TlsName::Dns(host) = host
        {
            return Ok(Self(Kind::WellKnown(host)));
        }
        let mut text = format!("https://{}", Bracketed(&host));
        if port != 443 {
            text.push_str(&format!(":{port}"));
        }
        text.push_str(path);
        if let Some(query) = uri.query() {
            text.push('?');
            text.push_str(query.as_str());
        }
        Ok(Self(Kind::Other(Arc::new(Parts { text: text.into_boxed_str(), host, port }))))
    }

    /// The URL as text.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.0 {
            Kind::WellKnown(host) => Cow::Owned(["https://", host.as_str(), PATH].concat()),
            Kind::Other(parts) => Cow::Borrowed(&parts.text),
        }
    }

    /// The memory beside this value and its host's name, in bytes.
    pub(crate) fn size(&self) -> usize {
        match &self.0 {
            Kind::WellKnown(_) => 0,
            Kind::Other(parts) => size_of::<Parts>().saturating_add(parts.text.len()),
        }
    }

    /// The host, which is also what the certificate must be valid for (R114).
    pub fn host(&self) -> TlsName {
        match &self.0 {
            Kind::WellKnown(host) => TlsName::Dns(host.clone()),
            Kind::Other(parts) => parts.host.clone(),
        }
    }

    /// Whose document it is, if it is where the specification says that one is.
    pub(crate) fn well_known_host(&self) -> Option<&DnsName> {
        match &self.0 {
            Kind::WellKnown(host) => Some(host),
            Kind::Other(_) => None,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match &self.0 {
            Kind::WellKnown(_) => 443,
            Kind::Other(parts) => parts.port,
        }
    }

    /// The place to connect to for one address of the host.
    pub(crate) fn socket_addr(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.port())
    }
}

/// A `Location` as a URI reference, its path and query percent-encoded where they must be. The fragment is left out.
fn encoded(location: &[u8]) -> Result<String, BadUrl> {
    let location = location.trim_ascii();
    // Browsers drop control characters and take a backslash for a slash; that would be another place than the one written.
    if location.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\') {
        return Err(BadUrl::Syntax);
    }
    let location = location.split(|byte| *byte == b'#').next().unwrap_or_default();
    let (start, mut rest) = location.split_at_checked(path_start(location)).unwrap_or_default();
    let mut text = std::str::from_utf8(start).map_err(|_| BadUrl::Syntax)?.to_owned();
    while let Some((byte, behind)) = rest.split_first() {
        let stays = match byte {
            b'%' => matches!(behind, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()),
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(byte),
        };
        if stays {
            text.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
        rest = behind;
    }
    Ok(text)
}

/// How long the scheme and authority of a URI reference are.
fn path_start(reference: &[u8]) -> usize {
    let end = |text: &[u8], ends: &[u8]| text.iter().position(|byte| ends.contains(byte));
    let scheme = match end(reference, b":/?") {
        Some(at) if reference.get(at) == Some(&b':') => at.saturating_add(1),
        _ => 0,
    };
    let Some(rest) = reference.get(scheme..).and_then(|rest| rest.strip_prefix(b"//")) else {
        return scheme;
    };
    let authority = end(rest, b"/?").unwrap_or(rest.len());
    scheme.saturating_add(2).saturating_add(authority)
}

struct Bracketed<'a>(&'a TlsName);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TlsName::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            TlsName::Ip(ip) => ip.fmt(f),
            TlsName::Dns(name) => name.fmt(f),
        }
    }
}

impl Hash for Url {
    /// Of the text, host and port, in whichever way they are kept: jitter is drawn from it, and a seed must go on to mean the
    /// same.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Kind::WellKnown(host) => {
                for part in ["https://", host.as_str(), PATH] {
                    state.write(part.as_bytes());
                }
                state.write_u8(0xff);
            }
            Kind::Other(parts) => parts.text.hash(state),
        }
        self.host().hash(state);
        self.port().hash(state);
    }
}

impl TryFrom<String> for Url {
    type Error = BadUrl;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.text().into_owned()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not a URL",
            Self::Downgrade => "leads away from https",
            Self::Host => "its host can't be asked for",
            Self::Port => "its port is out of range",
            Self::User => "it carries a user name",
            Self::TooLong => "it is longer than 4 KiB",
        })
    }
}

impl std::error::Error for BadUrl {}

#[cfg(test)]
mod tests;
