//! The explanation: every decision taken, with the question and the fact that caused it.
//!
//! Holds no times: it is a function of the facts alone (I13).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::{AddressFamily, Denied};
use crate::fact::{CachedFact, Fact, Question, UnusableResponse};
use crate::io::Noticed;
use crate::name::{DnsName, InvalidDnsName, InvalidServerName, ServerName};
use crate::outcome::{ErrorKind, Feedback};
use crate::revision::Revision;
use crate::util::Instant;

/// A step of the specification. `Display` and serde use its number in the latest release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// 1: the host is an IP literal.
    #[serde(rename = "1")]
    IpLiteral,
    /// 2: the port is explicit.
    #[serde(rename = "2")]
    ExplicitPort,
    /// 3: the `.well-known` document; decides by one of its sub-steps.
    #[serde(rename = "3")]
    WellKnown,
    /// 3.1: the delegated host is an IP literal.
    #[serde(rename = "3.1")]
    DelegatedIpLiteral,
    /// 3.2: the delegated port is explicit.
    #[serde(rename = "3.2")]
    DelegatedPort,
    /// 3.3: `_matrix-fed` SRV record of the delegated host.
    #[serde(rename = "3.3")]
    DelegatedFedService,
    /// 3.4: `_matrix` SRV record of the delegated host.
    #[serde(rename = "3.4")]
    DelegatedService,
    /// 3.5: port 8448 of the delegated host.
    #[serde(rename = "3.5")]
    DelegatedDefault,
    /// 4: `_matrix-fed` SRV record of the host.
    #[serde(rename = "4")]
    FedService,
    /// 5: `_matrix` SRV record of the host.
    #[serde(rename = "5")]
    Service,
    /// 6: port 8448 of the host.
    #[serde(rename = "6")]
    Default,
}

impl Step {
    /// The stable name of the step, the same in every revision: for scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpLiteral => "ip_literal",
            Self::ExplicitPort => "explicit_port",
            Self::WellKnown => "well_known",
            Self::DelegatedIpLiteral => "delegated_ip_literal",
            Self::DelegatedPort => "delegated_port",
            Self::DelegatedFedService => "delegated_srv_fed",
            Self::DelegatedService => "delegated_srv",
            Self::DelegatedDefault => "delegated_default_port",
            Self::FedService => "srv_fed",
            Self::Service => "srv",
            Self::Default => "default_port",
        }
    }

    /// The number of the step in the text of a revision. Before v1.8 there is no `_matrix-fed`, and later steps have lower
    /// numbers.
    pub const fn number_in(self, revision: Revision) -> &'static str {
        match (revision, self) {
            (Revision::V1_8, _) => self.number(),
            (_, Self::DelegatedService) => "3.3",
            (_, Self::DelegatedDefault) => "3.4",
            (_, Self::Service) => "4",
            (_, Self::Default) => "5",
            _ => self.number(),
        }
    }

    /// The number of the step in the latest release.
    pub const fn number(self) -> &'static str {
        match self {
            Self::IpLiteral => "1",
            Self::ExplicitPort => "2",
            Self::WellKnown => "3",
            Self::DelegatedIpLiteral => "3.1",
            Self::DelegatedPort => "3.2",
            Self::DelegatedFedService => "3.3",
            Self::DelegatedService => "3.4",
            Self::DelegatedDefault => "3.5",
            Self::FedService => "4",
            Self::Service => "5",
            Self::Default => "6",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.number())
    }
}

/// Every decision taken for one name, in the specification's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Explanation {
    /// The decisions.
    pub decisions: Box<[Decision]>,
}

/// One decision.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Told", into = "Told")]
pub struct Decision {
    /// The step of the specification that it belongs to.
    pub step: Step,
    cause: Cause,
    /// What follows from it.
    pub effect: Effect,
}

/// Facts are shared with memory: results are remembered by the million.
#[derive(Clone)]
enum Cause {
    Nothing,
    Question(Box<Question>),
    Fact(Arc<CachedFact>),
}

/// A decision as data.
#[derive(Serialize, Deserialize)]
struct Told {
    step: Step,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    question: Option<Question>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fact: Option<Fact>,
    effect: Effect,
    /// What was noticed about the name server that the fact came from.
    #[serde(default, skip_serializing_if = "Noticed::is_nothing")]
    noticed: Noticed,
}

