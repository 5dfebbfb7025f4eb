//! The releases of the specification, and which of four behaviours each one has.
//!
//! Knows nothing of how a behaviour is carried out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The revision of "Resolving server names" to follow. Releases with the same text share a value.
///
/// Any release's name parses (`r0.1.3`, `v1.11`, `latest`), as do the two columns of the 2019 change that was never released as
/// it stands (`draft-old`, `draft-new`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Revision {
    /// The left column: `Host` without port in step 2 and for a delegated IP (R132, R133); an invalid document aborts (R75).
    DraftOld,
    /// The right column: `Host` with port in step 2 and for a delegated IP (R71, R76); an invalid document aborts (R75).
    DraftNew,
    /// r0.1.0 to v1.7: no `_matrix-fed` (R78).
    V1_7,
    /// v1.8 and later: `_matrix-fed` first, `_matrix` deprecated (R51, R55).
    #[default]
    V1_8,
}

/// A text that names no release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRevision;

impl Revision {
    /// One revision of every behaviour.
    pub const ALL: [Self; 4] = [Self::DraftOld, Self::DraftNew, Self::V1_7, Self::V1_8];
    /// The last release that this version implements.
    pub const LATEST_RELEASE: &'static str = "v1.19";

    /// Whether this is one of the two drafts of 2019.
    pub(crate) const fn is_draft(self) -> bool {
        matches!(self, Self::DraftOld | Self::DraftNew)
    }

    /// The SRV services to look up, in order (R51, R55, R78).
    pub(crate) const fn services(self) -> &'static [&'static str] {
        match self {
            Self::DraftOld | Self::DraftNew | Self::V1_7 => &["_matrix"],
            Self::V1_8 => &["_matrix-fed", "_matrix"],
        }
    }
}

impl FromStr for Revision {
    type Err = UnknownRevision;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let minor = |prefix: &str, range: std::ops::RangeInclusive<u8>| {
            let digits = text.strip_prefix(prefix)?;
            let canonical = !digits.starts_with(['0', '+']) || digits == "0";
            digits.parse().ok().filter(|minor| canonical && range.contains(minor))
        };
        match text {
            "draft-old" => Ok(Self::DraftOld),
            "draft-new" => Ok(Self::DraftNew),
            "latest" => Ok(Self::V1_8),
            _ if minor("r0.1.", 0..=4).is_some() || minor("v1.", 1..=7).is_some() => Ok(Self::V1_7),
            _ if minor("v1.", 8..=19).is_some() => Ok(Self::V1_8),
            _ => Err(UnknownRevision),
        }
    }
}

impl TryFrom<String> for Revision {
    type Error = UnknownRevision;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        revision.to_string()
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::DraftOld => "draft-old",
            Self::DraftNew => "draft-new",
            Self::V1_7 => "v1.7",
            Self::V1_8 => Self::LATEST_RELEASE,
        })
    }
}

impl fmt::Display for UnknownRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a release of the specification: r0.1.0 to r0.1.4, v1.1 to {}, latest, draft-old or draft-new",
            Revision::LATEST_RELEASE
        )
    }
}

impl std::error::Error for UnknownRevision {}

#[cfg(test)]
mod tests;
