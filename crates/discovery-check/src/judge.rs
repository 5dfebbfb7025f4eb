//! From evidence to a report: a pure function, so that a recorded check is judged the same on every machine.

mod answers;
mod connections;
mod documents;
mod summary;
mod words;

use std::collections::BTreeSet;

use discovery_core::{
    Effect, ErrorKind, Fact, Failure, Host, InvalidServerName, Resolved, ServerName, Step,
};
use serde::{Deserialize, Serialize};

use crate::findings::{Finding, Severity, kind, rank, source};
use crate::probe::{DocumentProbe, TargetProbe};
use crate::report::Report;

use summary::report;
pub use words::printable;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Everything that a check saw: a recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// What was typed.
    pub input: String,
    /// The server name that was checked.
    pub name: String,
    /// When the check began, in seconds since 1970.
    pub at_s: u64,
    /// How long it took in milliseconds.
    pub took_ms: u64,
    /// How the lookup ended.
    pub lookup: Lookup,
    /// For how many seconds its result may be kept.
    pub cache_s: Option<u64>,
    /// The hosts and ports that servers use which do not know `_matrix-fed`, where that SRV record decided.
    pub legacy: Option<BTreeSet<String>>,
    /// The document at each address of the name.
    pub documents: Vec<DocumentProbe>,
    /// The homeserver at each address.
    pub targets: Vec<TargetProbe>,
    /// Addresses that were left out, because there are so many.
    pub left_out: usize,
}

/// How a lookup ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookup {
    /// The text is not a server name.
    Invalid(InvalidServerName),
    /// It has a result, or an error.
    Ended(discovery_core::Outcome),
}

/// Limits from which on something is a finding, and findings that are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thresholds {
    /// A certificate that is valid for fewer days is a warning. 14.
    pub certificate_warning_days: i64,
    /// A certificate that is valid for fewer days is an error. 3.
    pub certificate_error_days: i64,
    /// A connection that takes longer, in milliseconds, is a warning. 2,000.
    pub slow_ms: u64,
    /// Ids of findings that are left out. None.
    pub ignore: Vec<String>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            certificate_warning_days: 14,
            certificate_error_days: 3,
            slow_ms: 2000,
            ignore: Vec::new(),
        }
    }
}

/// Judges what a check saw.
pub fn judge(evidence: &Evidence, thresholds: &Thresholds) -> Report {
    let mut judge = Judge {
        evidence,
        thresholds,
        now: i64::try_from(evidence.at_s).unwrap_or(0),
        found: vec![],
    };
    judge.lookup();
    if evidence.resolved().is_some() {
        judge.srv();
        judge.targets();
    }
    let works = evidence.targets.iter().filter(|target| judge.is_good(target)).count();
    // The document matters most where nothing works without it.
    judge
        .well_known(works == 0 && !judge.found.iter().any(|one| one.severity == Severity::Unknown));
    let mut findings = judge.found;
    findings.retain(|finding| !thresholds.ignore.contains(&finding.id));
    findings.sort_by_key(|finding| (finding.severity, rank(&finding.id)));
    report(evidence, findings, works)
}

impl Evidence {
    /// The result of the lookup, if there is one.
    pub fn resolved(&self) -> Option<&Resolved> {
        match &self.lookup {
            Lookup::Ended(Ok(resolved)) => Some(resolved),
            Lookup::Ended(Err(_)) | Lookup::Invalid(_) => None,
        }
    }

    fn decisions(&self) -> &[discovery_core::Decision] {
        match &self.lookup {
            Lookup::Ended(Ok(resolved)) => &resolved.explanation.decisions,
            Lookup::Ended(Err(error)) => &error.explanation.decisions,
            Lookup::Invalid(_) => &[],
        }
    }
}

struct Judge<'a> {
    evidence: &'a Evidence,
    thresholds: &'a Thresholds,
    now: i64,
    found: Vec<Finding>,
}