impl Decision {
    pub(crate) fn with_fact(step: Step, known: Arc<CachedFact>, effect: Effect) -> Self {
        Self { step, cause: Cause::Fact(known), effect }
    }

    pub(crate) fn without_fact(step: Step, question: Option<Question>, effect: Effect) -> Self {
        let cause = question.map_or(Cause::Nothing, |question| Cause::Question(question.into()));
        Self { step, cause, effect }
    }

    /// What was asked, if anything had to be.
    pub fn question(&self) -> Option<&Question> {
        match &self.cause {
            Cause::Nothing => None,
            Cause::Question(question) => Some(question),
            Cause::Fact(known) => Some(&known.question),
        }
    }

    /// What the world said to the question.
    pub fn fact(&self) -> Option<&Fact> {
        match &self.cause {
            Cause::Nothing | Cause::Question(_) => None,
            Cause::Fact(known) => Some(&known.fact),
        }
    }

    /// The fact, and when it was learnt.
    pub(crate) fn known(&self) -> Option<&CachedFact> {
        match &self.cause {
            Cause::Nothing | Cause::Question(_) => None,
            Cause::Fact(known) => Some(known),
        }
    }

    /// The memory beside this value, in bytes.
    pub(crate) fn size(&self) -> usize {
        match &self.cause {
            Cause::Nothing => 0,
            Cause::Question(_) => size_of::<Question>(),
            // Shared with memory, but it may also be all that is left of it.
            Cause::Fact(known) => known.size(),
        }
    }

    /// Without times: they are no part of an explanation.
    fn parts(&self) -> (Step, Option<&Question>, Option<&Fact>, &Effect) {
        (self.step, self.question(), self.fact(), &self.effect)
    }
}

impl PartialEq for Decision {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Decision {}

impl Hash for Decision {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, question, fact, effect) = self.parts();
        let mut told = f.debug_struct("Decision");
        told.field("step", &step).field("question", &question).field("fact", &fact);
        told.field("effect", effect).finish()
    }
}

impl From<Told> for Decision {
    fn from(told: Told) -> Self {
        let Told { step, question, fact, effect, noticed } = told;
        match (question, fact) {
            (Some(question), Some(fact)) => {
                let known = CachedFact {
                    noticed,
                    ..CachedFact::new(question, fact, Instant::ORIGIN, None)
                };
                Self::with_fact(step, Arc::new(known), effect)
            }
            // No fact is told without its question.
            (question, _) => Self::without_fact(step, question, effect),
        }
    }
}

impl From<Decision> for Told {
    fn from(decision: Decision) -> Self {
        let (step, question, fact, effect) = decision.parts();
        let (question, fact, effect) = (question.cloned(), fact.cloned(), effect.clone());
        let noticed = decision.known().map(|known| known.noticed).unwrap_or_default();
        Self { step, question, fact, effect, noticed }
    }
}

/// A place that comes behind all others for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MovedBack {
    /// The place.
    pub place: SocketAddr,
    /// How it fails.
    pub said: Feedback,
}

