//! The cache of facts: fresh ones, expired ones that may be served stale, and failures in their back-off.
//!
//! Knows no step of the specification. What is in flight is not here, so it can't be evicted.
//!
//! When a question fails, `learn` stores the failure and returns the stale fact that replaces it. The replacement happens
//! in this one place, so the specification's function does not know of staleness; the explanation reports it.
//!
//! A fact carries its question and is shared by the cache, the lookups that read it and their explanations. The weight of
//! a cached result counts its facts again, because it may outlive them in the cache: the bound on memory holds for any
//! input.

use std::sync::Arc;

use crate::cache::changes::Changes;
use crate::cache::life::InMemory;
use crate::cache::slru::{Keyed, SegmentedLru};
use crate::cache::staleness::{in_place_of, is_due, is_usable};
use crate::config::HashKey;
use crate::fact::lifetime::Failures;
use crate::fact::{CachedFact, Fact, Failure, Question};
use crate::name::DnsName;
use crate::policy::Policy;
use crate::util::Instant;

/// The memory of one fact beside itself and its texts, in bytes: its slot (32), its links (8) and its bucket of a table that has
/// just grown (41), with the eighth that lists grow by.
const OVERHEAD: usize = 88;

/// The cache entry of one question.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The latest.
    pub(crate) known: Arc<CachedFact>,
    /// The consecutive failures, if the last answer was a temporary one. Boxed, because most facts have none.
    failing: Option<Box<Failing>>,
}

/// The consecutive failures of a question.
#[derive(Clone, Debug, Default)]
struct Failing {
    /// The last good fact.
    good: Option<Arc<CachedFact>>,
    failures: Failures,
}

impl Keyed for Entry {
    type Key = Question;

    fn key(&self) -> &Question {
        &self.known.question
    }
}

/// What an entry is worth at an instant: the states of the diagram "in memory" in `life.rs`.
enum Worth<'a> {
    /// Its fact is fresh.
    Fresh(&'a Arc<CachedFact>),
    /// It has failed and is backed off until this instant; the last good fact is served stale.
    Stale(&'a Arc<CachedFact>, Option<Instant>),
    /// It has failed and is backed off; there is no stale fact.
    Failing(&'a Arc<CachedFact>),
    /// Nothing without asking.
    Expired,
}

impl Entry {
    pub(crate) fn new(
        known: Arc<CachedFact>,
        good: Option<Arc<CachedFact>>,
        failures: Failures,
    ) -> Self {
        let failing = known.fact.is_temporary().then(|| Box::new(Failing { good, failures }));
        Self { known, failing }
    }

    pub(crate) fn failures(&self) -> Failures {
        self.failing.as_ref().map_or_else(Failures::default, |failing| failing.failures)
    }

    pub(crate) fn good(&self) -> Option<&Arc<CachedFact>> {
        self.failing.as_ref()?.good.as_ref()
    }

    fn stale(&self) -> Option<&Arc<CachedFact>> {
        let facts = [Some(&self.known), self.good()];
        facts.into_iter().flatten().find(|known| !known.fact.is_temporary())
    }

    fn worth(&self, now: Instant, policy: &Policy) -> Worth<'_> {
        let fresh = self.known.is_fresh(now);
        match self.good() {
            // In its back-off a question is not asked again; what was good is.
            Some(good) if fresh && is_usable(good, now, policy) => {
                Worth::Stale(good, self.known.expires)
            }
            // A refresh ahead of time has failed: what is fresh is fresh all the same.
            Some(good) if good.is_fresh(now) => Worth::Fresh(good),
            // A question that was late is in back-off only while something stands in for its answer.
            Some(_) if self.known.fact == Fact::Late => Worth::Expired,
            Some(_) | None if !fresh => Worth::Expired,
            Some(_) | None if self.known.fact.is_temporary() => Worth::Failing(&self.known),
            Some(_) | None => Worth::Fresh(&self.known),
        }
    }
}

/// All cached facts.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    pub(crate) facts: SegmentedLru<Entry>,
    /// The order in which facts were learnt, kept from the first export on.
    pub(crate) changes: Option<Changes>,
    /// The bound on both, in bytes.
    pub(crate) max_bytes: usize,
}

