//! What can be the matter with a name server.

use std::time::Duration;

use discovery_core::RecordType;

use super::DnsOutcome;

/// What is the matter with one name server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFault {
    /// What it says to everything; None: what the zone says.
    pub outcome: Option<DnsOutcome>,
    /// How much longer it takes than others.
    pub after: Duration,
    /// What it does with queries that carry an OPT record; None: it knows EDNS.
    pub edns: Option<NoEdns>,
    /// Whether it repeats the question in lower case, whatever was sent.
    pub folds: bool,
    /// Whether it never answers over UDP.
    pub udp_silent: bool,
    /// Whether its error replies come without the question.
    pub bare: bool,
    /// The only type of questions that the four fields above concern; None: all.
    pub only: Option<RecordType>,
}

/// What a name server that does not know EDNS does with a query that carries an OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoEdns {
    /// It does not reply.
    Silent,
    /// Its reply ends within the question: to the machine, silence.
    Cut,
    /// It says FORMERR.
    FormErr,
    /// It says NOTIMP.
    NotImp,
    /// It says SERVFAIL.
    ServFail,
    /// It says BADVERS, though the version is 0.
    BadVers,
}

impl ServerFault {
    /// The same for questions of one type: without what does not concern that type.
    #[must_use]
    pub fn about(&self, kind: RecordType) -> Self {
        if self.only.is_none_or(|only| only == kind) {
            return self.clone();
        }
        Self { outcome: self.outcome.clone(), after: self.after, ..Self::default() }
    }
}
