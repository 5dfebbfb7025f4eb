//! Matrix server names: their grammar, and their parts. What DNS and TLS make of a host is in `dns_name.rs`.
//!
//! Knows nothing of how a name is resolved.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest host part that the grammar of server names allows, in characters (R7); nothing else bounds a server name (R10).
pub const MAX_HOST_LENGTH: usize = 255;

/// A Matrix server name that obeys the grammar (R1–R13), kept letter for letter as it was written.
///
/// Two server names are equal when their text is: identity does not fold case (R9).
/// ```
/// # use discovery_core::{Host, ServerName};
/// let name: ServerName = "matrix.example.org:8448".parse()?;
/// assert_eq!(name.host(), Host::Name("matrix.example.org"));
/// assert_eq!(name.port(), Some(8448));
/// # Ok::<(), discovery_core::InvalidServerName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
// The parts are read again where they are needed: names are kept by the million.
pub struct ServerName(Arc<str>);

/// The host part of a server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// An IP literal.
    Ip(IpAddr),
    /// A DNS name by the grammar, verbatim; whether it can be resolved is for [`DnsName::host`](crate::DnsName::host) to say.
    Name(&'a str),
}

/// Why a text is no server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InvalidServerName {
    /// There is no host part (R3).
    EmptyHost,
    /// The host part is longer than 255 characters (R7).
    HostTooLong,
    /// A character that no server name holds: only letters, digits, `-`, `.` and, around the port or in an IPv6
    /// literal, `:` and brackets (R1, R7).
    Character,
    /// A bracket without its other half, or something other than a port behind it (R3).
    Brackets,
    /// The text in brackets is not an IPv6 address (R5).
    Ipv6Address,
    /// The port is not one to five digits with a value from 1 to 65535 (R2).
    Port,
    /// It is a URL, or has a path behind the port.
    Url,
    /// It is an identifier of a user, a room, a room alias, an event or a group, whose first character is one of `@!#$+`. The server
    /// name, where there is one, stands behind its first colon.
    Identifier,
}

impl ServerName {
    /// Parses a server name by the literal grammar.
    ///
    /// # Errors
    /// Says which part of the grammar the text breaks. A name that passes may still be one that nothing can resolve
    /// (`a..b`): that is told by the resolution, before anything is asked.
    pub fn parse(text: &str) -> Result<Self, InvalidServerName> {
        Self::parse_literal(text).map_err(|why| mistaken(text, why))
    }

    fn parse_literal(text: &str) -> Result<Self, InvalidServerName> {
        let (host, port) = split(text)?;
        match bracketed(host) {
            Some(inner) => drop(ipv6(inner)?),
            None => dns_grammar(host)?,
        }
        port.map(parse_port).transpose()?;
        Ok(Self(text.into()))
    }

    /// The text, exactly as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host part.
    pub fn host(&self) -> Host<'_> {
        let host = self.host_str();
        let ip = match bracketed(host) {
            Some(inner) => inner.parse().ok().map(IpAddr::V6),
            // R13: an IPv4 literal is not a name. Leading zeros do not make a literal: their reading differs between systems.
            None => host.parse().ok().map(IpAddr::V4),
        };
        ip.map_or(Host::Name(host), Host::Ip)
    }

    /// The host part as it was written, an IPv6 literal in its brackets (R110).
    pub fn host_str(&self) -> &str {
        self.parts().0
    }

    /// The text, without a copy.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The host part as it was written; without a copy if nothing else was.
    pub(crate) fn shared_host(&self) -> Arc<str> {
        if self.port().is_none() { self.shared() } else { self.host_str().into() }
    }

    /// The port, if one was written.
    pub fn port(&self) -> Option<u16> {
        self.parts().1?.parse().ok()
    }

    /// Host and port. The grammar leaves no other place for the last colon outside of brackets.
    fn parts(&self) -> (&str, Option<&str>) {
        match self.0.rsplit_once(':') {
            Some((host, port)) if !self.0.ends_with(']') => (host, Some(port)),
            Some(_) | None => (&self.0, None),
        }
    }
}

/// The text in brackets.
fn bracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

fn split(text: &str) -> Result<(&str, Option<&str>), InvalidServerName> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(InvalidServerName::Brackets)?;
        let (host, rest) = text.split_at(end.saturating_add(1));
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(InvalidServerName::Brackets),
        };
    }
    match text.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

/// R5: an address as it is written between brackets; R109: without a zone, which no `Ipv6Addr` has.
fn ipv6(text: &str) -> Result<Ipv6Addr, InvalidServerName> {
    // The standard library takes nothing but this grammar, in 2 to 45 characters, embedded IPv4 included.
    text.parse().map_err(|_| InvalidServerName::Ipv6Address)
}

fn dns_grammar(host: &str) -> Result<(), InvalidServerName> {
    if host.is_empty() {
        return Err(InvalidServerName::EmptyHost);
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
        return Err(InvalidServerName::Character);
    }
    if host.len() > MAX_HOST_LENGTH {
        return Err(InvalidServerName::HostTooLong);
    }
    Ok(())
}

/// The reason that helps most where a text is none: what people give instead of a server name breaks the grammar at a place that says
/// little about it.
fn mistaken(text: &str, why: InvalidServerName) -> InvalidServerName {
    let path = why == InvalidServerName::Port && text.contains('/');
    if text.starts_with(['@', '#', '!', '$', '+']) && !text.contains("//") {
        InvalidServerName::Identifier
    } else if text.contains("://") || text.starts_with("//") || path {
        InvalidServerName::Url
    } else if text.parse::<Ipv6Addr>().is_ok() {
        InvalidServerName::Brackets
    } else {
        why
    }
}

fn parse_port(text: &str) -> Result<NonZeroU16, InvalidServerName> {
    // R2: digits only (no sign), at most five; leading zeros are digits too.
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidServerName::Port);
    }
    text.parse().map_err(|_| InvalidServerName::Port)
}

impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for ServerName {
    type Error = InvalidServerName;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl TryFrom<&String> for ServerName {
    type Error = InvalidServerName;

    fn try_from(text: &String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

/// Shares the text.
impl From<&ServerName> for ServerName {
    fn from(name: &ServerName) -> Self {
        name.clone()
    }
}

/// For functions that take `impl TryInto<ServerName>`: a parsed name is never invalid.
impl From<Infallible> for InvalidServerName {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl TryFrom<String> for ServerName {
    type Error = InvalidServerName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.as_str().to_owned()
    }
}

impl AsRef<str> for ServerName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for ServerName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for ServerName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ServerName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerName({:?})", &*self.0)
    }
}

impl fmt::Display for InvalidServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyHost => "the host is missing",
            Self::HostTooLong => "the host is longer than 255 characters",
            Self::Character => {
                "only letters, digits, '-' and '.' may stand in the host (no space, scheme, path, '_' or other alphabets)"
            }
            Self::Brackets => "an IPv6 address must stand alone in brackets, with at most a port behind: [::1]:8448",
            Self::Ipv6Address => "the text in brackets is not an IPv6 address",
            Self::Port => "the port must be 1 to 5 digits with a value from 1 to 65535",
            Self::Url => "it is a URL: give its host alone, without scheme and path",
            Self::Identifier => {
                "it is the ID of a user, a room or an event; its server name stands behind the first ':'"
            }
        })
    }
}

impl std::error::Error for InvalidServerName {}

#[cfg(test)]
mod tests;