/// How fresh a fact must be to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ReadMode {
    /// Not expired.
    Fresh,
    /// Not even near its expiry: the reader is there to refresh what is.
    Prefetch,
    /// Facts learnt after this instant, and failures: for a refresh of invalidated facts.
    NewerThan(Instant),
    /// Expired facts, too: to forget or to list them.
    IncludingExpired,
    /// Not expired, and reading it is no use of it.
    Peek,
}

impl Cache {
    pub(crate) fn new(policy: &Policy, hash_key: HashKey) -> Self {
        let max_bytes = policy.cache.max_bytes;
        let facts = SegmentedLru::new(hash_key, policy.cache.max_facts, max_bytes);
        Self { facts, changes: None, max_bytes }
    }

    pub(crate) fn set_policy(&mut self, policy: &Policy) {
        self.max_bytes = policy.cache.max_bytes;
        let changes = self.changes.as_ref().map_or(0, Changes::bytes);
        self.facts.set_limits(policy.cache.max_facts, self.max_bytes.saturating_sub(changes));
    }

    pub(crate) fn len(&self) -> usize {
        self.facts.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        let changes = self.changes.as_ref().map_or(0, Changes::bytes);
        self.facts.bytes().saturating_add(changes)
    }

    /// A fact that needs no asking.
    pub(crate) fn get(
        &mut self,
        question: &Question,
        mode: ReadMode,
        now: Instant,
        policy: &Policy,
    ) -> Option<Arc<CachedFact>> {
        if mode == ReadMode::IncludingExpired {
            let entry = self.facts.peek(question)?;
            return Some(Arc::clone(entry.good().unwrap_or(&entry.known)));
        }
        let entry = match mode {
            ReadMode::Peek => self.facts.peek(question)?,
            ReadMode::Fresh
            | ReadMode::Prefetch
            | ReadMode::NewerThan(_)
            | ReadMode::IncludingExpired => self.facts.get(question)?,
        };
        match entry.worth(now, policy) {
            // What is near its expiry; or its refresh has failed, and the back-off is over.
            Worth::Fresh(known)
                if mode == ReadMode::Prefetch
                    && (entry.failing.is_some() || is_due(known, now, policy)) =>
            {
                None
            }
            // What is in doubt; what fails is in a back-off of its own.
            Worth::Fresh(known)
                if matches!(mode, ReadMode::NewerThan(since) if known.learnt <= since)
                    || (matches!(mode, ReadMode::NewerThan(_))
                        && (entry.failing.is_some() || is_due(known, now, policy))) =>
            {
                None
            }
            Worth::Fresh(known) | Worth::Failing(known) => Some(Arc::clone(known)),
            Worth::Stale(good, until) => Some(in_place_of(good, until, policy)),
            Worth::Expired => None,
        }
    }

    /// What is remembered of a question, as the diagram of its life names it.
    pub(crate) fn state(&self, question: &Question, now: Instant, policy: &Policy) -> InMemory {
        let entry = self.facts.peek(question);
        match entry.map(|entry| entry.worth(now, policy)) {
            None => InMemory::Unknown,
            Some(Worth::Fresh(_)) => InMemory::Fresh,
            Some(Worth::Stale(..)) => InMemory::Stale,
            Some(Worth::Failing(_)) => InMemory::Failing,
            Some(Worth::Expired) => InMemory::Expired,
        }
    }

    /// Marks a fact as used, because a result that depends on it was used.
    pub(crate) fn touch(&mut self, question: &Question) {
        let _ = self.facts.get(question);
    }

