//! Exports facts from the cache, and imports facts into it.
//!
//! Of two facts of a question the later one counts, so facts of several resolvers can be merged in any order.
//!
//! Failures are exported with their count, so that not every worker asks a dead server. Names that were forgotten are not
//! exported: an import of such a name brings back what others know. A question that was late for one lookup is no fact,
//! is not exported, and yields to any answer.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::changes::{Changes, Cursor};
use crate::cache::{Cache, Entry};
use crate::export::{Dated, Export, Exported};
use crate::fact::lifetime::Failures;
use crate::fact::{CachedFact, Fact, Question, Standing};
use crate::policy::Policy;
use crate::util::{Instant, UnixMillis};

/// Most facts of one export; so many are looked at, at most.
const PAGE: usize = 4096;

impl Cache {
    /// Returns the facts learnt since a cursor, up to one page.
    pub(crate) fn export_since(
        &mut self,
        cursor: Cursor,
        now: Instant,
        at: UnixMillis,
        policy: &Policy,
        seed: u64,
    ) -> Export {
        if self.changes.is_none() {
            let mut changes = Changes::new(seed, (now, at));
            (0..self.facts.places()).for_each(|place| changes.note(place));
            self.changes = Some(changes);
            self.leave_room_for_changes();
        }
        let Self { facts, changes: Some(changes), .. } = self else {
            return Export { at, cursor, more: false, facts: Vec::new() };
        };
        let mut page = Vec::new();
        let mut seen = None;
        let mut next = changes.after(cursor);
        for _ in 0..PAGE {
            let Some(place) = next else { break };
            page.extend(facts.at(place).and_then(|entry| exported(entry, now, policy)));
            seen = Some(place);
            next = changes.newer(place);
        }
        let cursor = match seen {
            Some(_) => changes.cursor(seen),
            None => changes.again(cursor),
        };
        Export { at, cursor, more: next.is_some(), facts: page }
    }

    /// Imports a fact of another resolver that was exported `elapsed` milliseconds ago. Returns whether it was new.
    pub(crate) fn import(
        &mut self,
        exported: Exported,
        elapsed: u64,
        now: Instant,
        policy: &Policy,
    ) -> ImportResult {
        let Some(taught) = entry(exported, elapsed, now, policy) else {
            return ImportResult::Expired;
        };
        let own = self.facts.peek(&taught.known.question);
        let Some(own) = own else {
            self.put(taught);
            return ImportResult::Taken;
        };
        // That it was late for somebody here says less than any answer.
        let impatient = own.known.fact == Fact::Late;
        let (own_known, own_good) = match (impatient, own.good()) {
            (true, good) => (good, None),
            (false, good) => (Some(&own.known), good),
        };
        let known = own_known.into_iter().chain([&taught.known]).max_by_key(|known| rank(known));
        let Some(known) = known else { return ImportResult::AlreadyKnown };
        let (mut good, mut failures) = (None, Failures::default());
        if known.fact.is_temporary() {
            let all = [own_known, own_good, Some(&taught.known), taught.good()];
            let firm = all.into_iter().flatten().filter(|known| !known.fact.is_temporary());
            good = firm.max_by_key(|known| rank(known)).map(Arc::clone);
            let told = |by: &Entry| if by.known == *known { by.failures().0 } else { 0 };
            // Of what was late nothing more is known than that.
            let own_failures = if own_known == Some(known) { own.failures().0 } else { 0 };
            failures = Failures(own_failures.max(told(&taught)));
        }
        let same = own_known == Some(known)
            && good.as_ref() == own_good
            && (impatient || failures == own.failures());
        if same {
            return ImportResult::AlreadyKnown;
        }
        let known = Arc::clone(known);
        self.put(Entry::new(known, good, failures));
        ImportResult::Taken
    }

    /// The failure for which a question is or was backed off, with its time, its end and its consecutive number.
    pub(crate) fn failure(&self, question: &Question) -> Option<(&CachedFact, u8)> {
        let entry = self.facts.peek(question)?;
        entry.known.fact.is_temporary().then_some((&*entry.known, entry.failures().0))
    }

    /// When a fact was learnt and until when it was fresh, whether it is or not.
    pub(crate) fn peek(&self, question: &Question) -> Option<&CachedFact> {
        let entry = self.facts.peek(question)?;
        Some(entry.good().unwrap_or(&entry.known))
    }
}

/// The result of importing a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImportResult {
    Taken,
    /// The fact, or a newer one, was in the cache.
    AlreadyKnown,
    /// It is of no use any more.
    Expired,
}