/// What follows from a fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// The text is no server name.
    InvalidServerName(InvalidServerName),
    /// Nothing can be asked for under this name.
    UnresolvableName(InvalidDnsName),
    /// The host is an IP literal: nothing is asked.
    IpLiteral(IpAddr),
    /// The port is explicit: no `.well-known`, no SRV.
    ExplicitPort(u16),
    /// The document delegates to this server name.
    Delegated(ServerName),
    /// The redirect or alias is followed.
    Followed,
    /// The redirect leads where the chain has been before (R112): no document.
    RedirectLoop,
    /// More redirects than the policy allows: no document.
    TooManyRedirects,
    /// No document: on at step 4.
    NoDocument,
    /// The host of the document has no address that may be used: no document.
    NoAddressForDocument,
    /// An invalid document ends the lookup in this revision (R75).
    Aborted,
    /// SRV records: these targets are used, in the order of priority; the draw of weights is not part of the
    /// explanation.
    Services,
    /// No such SRV record: on to the next step.
    NotFound,
    /// The failure counts as "not found", as the policy says.
    CountsAsNotFound,
    /// The only target is `.`: the service is not offered (R87).
    NotOffered,
    /// Target dropped: `.` among others, or port 0 (R87, R92).
    TargetDropped(DnsName),
    /// The target is an alias, which RFC 2782 forbids (R62); followed all the same.
    TargetIsAlias,
    /// The target is an alias and is dropped, as the policy says.
    TargetAliasRejected,
    /// More targets than the policy allows: so many were left out.
    TargetsLeftOut(usize),
    /// These addresses are used.
    Used,
    /// These addresses are used; they are from the hosts file.
    UsedFromHostsFile,
    /// No address of this family.
    NoAddress,
    /// The address may not be connected to.
    Denied(Box<Denied>),
    /// The last good answer is used, for no newer one could be had (RFC 8767).
    Stale,
    /// The question was not waited for any longer; the result lacks what it would have brought.
    WentWithout,
    /// The question could not be answered; what other questions brought is used.
    DidWithout,
    /// Port 8448 is used.
    DefaultPort,
    /// In this revision `Host` of a delegated IP carries the port even if none was given (R76).
    HostWithDefaultPort,
    /// The addresses of this family come behind the other's: it leads nowhere from here, as far as is remembered.
    TriedSecond(AddressFamily),
    /// This place comes behind all others for a while: a caller has told how it fails.
    MovedBack(Box<MovedBack>),
    /// The lookup fails, in this way.
    Failed(ErrorKind),
}

impl Explanation {
    /// The decisive facts in one line: how the result was reached, or why there is none.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for decision in &*self.decisions {
            if let Some(part) = decision.headline() {
                parts.push(part);
            }
        }
        parts.join(" → ")
    }
}

impl Decision {
    /// A few words for the one-line summary; none for details.
    fn headline(&self) -> Option<String> {
        let delegated = if self.step.number().starts_with("3.") { "delegated " } else { "" };
        let service = || match self.question() {
            Some(Question::Dns(name, _)) => name.labels().next().unwrap_or_default().to_owned(),
            Some(Question::Get(_)) | None => String::new(),
        };
        let fact = || self.fact().map_or_else(String::new, ToString::to_string);
        match &self.effect {
            Effect::InvalidServerName(why) => Some(format!("not a server name: {why}")),
            Effect::UnresolvableName(why) => Some(format!("not resolvable: {why}")),
            Effect::IpLiteral(_) => Some(format!("{delegated}IP literal")),
            Effect::ExplicitPort(_) => Some(format!("{delegated}port")),
            Effect::Delegated(_) => Some("well-known".to_owned()),
            Effect::RedirectLoop => Some("no well-known (redirect loop)".to_owned()),
            Effect::TooManyRedirects => Some("no well-known (too many redirects)".to_owned()),
            Effect::NoDocument => Some(match self.fact() {
                Some(Fact::Unusable(UnusableResponse::Status(status))) => {
                    format!("no well-known ({status})")
                }
                _ => format!("no well-known ({})", fact()),
            }),
            Effect::NoAddressForDocument => Some("no well-known (no address)".to_owned()),
            Effect::Aborted => Some(format!("well-known aborts ({})", fact())),
            Effect::Services => Some(format!("{delegated}{} SRV", service())),
            Effect::NotFound => Some(format!("no {delegated}{} SRV ({})", service(), fact())),
            Effect::CountsAsNotFound => {
                Some(format!("no {delegated}{} SRV ({})", service(), fact()))
            }
            Effect::NotOffered => Some(format!("{delegated}{} SRV: not offered", service())),
            Effect::DefaultPort => Some(format!("{delegated}port 8448")),
            Effect::Failed(kind) => Some(match self.question() {
                Some(question) => format!("{kind}: {question}: {}", fact()),
                None => kind.to_string(),
            }),
            Effect::Denied(denied) => Some(format!("denied: {denied}")),
            Effect::Stale => Some("last good answer".to_owned()),
            Effect::MovedBack(moved) => {
                Some(format!("{} moved back ({})", moved.place, moved.said))
            }
            Effect::WentWithout => Some(match self.question() {
                Some(question) => format!("without {question} (late)"),
                None => "late".to_owned(),
            }),
            Effect::Followed
            | Effect::TargetDropped(_)
            | Effect::TargetIsAlias
            | Effect::TargetAliasRejected
            | Effect::TargetsLeftOut(_)
            | Effect::Used
            | Effect::UsedFromHostsFile
            | Effect::NoAddress
            | Effect::DidWithout
            | Effect::TriedSecond(_)
            | Effect::HostWithDefaultPort => None,
        }
    }
}

