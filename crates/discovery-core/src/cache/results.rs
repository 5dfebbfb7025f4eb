//! Results that are ready to be handed out again, until the first of the facts that they rest on expires.
//!
//! Knows nothing of how a result came about.

use std::sync::Arc;

use crate::address::AddressFamily;
use crate::cache::slru::{Front, Keyed, Segments};
use crate::config::HashKey;
use crate::fact::{Known, Question, Standing};
use crate::name::ServerName;
use crate::outcome::{Decision, ErrorKind, Outcome, ResolveError, Resolved, Target, Timeline};
use crate::policy::Policy;
use crate::util::Instant;

/// The memory of one result beside its texts and lists, in bytes: its place (36), its links (14), its bucket of a table that has
/// just grown (170), and what is handed out (152).
const OVERHEAD: usize = 372;

/// One result.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) name: ServerName,
    pub(crate) outcome: Outcome,
}

impl Keyed for Remembered {
    type Key = ServerName;
    type Front = Ready;

    fn key(&self) -> &ServerName {
        &self.name
    }
}

impl Remembered {
    /// Until when it may be handed out again; None: it is no outcome that would come out again.
    pub(crate) fn until(&self) -> Option<Instant> {
        until(&self.outcome)
    }
}

/// What has to be known of a result to hand it out again. With its place in the table it takes 64 bytes: among a million of them
/// each further place that a hit looks at is a miss of the processor's caches, one after another.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// Ready to be handed out: to count one more reference is to look at the outcome itself, and that is done for many at once.
    spare: Option<Outcome>,
    until: Instant,
    /// When its use is a reason to refresh it.
    refresh_at: Instant,
    /// How often others had taught something when it came about.
    lessons: u32,
    text: Text,
    kind: Kind,
    /// The family that led nowhere when it was told.
    second: Option<AddressFamily>,
    /// Whether it has been handed out from memory.
    is_used: bool,
}

/// What decides for how long a result holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A failure: what is taught may end it.
    Failed,
    /// Addresses of one family: there is no order between families.
    Plain,
    /// Addresses of both.
    Mixed,
}

/// The first bytes of a name: all of it for most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    /// Filled up with zeros, which no name has.
    bytes: [u8; Self::LEN],
    is_whole: bool,
}

impl Text {
    const LEN: usize = 24;

    fn of(name: &ServerName) -> Self {
        let name = name.as_str().as_bytes();
        let length = name.len().min(Self::LEN);
        let mut bytes = [0; Self::LEN];
        if let (Some(bytes), Some(name)) = (bytes.get_mut(..length), name.get(..length)) {
            bytes.copy_from_slice(name);
        }
        Self { bytes, is_whole: name.len() <= Self::LEN }
    }
}

impl Front<Remembered> for Ready {
    fn is(&self, key: &ServerName) -> Option<bool> {
        let begins = self.text == Text::of(key);
        if begins && !self.text.is_whole { None } else { Some(begins) }
    }

    fn refill(&mut self, entry: &Remembered) {
        self.spare.get_or_insert_with(|| entry.outcome.clone());
    }
}

impl Ready {
    fn holds(&self, lessons: u32, second: Option<AddressFamily>, now: Instant) -> bool {
        let in_order = self.kind != Kind::Mixed || self.second == second;
        now < self.until && in_order && (self.lessons == lessons || self.kind != Kind::Failed)
    }
}

/// A result that is handed out again.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) outcome: Outcome,
    /// Whether it is soon to expire, and worth asking for again.
    pub(crate) is_due: bool,
    /// Whether it is the first time.
    pub(crate) is_first: bool,
}

/// All results that are remembered.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    kept: Segments<Remembered>,
    lessons: u32,
}

impl Results {
    pub(crate) fn new(policy: &Policy, hash_key: HashKey) -> Self {
        let kept = Segments::new(hash_key, policy.max_results, policy.max_cache_bytes);
        Self { kept, lessons: 0 }
    }

    /// A result that is fresh, and in the order that is right while that family leads nowhere.
    pub(crate) fn get(
        &mut self,
        name: &ServerName,
        second: Option<AddressFamily>,
        now: Instant,
    ) -> Option<Hit> {
        let lessons = self.lessons;
        let (ready, entry) = self.kept.get_front(name)?;
        if !ready.holds(lessons, second, now) {
            return None;
        }
        let outcome = ready.spare.take().or_else(|| Some(entry.as_ref()?.outcome.clone()))?;
        Some(Hit {
            outcome,
            // What leads nowhere is not in use.
            is_due: ready.refresh_at <= now && ready.kind != Kind::Failed,
            is_first: !std::mem::replace(&mut ready.is_used, true),
        })
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
    ) -> Option<&Outcome> {
        let ready = self.kept.peek_front(name)?;
        ready.holds(self.lessons, second, now).then(|| self.last(name)).flatten()
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
        let ready = Ready {
            spare: Some(outcome.clone()),
            until,
            refresh_at: refresh_at.unwrap_or(until),
            lessons: self.lessons,
            text: Text::of(name),
            kind: kind(&outcome),
            second,
            is_used: self.kept.peek_front(name).is_some_and(|before| before.is_used),
        };
        self.kept.insert(Remembered { name: name.clone(), outcome }, ready, weight);
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

/// Until when an outcome may be handed out again, if it is one that would come out again.
fn until(outcome: &Outcome) -> Option<Instant> {
    match outcome {
        // Among several SRV targets each ticket has a draw of its own.
        Ok(resolved) if is_drawn(resolved) => None,
        Ok(resolved) => resolved.fresh_until,
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
