//! What callers report of the endpoints that they were given.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::name::ServerName;
use crate::util::Instant;

/// What a caller tells of a place that it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Feedback {
    /// It answers as the server that was looked for: connected, the certificate valid, Matrix spoken.
    Connected,
    /// No connection: refused, unreachable, or nothing in time. It is the place that fails, whatever the name.
    ConnectFailed,
    /// Connected, but TLS failed: the certificate is not valid for [`Resolved::tls_name`](crate::Resolved::tls_name), or anything else of the handshake.
    TlsFailed,
    /// It says itself that it is not the server looked for: status 421, another server's name or keys.
    Misdirected,
    /// What answers is no Matrix homeserver: a page of something else, 404 for what every homeserver has.
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

    /// Whether somebody else lives there now, so that the facts that led there are to be doubted. A place that only can't be
    /// connected to is mostly down.
    pub const fn invalidates_facts(self) -> bool {
        matches!(self, Self::TlsFailed | Self::Misdirected | Self::NotMatrix)
    }
}

impl fmt::Display for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One place of which a failure is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedEndpoint {
    /// The place.
    pub place: SocketAddr,
    /// The name for which it fails; None: whatever the name.
    pub name: Option<ServerName>,
    /// How it failed last.
    pub said: Feedback,
    /// How many times in a row.
    pub times: u8,
    /// Until when it is handed out behind all others.
    pub rests_until: Instant,
}