/// Which of two facts counts: the later one. Of two of the same moment always the same one, the shorter-lived first.
fn rank(known: &CachedFact) -> impl Ord + use<> {
    let until = std::cmp::Reverse(known.expires);
    (known.learnt, until, known.standing == Standing::NeverStale, Canonical(known.fact.clone()))
}

/// A fact in an order without meaning, the same everywhere.
struct Canonical(Fact);

impl Canonical {
    fn text(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Ord for Canonical {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Nearly always they are the same one.
        if self.0 == other.0 { std::cmp::Ordering::Equal } else { self.text().cmp(&other.text()) }
    }
}

impl PartialOrd for Canonical {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Canonical {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Canonical {}

fn exported(entry: &Entry, now: Instant, policy: &Policy) -> Option<Exported> {
    // That somebody here did not wait any longer is no fact about the world.
    let (latest, good) = match (&entry.known.fact, entry.good()) {
        (Fact::Late, good) => (&**good?, None),
        (_, good) => (&*entry.known, good.map(|good| &**good)),
    };
    let good = good.and_then(|good| dated(good, now, policy));
    let (told, good) = match dated(latest, now, policy) {
        Some(latest) => (latest, good),
        None => (good?, None),
    };
    let Dated { fact, age, left, never_stale } = told;
    let failures = if fact.is_temporary() { entry.failures().0.max(1) } else { 0 };
    let question = latest.question.clone();
    Some(Exported { question, fact, age, left, never_stale, failures, good })
}

/// A fact as seen from now: rather older than it is, and rather sooner to expire. None: it is of no use to anybody.
fn dated(known: &CachedFact, now: Instant, policy: &Policy) -> Option<Dated> {
    let age = now.saturating_duration_since(known.learnt);
    // What is kept for ever was given, not learnt.
    let left = known.expires?.saturating_duration_since(now);
    let never_stale = known.standing == Standing::NeverStale;
    let age = u64::try_from(age.as_nanos().div_ceil(1_000_000)).ok()?;
    let left = u64::try_from(left.as_millis()).ok()?;
    let fact = known.fact.clone();
    let dated = Dated { fact, age, left, never_stale };
    is_of_use(&dated, &known.question, policy).then_some(dated)
}

/// Whether it is fresh, may still stand in as the last good one, or, as a failure, counts for the next one.
fn is_of_use(dated: &Dated, question: &Question, policy: &Policy) -> bool {
    let oldest = match question {
        Question::Get(_) => policy.well_known.max_ttl,
        Question::Dns(..) => policy.cache.max_stale,
    };
    dated.left > 0 || (!dated.never_stale && Duration::from_millis(dated.age) < oldest)
}

/// An exported fact as a cache entry of this resolver.
fn entry(exported: Exported, elapsed: u64, now: Instant, policy: &Policy) -> Option<Entry> {
    let Exported { question, fact, age, left, never_stale, failures, good } = exported;
    let latest = Dated { fact, age, left, never_stale };
    let good = good.and_then(|good| known(&question, good, elapsed, now, policy));
    let good = good.map(Arc::new);
    Some(match known(&question, latest, elapsed, now, policy) {
        Some(known) => Entry::new(Arc::new(known), good, Failures(failures)),
        None => Entry::new(good?, None, Failures::default()),
    })
}

/// Never fresher than it was, and never past what this resolver's own policy allows from when it was learnt.
fn known(
    question: &Question,
    told: Dated,
    elapsed: u64,
    now: Instant,
    policy: &Policy,
) -> Option<CachedFact> {
    let age = told.age.checked_add(elapsed)?;
    let left = Duration::from_millis(told.left.saturating_sub(elapsed));
    let cap = longest_life(question, &told.fact, policy);
    let left = left.min(cap.saturating_sub(Duration::from_millis(age)));
    let learnt = now.before(Duration::from_millis(age))?;
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let told = Dated { age, left: left_ms, ..told };
    if !is_of_use(&told, question, policy) {
        return None;
    }
    let standing = if told.never_stale { Standing::NeverStale } else { Standing::Fresh };
    let expires = Some(now + left);
    let known = CachedFact::new(question.clone(), told.fact, learnt, expires);
    Some(CachedFact { standing, ..known })
}

/// The longest that a fact may live from when it was learnt.
fn longest_life(question: &Question, fact: &Fact, policy: &Policy) -> Duration {
    match (question, fact) {
        (Question::Get(_), Fact::Unusable(_) | Fact::Failed(_)) => policy.well_known.failure_ttl,
        (Question::Get(_), _) => policy.well_known.max_ttl,
        (Question::Dns(..), Fact::NotFound(_)) => policy.dns.negative_max_ttl,
        (Question::Dns(..), Fact::Failed(_)) => policy.dns.failure_max_ttl,
        (Question::Dns(..), _) => policy.dns.max_ttl,
    }
}