impl fmt::Display for Explanation {
    /// One decision a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for decision in &*self.decisions {
            writeln!(f, "{decision}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4}", self.step)?;
        if let Some(question) = self.question() {
            write!(f, "{question}: ")?;
        }
        if let Some(fact) = self.fact() {
            write!(f, "{fact}: ")?;
        }
        self.effect.fmt(f)?;
        let noticed = self.known().map(|known| known.noticed).unwrap_or_default();
        if noticed.folds_letters {
            f.write_str(" (asked over TCP: the name server does not keep the letter case)")?;
        }
        if noticed.rejects_edns {
            f.write_str(" (asked without EDNS: the name server rejects it)")?;
        }
        Ok(())
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidServerName(why) => write!(f, "not a server name: {why}"),
            Self::UnresolvableName(why) => write!(f, "nothing can be asked for: {why}"),
            Self::IpLiteral(ip) => write!(f, "{ip} is an IP literal, nothing is asked"),
            Self::ExplicitPort(port) => write!(f, "port {port} is explicit, no well-known, no SRV"),
            Self::Delegated(name) => write!(f, "delegated to {name}"),
            Self::Followed => f.write_str("followed"),
            Self::RedirectLoop => f.write_str("redirects lead in a circle, no document"),
            Self::TooManyRedirects => f.write_str("too many redirects, no document"),
            Self::NoDocument => f.write_str("no document, on at step 4"),
            Self::NoAddressForDocument => {
                f.write_str("no address to get the document from, on at step 4")
            }
            Self::Aborted => f.write_str("this revision aborts on an invalid document"),
            Self::Services => f.write_str("found"),
            Self::NotFound => f.write_str("not found"),
            Self::CountsAsNotFound => f.write_str("counts as not found, as the policy says"),
            Self::NotOffered => f.write_str("the service is not offered"),
            Self::TargetDropped(target) => write!(f, "target {target} is of no use and is dropped"),
            Self::TargetIsAlias => {
                f.write_str("an SRV target must not be an alias (RFC 2782); followed all the same")
            }
            Self::TargetAliasRejected => {
                f.write_str("an SRV target must not be an alias (RFC 2782); dropped")
            }
            Self::TargetsLeftOut(count) => write!(f, "{count} more targets are left out"),
            Self::Used => f.write_str("used"),
            Self::UsedFromHostsFile => f.write_str("used, from /etc/hosts"),
            Self::NoAddress => f.write_str("no address"),
            Self::Denied(denied) => {
                write!(f, "denied: {denied}; the address policy may allow it")
            }
            Self::Stale => f.write_str("the last good answer, for no newer one could be had"),
            Self::WentWithout => f.write_str("not waited for, the result lacks it"),
            Self::DidWithout => f.write_str("did without"),
            Self::TriedSecond(family) => {
                write!(f, "{family} comes second, it has led nowhere lately")
            }
            Self::MovedBack(moved) => {
                let MovedBack { place, said } = &**moved;
                write!(f, "{place} comes behind all others, as a caller has told: {said}")
            }
            Self::DefaultPort => f.write_str("no SRV record was found, port 8448"),
            Self::HostWithDefaultPort => f.write_str("this revision's Host carries the port"),
            Self::Failed(kind) => write!(f, "{kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_v1_8_later_steps_have_lower_numbers() {
        let steps = [Step::Service, Step::Default, Step::DelegatedService, Step::DelegatedDefault];
        let numbers = |revision| steps.map(|step| step.number_in(revision));
        assert_eq!(numbers(Revision::V1_8), ["5", "6", "3.4", "3.5"]);
        for revision in [Revision::V1_7, Revision::DraftOld, Revision::DraftNew] {
            assert_eq!(numbers(revision), ["4", "5", "3.3", "3.4"]);
        }
        assert_eq!(Step::ExplicitPort.number_in(Revision::V1_7), "2");
        assert_eq!(Step::Service.name(), "srv");
    }
}
