//! Questions: what a resolution asks DNS and web servers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::io::RecordType;
use crate::name::{DnsName, Url};

/// One question to the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Records of a name, by type.
    Dns(DnsName, RecordType),
    /// One GET of one URL, at whichever of its host's addresses answers.
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
