//! Requests, answers, and the ids that pair them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::io::{DnsError, DnsReply, DnsRequest, HttpError, HttpGet, HttpResponse};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub(crate) u64);

        impl $name {
            /// The number behind the id: minted in order from zero, never reused by the same machine.
            pub const fn number(self) -> u64 {
                self.0
            }

            /// The id with that number, for drivers that keep ids as numbers and for tests that send unknown ones: an id
            /// that was never minted is answered with [`Disposition::Unknown`](crate::Disposition::Unknown).
            pub const fn from_number(number: u64) -> Self {
                Self(number)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

pub(crate) use id;

id! {
    /// Identifies one DNS request.
    DnsId
}
id! {
    /// Identifies one HTTP request.
    HttpId
}
/// Either kind of id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestId {
    /// Of a DNS request.
    Dns(DnsId),
    /// Of an HTTP request.
    Http(HttpId),
}

/// A request for the driver to carry out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// A question for one name server.
    Dns(DnsRequest),
    /// A GET for one address. Boxed, because it is larger and rarer.
    Http(Box<HttpGet>),
}

impl Request {
    /// The id under which this request is answered.
    pub fn id(&self) -> RequestId {
        match self {
            Self::Dns(request) => RequestId::Dns(request.id),
            Self::Http(get) => RequestId::Http(get.id),
        }
    }
}

/// The result of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Of a DNS request.
    Dns(DnsId, Result<DnsReply, DnsError>),
    /// Of an HTTP request.
    Http(HttpId, Result<HttpResponse, HttpError>),
}

impl Answer {
    /// The request that this answers.
    pub fn id(&self) -> RequestId {
        match self {
            Self::Dns(id, _) => RequestId::Dns(*id),
            Self::Http(id, _) => RequestId::Http(*id),
        }
    }

    /// The answer to a request that the driver cannot carry out for a local reason.
    pub fn local_failure(id: RequestId) -> Self {
        match id {
            RequestId::Dns(id) => Self::Dns(id, Err(DnsError::Local)),
            RequestId::Http(id) => Self::Http(id, Err(HttpError::Local)),
        }
    }
}