    /// Takes a fact in; gives what is to be used: itself, or the last good one if it is a failure that may pass.
    pub(crate) fn learn(
        &mut self,
        known: &Arc<CachedFact>,
        policy: &Policy,
        seed: u64,
    ) -> Arc<CachedFact> {
        let question = &known.question;
        // A failure of our own side says nothing about the world: what was known before stays.
        if matches!(&known.fact, Fact::Failed(why) if Failure::is_local(*why)) {
            let good = self.facts.peek(question).and_then(Entry::stale);
            let good = good.filter(|good| is_usable(good, known.learnt, policy));
            return match good {
                Some(good) => in_place_of(good, known.expires, policy),
                None => Arc::clone(known),
            };
        }
        let old = self.facts.peek(question).filter(|_| known.fact.is_temporary());
        let (mut failures, good) = match old {
            Some(old) => {
                let failures = old.failing.as_ref().map_or(Failures::default(), |old| old.failures);
                (failures, old.stale().map(Arc::clone))
            }
            None => (Failures::default(), None),
        };
        let now = known.learnt;
        let mut known = Arc::clone(known);
        if known.fact.is_temporary() {
            // Nobody asks in a back-off: this is news of the failure that has been counted, from another lookup that gave up, or
            // from a question that was late.
            let told = old.filter(|old| old.known.fact.is_temporary() && old.known.is_fresh(now));
            match told {
                Some(told) if known.fact == Fact::Late || told.known.fact != Fact::Late => {
                    known = Arc::clone(&told.known);
                }
                Some(told) => {
                    let until = now + failures.life(question, &known.fact, policy, seed);
                    let until = told.known.expires.max(Some(until));
                    Arc::make_mut(&mut known).expires = until;
                }
                None => {
                    let life = failures.strike(question, &known.fact, policy, seed);
                    Arc::make_mut(&mut known).expires = Some(now + life);
                }
            }
        }
        let good = good.filter(|good| is_usable(good, now, policy));
        let used = match &good {
            Some(good) => in_place_of(good, known.expires, policy),
            None => Arc::clone(&known),
        };
        self.put(Entry::new(known, good, failures));
        used
    }

    pub(crate) fn put(&mut self, entry: Entry) {
        let weight = weight(&entry);
        let place = self.facts.insert(entry, weight);
        if let Some(changes) = &mut self.changes {
            changes.note(place);
            self.leave_room_for_changes();
        }
    }

    /// Subtracts the memory of the order of changes from the bound on facts.
    pub(crate) fn leave_room_for_changes(&mut self) {
        let changes = self.changes.as_ref().map_or(0, Changes::bytes);
        self.facts.set_max_bytes(self.max_bytes.saturating_sub(changes));
    }

    /// What may stand in while a refresh hangs: the last good fact, or for a document the failure that was known before. From
    /// then on the question, which has been asked, counts as failed, and is not asked again before its back-off is over.
    pub(crate) fn stand_in(
        &mut self,
        question: &Question,
        now: Instant,
        policy: &Policy,
        seed: u64,
    ) -> Option<Arc<CachedFact>> {
        let mut entry = self.facts.get(question)?.clone();
        let stands = stands_in(&entry, now, policy)?;
        let failing = entry.failing.get_or_insert_default();
        // Each lookup that waits falls back by itself: that counts once.
        if !(entry.known.fact == Fact::Late && entry.known.is_fresh(now)) {
            let life = failing.failures.strike(question, &Fact::Late, policy, seed);
            // R97: what DNS does not tell is asked again within five minutes. That is not the patience with one late family, of
            // which a result is told to go without.
            let life = match question {
                Question::Dns(..) => life.min(policy.dns.failure_max_ttl),
                Question::Get(_) => life,
            };
            entry.known =
                Arc::new(CachedFact::new(question.clone(), Fact::Late, now, Some(now + life)));
        }
        failing.good = Some(Arc::clone(&stands));
        let used = in_place_of(&stands, entry.known.expires, policy);
        // It takes more room now. Nothing has been learnt, so it is no change.
        let weight = weight(&entry);
        self.facts.insert(entry, weight);
        Some(used)
    }

