//! The cache of results, each until the first of its facts expires.
//!
//! Knows nothing of how a result came about.
//!
//! With several SRV targets no result is cached, because each lookup draws its own order of weights. When the preferred
//! address family changes, results with addresses of both families are computed again; sorting at every hit would cost
//! more, since hits are frequent and such changes are rare.

use std::sync::Arc;

use crate::address::AddressFamily;
use crate::cache::slru::{Keyed, SegmentedLru};
use crate::config::HashKey;
use crate::fact::{CachedFact, Question, Standing};
use crate::name::ServerName;
use crate::outcome::{Decision, ErrorKind, Outcome, ResolveError, Resolved, Target, Timeline};
use crate::policy::Policy;
use crate::util::Instant;

/// The memory of one result beside its texts and lists, in bytes: its slot (96), its links (8) and its bucket of a table that has
/// just grown (41), with the eighth that lists grow by, and what is handed out (168).
const OVERHEAD: usize = 328;

/// One result, and what decides for how long it holds.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) name: ServerName,
    pub(crate) outcome: Outcome,
    until: Instant,
    /// When its use is a reason to refresh it.
    refresh_at: Instant,
    /// The number of imports with new facts at the time of the result.
    lessons: u32,
    kind: Kind,
    /// The address family that was failing at the time of the result.
    second: Option<AddressFamily>,
    /// Whether it has been returned from the cache.
    is_used: bool,
}

/// What limits the lifetime of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An error: imported facts may end it.
    Failed,
    /// Addresses of one family: there is no order between families.
    Plain,
    /// Addresses of both.
    Mixed,
}

impl Keyed for Remembered {
    type Key = ServerName;

    fn key(&self) -> &ServerName {
        &self.name
    }
}

impl Remembered {
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now < self.until
    }

    fn holds(&self, lessons: u32, second: Option<AddressFamily>, now: Instant) -> bool {
        let in_order = self.kind != Kind::Mixed || self.second == second;
        self.is_fresh(now) && in_order && (self.lessons == lessons || self.kind != Kind::Failed)
    }
}

/// A cached result.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) outcome: Outcome,
    /// Whether it is soon to expire, and worth asking for again.
    pub(crate) is_due: bool,
    /// Whether this is the first use of the result.
    pub(crate) is_first: bool,
}

/// All cached results.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    kept: SegmentedLru<Remembered>,
    lessons: u32,
}

impl Results {
    pub(crate) fn new(policy: &Policy, hash_key: HashKey) -> Self {
        let kept = SegmentedLru::new(hash_key, policy.cache.max_results, policy.cache.max_bytes);
        Self { kept, lessons: 0 }
    }

    /// Results of another policy could be others.
    pub(crate) fn set_policy(&mut self, policy: &Policy) {
        self.kept.clear();
        self.kept.set_limits(policy.cache.max_results, policy.cache.max_bytes);
    }

    /// The fresh result of a name, if its order is right for the family that is failing now.
    pub(crate) fn get(
        &mut self,
        name: &ServerName,
        second: Option<AddressFamily>,
        now: Instant,
    ) -> Option<Hit> {
        let lessons = self.lessons;
        let kept = self.kept.get(name).filter(|kept| kept.holds(lessons, second, now))?;
        Some(Hit {
            outcome: kept.outcome.clone(),
            // What fails is not in use.
            is_due: kept.refresh_at <= now && kept.kind != Kind::Failed,
            is_first: !std::mem::replace(&mut kept.is_used, true),
        })
    }

    /// The cached result, fresh or not, without marking it as used.
    pub(crate) fn last(&self, name: &ServerName) -> Option<&Outcome> {
        self.kept.peek(name).map(|result| &result.outcome)
    }

    /// Looks without using.
    pub(crate) fn peek(
        &self,
        name: &ServerName,
        second: Option<AddressFamily>,
        now: Instant,
    ) -> Option<&Outcome> {
        let kept = self.kept.peek(name).filter(|kept| kept.holds(self.lessons, second, now))?;
        Some(&kept.outcome)
    }

