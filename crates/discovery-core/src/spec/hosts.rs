//! The known addresses of one host by family, and the reason if there are none.
//!
//! Knows nothing of what the addresses are for.

use std::net::IpAddr;
use std::sync::Arc;

use crate::address::{AddressFamily, Denied};
use crate::fact::{CachedFact, Fact, Failure, Question};
use crate::name::DnsName;
use crate::outcome::ErrorKind;

/// One family's addresses of a host.
pub(crate) enum Family {
    /// The policy leaves this family out.
    Off,
    /// This question has to be answered first.
    Missing(Question),
    /// This is known.
    Known(Arc<CachedFact>),
}

/// Both families' addresses of one host, with what may be used of them.
pub(crate) struct HostAddresses {
    pub(crate) families: [Family; 2],
    /// The allowed addresses, in the order to try, of the families that have answered; failures of other families do not matter (R130).
    pub(crate) usable: Vec<IpAddr>,
    /// The family that comes second for it leads nowhere.
    pub(crate) second: Option<AddressFamily>,
    pub(crate) denied: Vec<Denied>,
}

impl HostAddresses {
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Question> {
        self.families.iter().filter_map(|family| match family {
            Family::Missing(question) => Some(question),
            Family::Off | Family::Known(_) => None,
        })
    }

    pub(crate) fn known(&self) -> impl Iterator<Item = &Arc<CachedFact>> {
        self.families.iter().filter_map(|family| match family {
            Family::Known(known) => Some(known),
            Family::Off | Family::Missing(_) => None,
        })
    }

    /// Whether the host turned out to be an alias (R62).
    pub(crate) fn is_alias(&self, host: &DnsName) -> bool {
        self.known().any(|known| {
            matches!(&known.fact, Fact::Addresses { alias: Some(_), .. } | Fact::Alias(_))
                || matches!(&known.question, Question::Dns(name, _) if name != host)
        })
    }

    fn failures(&self) -> impl Iterator<Item = Failure> {
        self.known().filter_map(
            |known| {
                if let Fact::Failed(why) = known.fact { Some(why) } else { None }
            },
        )
    }

    /// What having no usable address means: the gravest of the reasons.
    pub(crate) fn trouble(&self) -> Trouble {
        let late = || self.known().any(|known| known.fact == Fact::Late);
        if self.failures().any(Failure::is_local) {
            Trouble::Local
        } else if self.failures().next().is_some() || late() {
            Trouble::Failed
        } else if self.denied.is_empty() {
            Trouble::NotFound
        } else {
            Trouble::Denied
        }
    }
}

/// Why a host has no usable address, the least grave first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    NotFound,
    Denied,
    Failed,
    Local,
}

impl From<Trouble> for ErrorKind {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NotFound => Self::NoAddresses,
            Trouble::Denied => Self::Blocked,
            Trouble::Failed => Self::DnsFailure,
            Trouble::Local => Self::Local,
        }
    }
}
