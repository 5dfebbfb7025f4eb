//! Results that are ready to be handed out again, until the first of the facts that they rest on expires.
//!
//! Knows nothing of how a result came about.

use std::sync::Arc;

use crate::explain::Decision;
use crate::families::AddressFamily;
use crate::name::ServerName;
use crate::outcome::{FailureKind, Outcome, Resolved, Target, Timeline};
use crate::policy::Policy;
use crate::question::{Known, Question, Standing};
use crate::segments::{Keyed, Segments};
use crate::time::Instant;

/// The memory of one result beside its texts and lists, in bytes: its place, its links, its slot of a table that has just
/// grown, and what is handed out.
const OVERHEAD: usize = 256;

/// One result, ready to be handed out. A line of the processor's cache holds it whole: with a million of them each line that a hit
/// looks at is a miss.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Remembered {
    pub(crate) name: ServerName,
    pub(crate) outcome: Outcome,
    pub(crate) until: Instant,
    /// When its use is a reason to refresh it.
    pub(crate) refresh_at: Instant,
    /// The family that led nowhere when it was told.
    pub(crate) second: Option<AddressFamily>,
    /// Whether that makes a difference: it has addresses of both.
    pub(crate) is_mixed: bool,
    /// Whether it has been handed out from memory.
    pub(crate) is_used: bool,
    /// How often others had taught something when it came about.
    lessons: u32,
}

impl Keyed for Remembered {
    type Key = ServerName;

    fn key(&self) -> &ServerName {
        &self.name
    }
}

impl Remembered {
    fn holds(&self, lessons: u32, second: Option<AddressFamily>, now: Instant) -> bool {
        let in_order = !self.is_mixed || self.second == second;
        // What is at hand first: the outcome lies elsewhere.
        now < self.until && in_order && (self.lessons == lessons || self.outcome.is_ok())
    }
}

/// All results that are remembered.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    kept: Segments<Remembered>,
    lessons: u32,
}

impl Results {
    pub(crate) fn new(policy: &Policy, seed: u64) -> Self {
        let kept = Segments::new(seed, policy.max_results, policy.max_cache_bytes);
        Self { kept, lessons: 0 }
    }

    /// A result that is fresh, and in the order that is right while that family leads nowhere.
    pub(crate) fn get(
        &mut self,
        name: &ServerName,
        second: Option<AddressFamily>,
        now: Instant,
    ) -> Option<&mut Remembered> {
        let lessons = self.lessons;
        self.kept.get(name).filter(|result| result.holds(lessons, second, now))
    }

    /// What was kept last, fresh or not: looked at without using it.
    pub(crate) fn last(&self, name: &ServerName) -> Option<&Outcome> {
        self.kept.peek(name).map(|result| &result.outcome)
    }

    /// Looks without using.
    pub(crate) fn peek(
        &self,
        name: &ServerName,
        second: Option<AddressFamily>,
        now: Instant,
    ) -> Option<&Remembered> {
        self.kept.peek(name).filter(|result| result.holds(self.lessons, second, now))
    }

    /// Facts have come in from others: what has failed so far may not fail any more.
    pub(crate) fn taught(&mut self) {
        self.lessons = self.lessons.wrapping_add(1);
    }

    /// Keeps an outcome, if it is one that would come out again.
    pub(crate) fn remember(
        &mut self,
        name: &ServerName,
        outcome: &Outcome,
        second: Option<AddressFamily>,
        refresh_at: Option<Instant>,
        now: Instant,
    ) {
        let until = match &**outcome {
            // Among several SRV targets each ticket has a draw of its own.
            Ok(resolved) if is_drawn(resolved) => None,
            Ok(resolved) => resolved.fresh_until,
            Err(failed) => failed.retry_at.filter(|_| is_about_the_world(failed.kind)),
        };
        let Some(until) = until.filter(|until| *until > now) else {
            self.kept.remove(name);
            return;
        };
        let outcome = Arc::new(match &**outcome {
            Ok(resolved) => {
                Ok(Resolved { timeline: Timeline::default(), ..Resolved::clone(resolved) })
            }
            Err(failed) => Err(crate::Failed { timeline: Timeline::default(), ..failed.clone() }),
        });
        let weight = weight(name, &outcome);
        let refresh_at = refresh_at.unwrap_or(until);
        let is_used = self.kept.peek(name).is_some_and(|before| before.is_used);
        let name = name.clone();
        let lessons = self.lessons;
        let is_mixed = is_mixed(&outcome);
        let remembered =
            Remembered { name, outcome, until, refresh_at, second, is_mixed, is_used, lessons };
        self.kept.insert(remembered, weight);
    }

    pub(crate) fn forget(&mut self, name: &ServerName) -> bool {
        self.kept.remove(name).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Remembered> {
        self.kept.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.kept.bytes()
    }
}

/// Whether a target has addresses of both families.
fn is_mixed(outcome: &Outcome) -> bool {
    let Ok(resolved) = &**outcome else { return false };
    resolved.targets.iter().any(|target| {
        let v4 = target.addresses.iter().filter(|address| address.is_ipv4()).count();
        v4 > 0 && v4 < target.addresses.len()
    })
}

/// Whether a draw decides the order of targets.
pub(crate) fn is_drawn(resolved: &Resolved) -> bool {
    resolved.targets.iter().filter(|target| target.srv.is_some()).nth(1).is_some()
}

/// Whether a failure is one of the world, rather than of this lookup.
fn is_about_the_world(kind: FailureKind) -> bool {
    match kind {
        FailureKind::NoAddresses
        | FailureKind::DnsFailure
        | FailureKind::SrvUnavailable
        | FailureKind::WellKnownInvalid
        | FailureKind::Gone
        | FailureKind::Blocked => true,
        FailureKind::InvalidServerName
        | FailureKind::UnresolvableName
        | FailureKind::TimedOut
        | FailureKind::Overloaded
        | FailureKind::Local
        | FailureKind::Abandoned => false,
    }
}

fn decisions(outcome: &Outcome) -> &[Decision] {
    match &**outcome {
        Ok(resolved) => &resolved.explanation.decisions,
        Err(failed) => &failed.explanation.decisions,
    }
}

/// When the oldest of the facts behind a result was learnt that were asked for and are no failures; None: there is none.
pub(crate) fn oldest(resolved: &Resolved) -> Option<Instant> {
    let counts = |known: &&Known| {
        let failed = known.fact.is_temporary() || known.standing == Standing::LastGood;
        known.fresh_until.is_some() && !failed
    };
    let facts = resolved.explanation.decisions.iter().filter_map(Decision::known);
    facts.filter(counts).map(|known| known.learnt).min()
}

/// What had to be asked for an outcome.
pub(crate) fn questions(outcome: &Outcome) -> impl Iterator<Item = &Question> {
    decisions(outcome).iter().filter_map(|decision| decision.question())
}

pub(crate) fn weight(name: &ServerName, outcome: &Outcome) -> usize {
    let targets = match &**outcome {
        Ok(resolved) => &*resolved.targets,
        Err(_) => &[][..],
    };
    let facts = decisions(outcome).iter().map(Decision::size).fold(0, usize::saturating_add);
    let targets = targets
        .iter()
        .map(|target| size_of::<Target>().saturating_add(size_of_val(&*target.addresses)));
    let decisions = decisions(outcome).len().saturating_mul(size_of::<Decision>());
    targets
        .fold(OVERHEAD.saturating_add(name.as_str().len()), usize::saturating_add)
        .saturating_add(decisions)
        .saturating_add(facts)
}

#[cfg(test)]
mod tests;
