//! Checks imported facts: whether each can be an answer to its question, and can have been cached.
//!
//! Knows nothing of texts. Whom addresses belong to is no matter here: they are judged when they are read.

use std::fmt;
use std::net::IpAddr;

use super::Exported;
use crate::fact::from_dns::{MAX_ADDRESSES, MAX_RECORDS};
use crate::fact::lifetime::MAX_FAILURES;
use crate::fact::{Fact, Failure, NotFound, Question, UnusableResponse};
use crate::io::RecordType;
use crate::name::{DnsName, Host};

/// Why a fact of an export is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Impossible {
    /// No question has the root as its name.
    Root,
    /// The fact answers a question of another kind.
    OtherQuestion,
    /// The addresses are none, too many, the same, or of the other family.
    Addresses,
    /// The services are none, or too many.
    Services,
    /// The name is an alias of itself.
    AliasLoop,
    /// The document names a server that cannot be resolved.
    Unresolvable,
    /// A status that is none, or that says more than that it is of no use.
    Status,
    /// It was not waited for, or it is a failure of that resolver's own side: no fact about the world.
    OwnSide,
    /// It is known without a query and never cached.
    NotKept,
    /// Failures are counted where there are none, none where there are, or too many.
    Failures,
    /// There is a last good fact beside one that is no failure that may pass, or it is such a failure itself.
    Stale,
}

impl Exported {
    pub(super) fn check(&self) -> Result<(), Impossible> {
        possible(&self.question, &self.fact)?;
        let temporary = self.fact.is_temporary();
        if temporary != (1..=MAX_FAILURES).contains(&self.failures)
            || (!temporary && self.failures != 0)
        {
            return Err(Impossible::Failures);
        }
        let Some(good) = &self.good else { return Ok(()) };
        if !temporary || good.fact.is_temporary() {
            return Err(Impossible::Stale);
        }
        possible(&self.question, &good.fact)
    }
}

/// Whether a fact can be what the world said to a question.
fn possible(question: &Question, fact: &Fact) -> Result<(), Impossible> {
    match question {
        Question::Dns(name, _) if name.is_root() => Err(Impossible::Root),
        Question::Dns(name, kind) => possible_record(name, *kind, fact),
        Question::Get(_) => possible_document(fact),
    }
}

fn possible_record(name: &DnsName, kind: RecordType, fact: &Fact) -> Result<(), Impossible> {
    let services = kind == RecordType::Srv;
    match fact {
        Fact::Addresses { addresses, alias } if !services => {
            let of_family = |ip: &IpAddr| ip.is_ipv4() == (kind == RecordType::A);
            // Of few alone is each compared with each: a line has room for a hundred thousand.
            if !(1..=MAX_ADDRESSES).contains(&addresses.len()) || !addresses.iter().all(of_family) {
                return Err(Impossible::Addresses);
            }
            let mut several = addresses.iter().enumerate();
            if several.any(|(at, ip)| addresses.iter().take(at).any(|other| other == ip)) {
                return Err(Impossible::Addresses);
            }
            not_itself(name, alias.as_ref())
        }
        Fact::Services(all) if services => {
            let possible = (1..=MAX_RECORDS).contains(&all.len());
            if possible { Ok(()) } else { Err(Impossible::Services) }
        }
        Fact::UnusableServices if services => Ok(()),
        Fact::Alias(target) => not_itself(name, Some(target)),
        Fact::NotFound(NotFound::NxDomain | NotFound::NoData) => Ok(()),
        Fact::NotFound(NotFound::SpecialName | NotFound::Static | NotFound::HostsFile) => {
            Err(Impossible::NotKept)
        }
        Fact::Failed(why) if why.is_local() => Err(Impossible::OwnSide),
        Fact::Late | Fact::Failed(Failure::TooManyQueries) => Err(Impossible::OwnSide),
        Fact::Failed(
            Failure::Dns(_) | Failure::AliasLoop | Failure::TooManyAliases | Failure::UnusableAlias,
        ) => Ok(()),
        Fact::Addresses { .. }
        | Fact::Services(_)
        | Fact::UnusableServices
        | Fact::Document(_)
        | Fact::Redirect(_)
        | Fact::Unusable(_)
        | Fact::Failed(Failure::Http(_)) => Err(Impossible::OtherQuestion),
    }
}

fn not_itself(name: &DnsName, alias: Option<&DnsName>) -> Result<(), Impossible> {
    if alias == Some(name) { Err(Impossible::AliasLoop) } else { Ok(()) }
}

fn possible_document(fact: &Fact) -> Result<(), Impossible> {
    match fact {
        Fact::Document(name) => match name.host() {
            Host::Name(host) if DnsName::host(host).is_err() => Err(Impossible::Unresolvable),
            Host::Name(_) | Host::Ip(_) => Ok(()),
        },
        Fact::Unusable(UnusableResponse::Status(status)) => match status {
            200 | 301 | 302 | 303 | 307 | 308 => Err(Impossible::Status),
            100..=999 => Ok(()),
            _ => Err(Impossible::Status),
        },
        // A URL that can't be fetched is no URL.
        Fact::Redirect(_)
        | Fact::Unusable(UnusableResponse::Document(_) | UnusableResponse::Redirect(_)) => Ok(()),
        Fact::Failed(why) if why.is_local() => Err(Impossible::OwnSide),
        Fact::Late => Err(Impossible::OwnSide),
        Fact::Failed(Failure::Http(_)) => Ok(()),
        Fact::Addresses { .. }
        | Fact::Services(_)
        | Fact::UnusableServices
        | Fact::Alias(_)
        | Fact::NotFound(_)
        | Fact::Failed(_) => Err(Impossible::OtherQuestion),
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "no question has the root as its name",
            Self::OtherQuestion => "the fact answers a question of another kind",
            Self::Addresses => "its addresses are none, too many, the same, or of the other family",
            Self::Services => "its services are none, or too many",
            Self::AliasLoop => "a name is no alias of itself",
            Self::Unresolvable => "its document names a server that can't be resolved",
            Self::Status => "its status is none, or says more than that it is of no use",
            Self::OwnSide => "it is no fact about the world",
            Self::NotKept => "it is known without asking",
            Self::Failures => "its failures are counted wrongly",
            Self::Stale => "no last good fact belongs there",
        })
    }
}

impl std::error::Error for Impossible {}