    /// Facts have come in from others: what has failed so far may not fail any more.
    pub(crate) fn taught(&mut self) {
        self.lessons = self.lessons.wrapping_add(1);
    }

    /// Caches an outcome, unless another lookup could have another one.
    pub(crate) fn remember(
        &mut self,
        name: &ServerName,
        outcome: &Outcome,
        second: Option<AddressFamily>,
        refresh_at: Option<Instant>,
        now: Instant,
    ) {
        let Some(until) = until(outcome).filter(|until| *until > now) else {
            self.kept.remove(name);
            return;
        };
        let timeline = Timeline::default();
        let outcome = match outcome {
            Ok(resolved) => Ok(Arc::new(Resolved { timeline, ..Resolved::clone(resolved) })),
            Err(error) => Err(Arc::new(ResolveError { timeline, ..ResolveError::clone(error) })),
        };
        let weight = weight(name, &outcome);
        let kept = Remembered {
            name: name.clone(),
            until,
            refresh_at: refresh_at.unwrap_or(until),
            lessons: self.lessons,
            kind: kind(&outcome),
            second,
            is_used: self.kept.peek(name).is_some_and(|before| before.is_used),
            outcome,
        };
        self.kept.insert(kept, weight);
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

/// The time until which an outcome can be returned again; `None` if another lookup could have another outcome.
fn until(outcome: &Outcome) -> Option<Instant> {
    match outcome {
        // Among several SRV targets each ticket has a draw of its own.
        Ok(resolved) if is_drawn(resolved) => None,
        Ok(resolved) => resolved.expires,
        Err(failed) => failed.retry_after.filter(|_| is_about_the_world(failed.kind)),
    }
}

/// Mixed where a target has addresses of both families.
fn kind(outcome: &Outcome) -> Kind {
    let Ok(resolved) = outcome else { return Kind::Failed };
    let is_mixed = resolved.targets.iter().any(|target| {
        let v4 = target.addresses.iter().filter(|address| address.is_ipv4()).count();
        v4 > 0 && v4 < target.addresses.len()
    });
    if is_mixed { Kind::Mixed } else { Kind::Plain }
}

/// Whether a draw decides the order of targets.
pub(crate) fn is_drawn(resolved: &Resolved) -> bool {
    resolved.targets.iter().filter(|target| target.srv.is_some()).nth(1).is_some()
}

/// Whether a failure is one of the world, rather than of this lookup.
fn is_about_the_world(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::NoAddresses
        | ErrorKind::DnsFailure
        | ErrorKind::SrvUnavailable
        | ErrorKind::WellKnownInvalid
        | ErrorKind::Gone
        | ErrorKind::Blocked => true,
        ErrorKind::InvalidServerName
        | ErrorKind::UnresolvableName
        | ErrorKind::TooManyQueries
        | ErrorKind::TimedOut
        | ErrorKind::Overloaded
        | ErrorKind::Local
        | ErrorKind::Abandoned => false,
    }
}

fn decisions(outcome: &Outcome) -> &[Decision] {
    match outcome {
        Ok(resolved) => &resolved.explanation.decisions,
        Err(failed) => &failed.explanation.decisions,
    }
}

/// When the oldest of the facts behind a result was learnt that were asked for and are no failures; None: there is none.
pub(crate) fn oldest(resolved: &Resolved) -> Option<Instant> {
    let counts = |known: &&CachedFact| {
        let failed = known.fact.is_temporary() || known.standing == Standing::Stale;
        known.expires.is_some() && !failed
    };
    let facts = resolved.explanation.decisions.iter().filter_map(Decision::known);
    facts.filter(counts).map(|known| known.learnt).min()
}

/// The questions behind an outcome.
pub(crate) fn questions(outcome: &Outcome) -> impl Iterator<Item = &Question> {
    decisions(outcome).iter().filter_map(|decision| decision.question())
}

pub(crate) fn weight(name: &ServerName, outcome: &Outcome) -> usize {
    let targets = match outcome {
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