    /// What may stand in where nobody could be asked. Nothing has failed, so it is no strike, and counts for this moment alone: who
    /// comes next asks.
    pub(crate) fn lend(
        &mut self,
        question: &Question,
        now: Instant,
        policy: &Policy,
    ) -> Option<Arc<CachedFact>> {
        let stands = stands_in(self.facts.get(question)?, now, policy)?;
        Some(in_place_of(&stands, Some(now), policy))
    }

    /// Whether [`Self::stand_in`] and [`Self::lend`] have something to give.
    pub(crate) fn has_stand_in(&self, question: &Question, now: Instant, policy: &Policy) -> bool {
        let entry = self.facts.peek(question);
        entry.is_some_and(|entry| stands_in(entry, now, policy).is_some())
    }

    /// The last good fact, while its refresh is backed off until `until`.
    pub(crate) fn stale(
        &self,
        question: &Question,
        until: Option<Instant>,
        now: Instant,
        policy: &Policy,
    ) -> Option<Arc<CachedFact>> {
        let good = self.facts.peek(question)?.stale()?;
        is_usable(good, now, policy).then(|| in_place_of(good, until, policy))
    }

    /// The last good fact, however old, for speculation.
    pub(crate) fn recall(&self, question: &Question) -> Option<Arc<CachedFact>> {
        let entry = self.facts.peek(question)?;
        let known = entry.good().unwrap_or(&entry.known);
        (known.fact != Fact::Late).then(|| Arc::clone(known))
    }

    /// The last known alias of a name, however old.
    pub(crate) fn alias(&self, question: &Question) -> Option<DnsName> {
        let entry = self.facts.peek(question)?;
        let Fact::Alias(target) = &entry.good().unwrap_or(&entry.known).fact else { return None };
        Some(target.clone())
    }

    /// Whether the last attempt at a question failed.
    pub(crate) fn is_failing(&self, question: &Question) -> bool {
        self.facts.peek(question).is_some_and(|entry| entry.known.fact.is_temporary())
    }

    /// Drops all facts and their order: cursors start from the beginning.
    pub(crate) fn clear(&mut self) {
        self.facts.clear();
        self.changes = None;
        self.facts.set_max_bytes(self.max_bytes);
    }

    /// Drops a fact.
    pub(crate) fn forget(&mut self, question: &Question) -> bool {
        self.facts.remove(question).is_some()
    }

    /// All cached facts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Question, &CachedFact)> {
        self.facts.iter().map(|entry| (&entry.known.question, &*entry.known))
    }
}

fn stands_in(entry: &Entry, now: Instant, policy: &Policy) -> Option<Arc<CachedFact>> {
    let usable = |known: &&Arc<CachedFact>| {
        let failed_before =
            matches!(known.question, Question::Get(_)) && !matches!(known.fact, Fact::Late);
        (failed_before || !known.fact.is_temporary()) && is_usable(known, now, policy)
    };
    [entry.good(), Some(&entry.known)].into_iter().flatten().find(usable).map(Arc::clone)
}

fn weight(entry: &Entry) -> usize {
    let question = match &entry.known.question {
        Question::Dns(name, _) => name.as_str().len(),
        Question::Get(url) => url.size(),
    };
    let facts = [Some(&entry.known), entry.good()];
    let facts = facts.into_iter().flatten().map(|known| known.size());
    let failing = entry.failing.as_ref().map_or(0, |failing| size_of_val(&**failing));
    let fixed = OVERHEAD.saturating_add(question).saturating_add(failing);
    facts.fold(fixed, usize::saturating_add)
}

#[cfg(test)]
mod tests;
