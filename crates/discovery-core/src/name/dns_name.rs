//! Host names that DNS and TLS can express.
//!
//! Knows nothing of how a name is resolved.

use std::borrow::Borrow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::ServerName;

/// Longest DNS name in text form without the final dot, in octets (R103).
pub const MAX_DNS_NAME_LENGTH: usize = 253;
/// Longest label of a DNS name, in octets (R103).
pub const MAX_LABEL_LENGTH: usize = 63;

/// An absolute DNS name in lower case, without the final dot; the root is the empty text.
///
/// Labels are 1 to 63 letters, digits, hyphens or underscores, 253 characters in all (R103, R108). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(Arc<str>);

/// Why a text is no DNS name, or none that a host can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InvalidDnsName {
    /// A label is empty (`a..b`, `.a`).
    EmptyLabel,
    /// A label is longer than 63 octets.
    LongLabel,
    /// The name is longer than 253 octets.
    TooLong,
    /// A character other than a letter, a digit, `-` or `_`.
    Character,
    /// It looks like an IPv4 address that is none (`010.0.0.1`, `1.2.3`, `0x7f.1`): systems read such names differently.
    Numeric,
}

impl DnsName {
    /// The root, `.`.
    pub fn root() -> Self {
        Self("".into())
    }

    /// Parses a name in text form. One final dot is the root and is dropped; letters become lower case.
    ///
    /// # Errors
    /// Says what makes the text no DNS name.
    pub fn parse(text: &str) -> Result<Self, InvalidDnsName> {
        if text == "." {
            return Ok(Self::root());
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        check_name(text)?;
        Ok(Self(if text.bytes().any(|b| b.is_ascii_uppercase()) {
            text.to_ascii_lowercase().into()
        } else {
            text.into()
        }))
    }

    /// Parses a host name that can be queried: as [`DnsName::parse`], without names that some systems take for an IPv4 address.
    ///
    /// # Errors
    /// Says why nothing can be asked for under this name.
    pub fn host(text: &str) -> Result<Self, InvalidDnsName> {
        let name = Self::parse(text)?;
        check_host(&name.0)?;
        Ok(name)
    }

    /// The host of a server name that consists of nothing else, in lower case: its text is shared. None for other names; for
    /// these [`DnsName::host`] makes one.
    pub(crate) fn of(name: &ServerName) -> Option<Result<Self, InvalidDnsName>> {
        let text = name.as_str();
        let plain = name.port().is_none()
            && !text.ends_with('.')
            && !text.bytes().any(|b| b.is_ascii_uppercase());
        plain.then(|| {
            check_name(text)?;
            check_host(text)?;
            Ok(Self(name.shared()))
        })
    }

    /// Whether this is [`DnsName::service`] of that host.
    pub(crate) fn is_service(&self, service: &str, host: &Self) -> bool {
        let rest = self.0.strip_prefix(service).and_then(|rest| rest.strip_prefix("._tcp."));
        rest == Some(host.as_str())
    }

    /// The owner of this host's SRV records: `_service._tcp.host`. None where that is longer than DNS allows.
    pub fn service(&self, service: &str) -> Option<Self> {
        let length = service.len().checked_add(self.0.len())?.checked_add("._tcp.".len())?;
        let mut text = String::with_capacity(length);
        text.extend([service, "._tcp.", &self.0]);
        (text.len() <= MAX_DNS_NAME_LENGTH).then(|| Self(text.into()))
    }

    /// The name without its final dot; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root, the SRV target that says "not offered" (R87).
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels, the most specific first; none for the root.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.').filter(|label| !label.is_empty())
    }

    /// Whether this is `domain` or below it.
    pub fn is_below(&self, domain: &str) -> bool {
        match self.0.strip_suffix(domain) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

fn check_name(text: &str) -> Result<(), InvalidDnsName> {
    if text.len() > MAX_DNS_NAME_LENGTH {
        return Err(InvalidDnsName::TooLong);
    }
    for label in text.split('.') {
        if label.is_empty() {
            return Err(InvalidDnsName::EmptyLabel);
        }
        if label.len() > MAX_LABEL_LENGTH {
            return Err(InvalidDnsName::LongLabel);
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(InvalidDnsName::Character);
        }
    }
    Ok(())
}

/// In lower case, without the final dot.
fn check_host(name: &str) -> Result<(), InvalidDnsName> {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = |rest: &str| rest.bytes().all(|b| b.is_ascii_hexdigit());
    if last.is_empty() {
        return Err(InvalidDnsName::EmptyLabel);
    }
    if last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(hexadecimal)
    {
        return Err(InvalidDnsName::Numeric);
    }
    Ok(())
}

impl FromStr for DnsName {
    type Err = InvalidDnsName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for DnsName {
    type Error = InvalidDnsName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> Self {
        name.to_string()
    }
}

impl TryFrom<&str> for DnsName {
    type Error = InvalidDnsName;

    fn try_from(text: &str) -> Result<Self, InvalidDnsName> {
        Self::parse(text)
    }
}

impl AsRef<str> for DnsName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for DnsName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for DnsName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for DnsName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.is_root() { "." } else { &self.0 })
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DnsName({self})")
    }
}

impl fmt::Display for InvalidDnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyLabel => "a label is empty",
            Self::LongLabel => "a label is longer than 63 octets",
            Self::TooLong => "the name is longer than 253 octets",
            Self::Character => "only letters, digits, '-' and '_' may stand in a label",
            Self::Numeric => "it looks like an IPv4 address, but is none",
        })
    }
}

impl std::error::Error for InvalidDnsName {}

/// The name that a certificate must be valid for: a DNS name in lower case, or an IP address (R122, R125).
///
/// With `serde` it is text; a final dot marks a DNS name that looks like an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TlsName {
    /// The address, matched octet for octet against the certificate's IP addresses.
    Ip(IpAddr),
    /// The name, matched against the certificate's DNS names.
    Dns(DnsName),
}

impl TlsName {
    /// The server name indication: the DNS name, and none for an IP address (R19, R20, R126).
    pub fn sni(&self) -> Option<&str> {
        match self {
            Self::Ip(_) => None,
            Self::Dns(name) => Some(name.as_str()),
        }
    }
}

impl TryFrom<&TlsName> for rustls_pki_types::ServerName<'static> {
    type Error = rustls_pki_types::InvalidDnsNameError;

    /// The name that rustls verifies. With it rustls sends no server name indication for an IP address.
    ///
    /// # Errors
    /// TLS cannot express some names that DNS can, such as one with an empty label.
    fn try_from(name: &TlsName) -> Result<Self, Self::Error> {
        match name {
            // R20, R125: rustls sends no SNI for an address and looks for it among the certificate's addresses alone.
            TlsName::Ip(ip) => Ok(Self::IpAddress((*ip).into())),
            // R19, R122, R126: the name without final dot, as SNI and as the only reference identifier.
            TlsName::Dns(name) => Self::try_from(name.as_str().to_owned()),
        }
    }
}

impl TryFrom<String> for TlsName {
    type Error = InvalidDnsName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.parse() {
            Ok(ip) => Ok(Self::Ip(ip)),
            Err(_) => DnsName::parse(&text).map(Self::Dns),
        }
    }
}

impl From<TlsName> for String {
    fn from(name: TlsName) -> Self {
        match &name {
            TlsName::Dns(name) if name.as_str().parse::<IpAddr>().is_ok() => format!("{name}."),
            TlsName::Ip(_) | TlsName::Dns(_) => name.to_string(),
        }
    }
}

impl fmt::Display for TlsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Dns(name) => name.fmt(f),
        }
    }
}
