//! The explanation: every decision taken, with the question and the fact that caused it.
//!
//! Holds no times: it is a function of the facts alone (I13).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fact::{CachedFact, Fact, Question, UnusableResponse};
use crate::io::Noticed;
use crate::outcome::{Effect, Step};
use crate::util::Instant;

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

    /// The question, if there was one.
    pub fn question(&self) -> Option<&Question> {
        match &self.cause {
            Cause::Nothing => None,
            Cause::Question(question) => Some(question),
            Cause::Fact(known) => Some(&known.question),
        }
    }

    /// The answer to the question.
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

    /// The heap memory of this value, in bytes.
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
            Effect::Failed(kind) => Some(match (self.question(), self.fact()) {
                (Some(question), Some(fact)) => format!("{kind}: {question}: {fact}"),
                (Some(question), None) => format!("{kind}: {question}"),
                (None, _) => kind.to_string(),
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
    /// One decision per line.
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
