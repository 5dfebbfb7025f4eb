//! What must come out, in a form that leaves open what the specification leaves to chance: the order within a priority.
//!
//! Knows nothing of how it was found.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use discovery_core::{ErrorKind, Outcome, Resolved, Step, Target, TlsName};

/// The expected outcome of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A result.
    Resolved(ExpectedResult),
    /// A failure.
    Failed(ErrorKind),
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedResult {
    /// Where to connect: groups in the order of priority.
    pub groups: Vec<Group>,
    /// The `Host` header.
    pub host_header: String,
    /// The name that the certificate must be valid for.
    pub tls_name: TlsName,
    /// The step that decided.
    pub step: Step,
}

/// Places of one priority, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The priority; None without SRV records.
    pub priority: Option<u16>,
    /// The places that have addresses.
    pub places: BTreeSet<Place>,
    /// How many records of this priority are used; where that is fewer than there are, which ones is left to chance.
    pub take: usize,
    /// How many records of this priority have no address.
    pub without: usize,
}

/// A host and port to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The host.
    pub host: TlsName,
    /// The port.
    pub port: u16,
    /// Its addresses, in the order to try.
    pub addresses: Vec<IpAddr>,
}

/// How an outcome differs from the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// In what.
    pub what: &'static str,
    /// The expected result.
    pub expected: String,
    /// The outcome.
    pub got: String,
}

impl ExpectedResult {
    pub(super) fn single(place: Place, host_header: String, tls_name: TlsName, step: Step) -> Self {
        let group = Group { priority: None, places: BTreeSet::from([place]), take: 1, without: 0 };
        Self { groups: vec![group], host_header, tls_name, step }
    }

    fn check(&self, done: &Resolved) -> Result<(), Disagreement> {
        let texts = [
            ("step", self.step.to_string(), done.step.to_string()),
            ("host_header", self.host_header.clone(), done.host_header_str().to_owned()),
            ("tls_name", self.tls_name.to_string(), done.tls_name.to_string()),
        ];
        for (what, expected, got) in texts {
            if expected != got {
                return Err(Disagreement { what, expected, got });
            }
        }
        let mut rest = &*done.targets;
        for group in &self.groups {
            let count = rest.iter().take_while(|target| group.holds(target)).count();
            let (these, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let distinct: BTreeSet<Place> = these.iter().map(Place::of).collect();
            // Duplicate records are one place.
            let most = group.take.min(group.places.len());
            let least = group.take.saturating_sub(group.without).min(group.places.len());
            if !(least..=most).contains(&distinct.len()) {
                return Err(self.targets(done));
            }
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(self.targets(done)) }
    }

    fn targets(&self, done: &Resolved) -> Disagreement {
        let got: Vec<Place> = done.targets.iter().map(Place::of).collect();
        Disagreement {
            what: "targets",
            expected: format!("{:?}", self.groups),
            got: format!("{got:?}"),
        }
    }
}

impl Expected {
    /// Whether an outcome is the expected one.
    ///
    /// # Errors
    /// Says how it differs.
    pub fn check(&self, outcome: &Outcome) -> Result<(), Disagreement> {
        match (self, outcome) {
            (Self::Resolved(expected), Ok(done)) => expected.check(done),
            (Self::Failed(expected), Err(failed)) if *expected == failed.kind => Ok(()),
            (_, outcome) => Err(Disagreement {
                what: "outcome",
                expected: match self {
                    Self::Resolved(result) => format!("{result:?}"),
                    Self::Failed(kind) => kind.to_string(),
                },
                got: match outcome {
                    Ok(done) => format!("step {} {:?}", done.step, done.targets),
                    Err(failed) => failed.to_string(),
                },
            }),
        }
    }
}

impl Group {
    /// Every place to connect to, one host after another.
    pub fn socket_addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.places.iter().flat_map(|place| {
            place.addresses.iter().map(|address| SocketAddr::new(*address, place.port))
        })
    }

    fn holds(&self, target: &Target) -> bool {
        let priority = target.srv.map(|rank| rank.priority);
        priority == self.priority && self.places.contains(&Place::of(target))
    }
}

impl Place {
    fn of(target: &Target) -> Self {
        Self { host: target.host.clone(), port: target.port, addresses: target.addresses.to_vec() }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: must be {}, is {}", self.what, self.expected, self.got)
    }
}
