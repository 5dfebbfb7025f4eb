//! What callers report of the endpoints that they were given.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::name::ServerName;
use crate::util::Instant;

/// A caller's report about an endpoint of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Feedback {
    /// The endpoint is the right server: connected, with a valid certificate, and it speaks Matrix.
    Connected,
    /// No connection: refused, unreachable or timed out. It applies to the endpoint under every name.
    ConnectFailed,
    /// Connected, but TLS failed: the certificate is not valid for [`Resolved::tls_name`](crate::Resolved::tls_name), or anything else of the handshake.
    TlsFailed,
    /// The server says that it is another one: status 421, or another server's name or keys.
    Misdirected,
    /// The response does not come from a Matrix homeserver: an HTML page, or status 404 for a path that every homeserver has.
    NotMatrix,
}

impl Feedback {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::ConnectFailed => "connect-failed",
            Self::TlsFailed => "tls-failed",
            Self::Misdirected => "misdirected",
            Self::NotMatrix => "not-matrix",
        }
    }

    /// The feedback of that name.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Connected,
            Self::ConnectFailed,
            Self::TlsFailed,
            Self::Misdirected,
            Self::NotMatrix,
        ];
        all.into_iter().find(|said| said.as_str() == text)
    }

    /// Whether the report means that another server is at the endpoint, so that the facts that led to it have to be refreshed. An
    /// endpoint that refuses connections is usually just down.
    pub const fn invalidates_facts(self) -> bool {
        matches!(self, Self::TlsFailed | Self::Misdirected | Self::NotMatrix)
    }
}

impl fmt::Display for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An endpoint with a reported failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedEndpoint {
    /// The place.
    pub place: SocketAddr,
    /// The name for which it fails; `None`: for every name.
    pub name: Option<ServerName>,
    /// The last failure.
    pub said: Feedback,
    /// The number of consecutive failures.
    pub times: u8,
    /// The time until which it is tried last.
    pub rests_until: Instant,
}
