//! Questions for name servers and web servers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::io::RecordType;
use crate::name::{DnsName, Url};

/// One question: a DNS query or a GET.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Records of a name, by type.
    Dns(DnsName, RecordType),
    /// A GET of a URL, at one of its host's addresses.
    Get(Url),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name, kind) => write!(f, "{name} {kind}"),
            Self::Get(url) => write!(f, "GET {url}"),
        }
    }
}