impl Judge<'_> {
    fn add(
        &mut self,
        id: &str,
        subject: impl ToString,
        detail: impl ToString,
    ) -> Option<&mut Finding> {
        let (subject, detail) = (subject.to_string(), detail.to_string());
        let same = |one: &Finding| one.id == id && (one.detail == detail || detail.is_empty());
        if let Some(at) = self.found.iter().position(same) {
            let finding = self.found.get_mut(at)?;
            if !subject.is_empty() && !finding.subjects.contains(&subject) {
                finding.subjects.push(subject);
            }
            return Some(finding);
        }
        let kind = kind(id)?;
        self.found.push(Finding {
            id: id.to_owned(),
            severity: kind.severity,
            subjects: if subject.is_empty() { vec![] } else { vec![subject] },
            title: kind.title.to_owned(),
            detail,
            fix: kind.fix.to_owned(),
            spec: source(id).to_owned(),
        });
        self.found.last_mut()
    }

    /// Why there is no result.
    fn lookup(&mut self) {
        let name = &self.evidence.name;
        let error = match &self.evidence.lookup {
            Lookup::Invalid(why) => {
                let id = match why {
                    InvalidServerName::Url => "name.url",
                    InvalidServerName::Identifier => "name.user-id",
                    _ if !name.is_ascii() => "name.unicode",
                    _ if name.contains('_') => "name.underscore",
                    _ => "name.invalid",
                };
                self.add(id, name, why);
                return;
            }
            Lookup::Ended(Ok(_)) => return,
            Lookup::Ended(Err(error)) => error,
        };
        let last = error.explanation.decisions.last();
        let question = last.and_then(|last| last.question()).map(ToString::to_string);
        let subject = question.unwrap_or_else(|| name.clone());
        let id = match error.kind {
            ErrorKind::InvalidServerName | ErrorKind::UnresolvableName => "name.invalid",
            ErrorKind::NoAddresses => "dns.no-address",
            ErrorKind::DnsFailure if self.is_resolver_down() => "dns.resolver-down",
            ErrorKind::DnsFailure | ErrorKind::TooManyQueries => "dns.servfail",
            ErrorKind::SrvUnavailable => "srv.not-offered",
            ErrorKind::Blocked => "dns.private-address",
            ErrorKind::TimedOut => "dns.timeout",
            ErrorKind::Local if self.is_resolver_down() => "dns.resolver-down",
            // Its own finding says which.
            ErrorKind::WellKnownInvalid => return,
            _ => "local",
        };
        self.add(id, subject, error);
    }

    /// Whether the name servers of this machine are what failed.
    fn is_resolver_down(&self) -> bool {
        use discovery_core::DnsError;
        self.evidence.decisions().iter().any(|decision| {
            matches!(
                decision.fact(),
                Some(Fact::Failed(Failure::Dns(
                    DnsError::NoServer
                        | DnsError::NoRoute
                        | DnsError::NotListening(_)
                        | DnsError::Rejected(_)
                        | DnsError::Timeout
                        | DnsError::Local
                        | DnsError::Unreachable
                )))
            )
        })
    }

    fn srv(&mut self) {
        for decision in self.evidence.decisions() {
            let subject = decision.question().map(ToString::to_string).unwrap_or_default();
            match &decision.effect {
                Effect::TargetIsAlias | Effect::TargetAliasRejected => {
                    let detail = decision.fact().map(ToString::to_string).unwrap_or_default();
                    let subject = subject.trim_end_matches(" AAAA").trim_end_matches(" A");
                    self.add("srv.target-is-cname", subject, detail);
                }
                Effect::TargetsLeftOut(count) => {
                    self.add("srv.too-many", subject, format!("{count} are left out"));
                }
                _ => {}
            }
        }
        let Some(resolved) = self.evidence.resolved() else { return };
        if matches!(resolved.step, Step::Service | Step::DelegatedService) {
            self.add("srv.deprecated", "", "");
        }
        let places = places(resolved);
        if let Some(legacy) = self.evidence.legacy.as_ref().filter(|legacy| **legacy != places) {
            let list = |all: &BTreeSet<String>| {
                if all.is_empty() {
                    "nowhere".to_owned()
                } else {
                    all.iter().cloned().collect::<Vec<_>>().join(", ")
                }
            };
            self.add(
                "srv.both-differ",
                "",
                format!("_matrix-fed leads to {}, _matrix to {}", list(&places), list(legacy)),
            );
        }
        for target in resolved.targets.iter().filter(|target| target.srv.is_some()) {
            if target.addresses.is_empty() {
                self.add("srv.target-no-address", &target.host, "");
            }
        }
    }
}

/// Hosts and ports of a result.
pub(crate) fn places(resolved: &Resolved) -> BTreeSet<String> {
    resolved.targets.iter().map(|target| format!("{}:{}", target.host, target.port)).collect()
}

/// Whether a document may be fetched for a name: not for IP literals and explicit ports.
pub(crate) fn has_document(name: &ServerName) -> bool {
    name.port().is_none() && matches!(name.host(), Host::Name(_))
}
