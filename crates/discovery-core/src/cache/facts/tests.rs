//! What is remembered, for how long, and in the place of what.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::cache::due;
use crate::export::ImportResult;
use crate::fact::Standing;
use crate::io::{DnsError, HttpError, RecordType};
use crate::name::{DnsName, ServerName, Url};

const START: Instant = Instant::from_secs(1000);
const HOUR: u64 = 3600;

fn get() -> Question {
    Question::Get(Url::well_known(&DnsName::parse("a.example").unwrap()))
}

fn dns() -> Question {
    Question::Dns(DnsName::parse("a.example").unwrap(), RecordType::A)
}

fn at(seconds: u64) -> Instant {
    START + Duration::from_secs(seconds)
}

/// A good document, learnt at the start, fresh for so many seconds.
fn document(life: u64) -> Arc<CachedFact> {
    let name = ServerName::parse("b.example:1").unwrap();
    Arc::new(CachedFact::new(get(), Fact::Document(name), START, Some(at(life))))
}

fn failure(now: Instant) -> Arc<CachedFact> {
    let fact = Fact::Failed(Failure::Http(HttpError::Refused));
    Arc::new(CachedFact::new(get(), fact, now, Some(now)))
}

struct Memory {
    cache: Cache,
    policy: Policy,
}

impl Memory {
    fn new() -> Self {
        let policy = Policy::default();
        Self { cache: Cache::new(&policy, crate::config::HashKey::default()), policy }
    }

    fn learn(&mut self, question: &Question, known: &Arc<CachedFact>) -> Arc<CachedFact> {
        let known = CachedFact { question: question.clone(), ..CachedFact::clone(known) };
        self.cache.learn(&Arc::new(known), &self.policy, 7)
    }

    fn get(&mut self, question: &Question, now: Instant) -> Option<Arc<CachedFact>> {
        self.cache.get(question, ReadMode::Fresh, now, &self.policy)
    }
}

#[test]
fn a_fact_is_read_until_it_expires() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(300));
    assert_eq!(memory.get(&get(), at(299)).unwrap().fact, document(300).fact);
    assert_eq!(memory.get(&get(), at(300)), None);
    assert_eq!(memory.get(&dns(), at(0)), None);
}

#[test]
fn a_failure_that_may_pass_does_not_take_the_place_of_what_was_good() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(300));
    let used = memory.learn(&get(), &failure(at(400)));
    assert_eq!((used.fact.clone(), used.standing), (document(300).fact.clone(), Standing::Stale));
    assert!(used.expires <= Some(at(460)), "until the end of the back-off");
    assert_eq!(memory.get(&get(), at(401)).unwrap().standing, Standing::Stale);
    assert_eq!(memory.get(&get(), at(461)), None, "then it is asked again");
}

#[test]
fn each_failure_in_a_row_is_not_asked_again_for_twice_as_long() {
    let mut memory = Memory::new();
    let mut now = at(0);
    for doubled in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        let used = memory.learn(&get(), &failure(now));
        let until = used.expires.unwrap();
        let life = until.saturating_duration_since(now).as_secs_f64();
        assert!(
            life <= f64::from(doubled) && life >= f64::from(doubled) * 0.9,
            "{life}, {doubled}"
        );
        now = until;
    }
    let _ = memory.learn(&get(), &document(0));
    let used = memory.learn(&get(), &failure(at(0)));
    assert!(used.expires <= Some(at(60)), "what was good in between ends the row");
}

#[test]
fn a_failure_of_our_own_side_changes_nothing_that_was_known() {
    let mut memory = Memory::new();
    let fact = Fact::Failed(Failure::Dns(DnsError::Local));
    let local = |now| Arc::new(CachedFact::new(dns(), fact.clone(), now, Some(now)));
    let used = memory.learn(&dns(), &local(at(0)));
    assert!(used.fact.is_temporary());
    assert_eq!(memory.cache.len(), 0, "nothing is remembered");
    let _ = memory.learn(&get(), &failure(at(0)));
    let _ = memory.learn(&get(), &local(at(61)));
    let used = memory.learn(&get(), &failure(at(62)));
    let life = used.expires.unwrap().saturating_duration_since(at(62)).as_secs();
    assert!(life > 60, "the second failure in a row, {life} s");
}

#[test]
fn a_last_good_document_is_never_used_past_48_hours_from_its_fetch() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(HOUR));
    let mut now = at(HOUR);
    loop {
        let used = memory.learn(&get(), &failure(now));
        let until = used.expires.unwrap();
        if used.standing != Standing::Stale {
            assert!(now >= at(48 * HOUR));
            break;
        }
        assert!(until <= at(48 * HOUR), "used until {until:?}");
        now = until;
    }
}

#[test]
fn a_last_good_document_that_must_be_revalidated_is_never_used_stale() {
    let mut memory = Memory::new();
    let known = Arc::new(CachedFact {
        standing: Standing::NeverStale,
        ..CachedFact::clone(&document(300))
    });
    let _ = memory.learn(&get(), &known);
    // A refresh ahead of its expiry fails.
    let used = memory.learn(&get(), &failure(at(290)));
    assert_eq!(used.fact, known.fact, "still fresh");
    assert!(used.expires <= Some(at(300)), "{:?}", used.expires);
    assert_ne!(
        memory.get(&get(), at(301)).map(|known| known.fact.clone()),
        Some(known.fact.clone())
    );
}

#[test]
fn what_has_stood_in_is_not_asked_again_before_its_back_off_is_over() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(300));
    assert!(memory.cache.has_stand_in(&get(), at(400), &memory.policy));
    assert!(!memory.cache.has_stand_in(&dns(), at(400), &memory.policy));
    let used = memory.cache.stand_in(&get(), at(400), &memory.policy, 7).unwrap();
    assert_eq!(used.fact, document(300).fact);
    assert_eq!(memory.get(&get(), at(429)).unwrap().fact, document(300).fact);
    assert_eq!(memory.get(&get(), at(430)), None);
    assert!(!memory.cache.has_stand_in(&get(), at(300 + 48 * HOUR), &memory.policy));
}

#[test]
fn dns_that_was_stood_in_for_is_asked_again_within_five_minutes() {
    let mut memory = Memory::new();
    let addresses = vec!["192.0.2.1".parse().unwrap()].into();
    let good = Fact::Addresses { addresses, alias: None };
    memory.learn(&dns(), &Arc::new(CachedFact::new(dns(), good, START, Some(at(10)))));
    let mut now = at(10);
    for _ in 0..20 {
        assert_eq!(memory.get(&dns(), now), None, "{now:?}");
        memory.cache.stand_in(&dns(), now, &memory.policy, 7).unwrap();
        // What has been stood in for may fail in the end, too.
        let timeout = Fact::Failed(Failure::Dns(DnsError::Timeout));
        let late = now + Duration::from_secs(8);
        memory.learn(&dns(), &Arc::new(CachedFact::new(dns(), timeout, late, Some(late))));
        now = late + memory.policy.dns.failure_max_ttl;
    }
}

#[test]
fn what_is_kept_by_the_million_is_small() {
    let sizes =
        (size_of::<CachedFact>(), size_of::<Entry>(), size_of::<Question>(), size_of::<Fact>());
    assert!(sizes <= (88, 24, 24, 40), "{sizes:?}");
    let sizes = (size_of::<crate::Resolved>(), size_of::<crate::Target>());
    assert!(sizes <= (168, 48), "{sizes:?}");
    assert!(size_of::<crate::Decision>() <= 48, "{}", size_of::<crate::Decision>());
}

#[test]
fn what_stands_in_is_counted_with_what_it_stands_in_for() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(300));
    let before = memory.cache.bytes();
    assert!(memory.cache.stand_in(&get(), at(400), &memory.policy, 7).is_some());
    let while_late = memory.cache.bytes();
    assert!(while_late > before + size_of::<CachedFact>(), "{before} {while_late}");
    let _ = memory.learn(&get(), &document(300));
    assert_eq!(memory.cache.bytes(), before);
}

/// A good document, learnt then, fresh for so many seconds.
fn learnt(at_second: u64, life: u64) -> Arc<CachedFact> {
    let known = CachedFact::clone(&document(0));
    Arc::new(CachedFact { learnt: at(at_second), expires: Some(at(at_second + life)), ..known })
}

#[test]
fn what_is_fresh_stays_so_though_a_refresh_ahead_has_failed() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(2 * HOUR));
    let _ = memory.learn(&get(), &failure(at(100)));
    assert_eq!(memory.get(&get(), at(200)).map(|known| known.standing), Some(Standing::Fresh));
}

#[test]
fn where_nothing_may_stand_in_any_more_a_failure_is_told_and_lateness_is_not() {
    let (end, mut memory) = (48 * HOUR, Memory::new());
    let _ = memory.learn(&get(), &document(HOUR));
    let mut late = memory.cache.clone();
    let _ = memory.learn(&get(), &failure(at(end - 10)));
    assert!(memory.get(&get(), at(end + 5)).unwrap().fact.is_temporary(), "it is in back-off");
    late.stand_in(&get(), at(end - 10), &memory.policy, 7).unwrap();
    assert!(late.is_failing(&get()));
    assert_eq!(late.get(&get(), ReadMode::Fresh, at(end + 5), &memory.policy), None);
}

#[test]
fn the_state_of_a_question_tells_a_failure_from_an_answer() {
    let mut memory = Memory::new();
    let state = |memory: &Memory| memory.cache.state(&get(), at(1), &memory.policy);
    assert_eq!(state(&memory), InMemory::Unknown);
    let _ = memory.learn(&get(), &failure(at(0)));
    assert_eq!(state(&memory), InMemory::Failing);
    assert!(memory.cache.is_failing(&get()));
    let _ = memory.learn(&get(), &document(300));
    assert_eq!(state(&memory), InMemory::Fresh);
    assert!(!memory.cache.is_failing(&get()));
}

#[test]
fn whoever_refreshes_ahead_is_not_given_what_is_due_or_has_failed() {
    let mut memory = Memory::new();
    let ahead = |memory: &mut Memory, now| {
        memory.cache.get(&get(), ReadMode::Prefetch, now, &memory.policy).is_some()
    };
    let _ = memory.learn(&get(), &document(1000));
    assert!(ahead(&mut memory, at(799)));
    assert!(!ahead(&mut memory, at(800)), "four fifths of its life are over");
    let _ = memory.learn(&get(), &document(2 * HOUR));
    let _ = memory.learn(&get(), &failure(at(100)));
    assert!(!ahead(&mut memory, at(200)), "its refresh has failed");
}

#[test]
fn whoever_asks_again_in_doubt_is_given_what_was_learnt_since() {
    let mut memory = Memory::new();
    let since = |memory: &mut Memory, since, now| {
        memory.cache.get(&get(), ReadMode::NewerThan(at(since)), at(now), &memory.policy).is_some()
    };
    let _ = memory.learn(&get(), &learnt(10, 1000));
    assert!(since(&mut memory, 9, 20));
    assert!(!since(&mut memory, 10, 20), "learnt at that very moment is not learnt since");
    assert!(!since(&mut memory, 9, 810), "due");
    let _ = memory.learn(&get(), &learnt(10, 2 * HOUR));
    let _ = memory.learn(&get(), &failure(at(100)));
    assert!(!since(&mut memory, 9, 200), "its refresh has failed");
}

#[test]
fn a_fact_that_was_used_outlives_one_that_was_not() {
    let mut policy = Policy::default();
    policy.cache.max_facts = 2;
    let mut memory =
        Memory { cache: Cache::new(&policy, crate::config::HashKey::default()), policy };
    let question = |host: &str| Question::Dns(DnsName::parse(host).unwrap(), RecordType::A);
    for host in ["a.example", "b.example"] {
        let _ = memory.learn(&question(host), &document(300));
    }
    memory.cache.touch(&question("a.example"));
    let _ = memory.learn(&question("c.example"), &document(300));
    assert!(memory.get(&question("a.example"), at(1)).is_some());
    assert!(memory.get(&question("b.example"), at(1)).is_none());
}

#[test]
fn a_failure_in_its_own_back_off_is_no_further_one() {
    let mut memory = Memory::new();
    let first = memory.learn(&get(), &failure(at(0))).expires;
    assert_eq!(memory.learn(&get(), &failure(at(10))).expires, first);
    assert_eq!(memory.cache.failure(&get()).map(|(_, failures)| failures), Some(1));
    let _ = memory.learn(&get(), &failure(at(61)));
    assert_eq!(memory.cache.failure(&get()).map(|(_, failures)| failures), Some(2));
}

#[test]
fn a_failure_takes_the_place_of_the_lateness_that_came_before_it() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(300));
    memory.cache.stand_in(&get(), at(400), &memory.policy, 7).unwrap();
    let _ = memory.learn(&get(), &failure(at(405)));
    let (known, failures) = memory.cache.failure(&get()).unwrap();
    assert_eq!((&known.fact, failures), (&failure(at(405)).fact, 1));
}

#[test]
fn lateness_counts_once_for_all_who_wait() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(500));
    let until = |memory: &mut Memory, now| {
        memory.cache.stand_in(&get(), at(now), &memory.policy, 7).unwrap().expires
    };
    assert_eq!(until(&mut memory, 400), Some(at(430)), "even where the fact is still fresh");
    assert_eq!(until(&mut memory, 401), Some(at(430)));
    assert_eq!(until(&mut memory, 500), Some(at(560)), "its back-off was over");
}

#[test]
fn what_was_good_is_recalled_however_long_ago_and_stands_in_only_while_it_may() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(300));
    let good = |memory: &Memory, now| {
        let good = memory.cache.stale(&get(), Some(at(now + 60)), at(now), &memory.policy);
        good.map(|known| (known.standing, known.expires))
    };
    assert_eq!(good(&memory, 400), Some((Standing::Stale, Some(at(460)))));
    assert_eq!(good(&memory, 48 * HOUR), None);
    assert_eq!(memory.cache.recall(&get()).unwrap().fact, document(300).fact);
    assert_eq!(memory.cache.peek(&get()).unwrap().fact, document(300).fact);
    assert_eq!(memory.cache.recall(&dns()), None);
    let late = CachedFact::new(dns(), Fact::Late, at(0), Some(at(30)));
    let _ = memory.learn(&dns(), &Arc::new(late));
    assert_eq!(memory.cache.recall(&dns()), None, "that it was late is nothing to guess from");
}

#[test]
fn what_is_forgotten_is_gone() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(300));
    assert!(memory.cache.forget(&get()));
    assert_eq!(memory.get(&get(), at(1)), None);
    assert!(!memory.cache.forget(&get()));
}

#[test]
fn only_what_answers_is_due_ahead_of_its_expiry() {
    let policy = Policy::default();
    assert_eq!(due(&document(1000), &policy), Some(at(800)));
    let good = CachedFact { standing: Standing::Stale, ..CachedFact::clone(&document(1000)) };
    assert_eq!(due(&good, &policy), Some(at(1000)));
    let failed = CachedFact { expires: Some(at(60)), ..CachedFact::clone(&failure(at(0))) };
    assert_eq!(due(&failed, &policy), Some(at(60)));
    let given = CachedFact { expires: None, ..CachedFact::clone(&document(0)) };
    assert_eq!(due(&given, &policy), None);
}

#[test]
fn a_fact_is_of_use_to_others_while_it_is_fresh_or_may_stand_in() {
    let exported = |known: Arc<CachedFact>, now: u64| {
        let mut memory = Memory::new();
        let _ = memory.learn(&get(), &known);
        let (cursor, wall) = (crate::cache::changes::Cursor::START, crate::util::UnixMillis(0));
        let export = memory.cache.export_since(cursor, at(now), wall, &memory.policy, 7);
        export.facts.first().map(|fact| (fact.age, fact.left, fact.never_stale))
    };
    let strict = |life| {
        Arc::new(CachedFact {
            standing: Standing::NeverStale,
            ..CachedFact::clone(&document(life))
        })
    };
    assert_eq!(exported(document(300), 100), Some((100_000, 200_000, false)));
    assert_eq!(exported(document(300), 300), Some((300_000, 0, false)));
    assert_eq!(exported(document(300), 48 * HOUR), None, "too old to stand in");
    assert_eq!(exported(document(300), 49 * HOUR), None);
    assert_eq!(exported(strict(300), 100), Some((100_000, 200_000, true)));
    assert_eq!(exported(strict(300), 300), None, "never used stale");
}

/// What is told of a document as old as that, and fresh for so long, both in seconds.
fn told(age: u64, left: u64, never_stale: bool) -> crate::export::Exported {
    let (question, fact) = (get(), document(0).fact.clone());
    let (age, left, failures, good) = (age * 1000, left * 1000, 0, None);
    crate::export::Exported { question, fact, age, left, never_stale, failures, good }
}

#[test]
fn a_fact_ages_on_the_way() {
    let lesson = |told, seconds: u64| {
        let mut memory = Memory::new();
        memory.cache.import(told, seconds * 1000, at(49 * HOUR), &memory.policy)
    };
    assert_eq!(lesson(told(48 * HOUR - 2, 0, false), 1), ImportResult::Taken);
    assert_eq!(lesson(told(48 * HOUR - 2, 0, false), 2), ImportResult::Expired);
    assert_eq!(lesson(told(0, 2, true), 1), ImportResult::Taken);
    assert_eq!(lesson(told(0, 2, true), 2), ImportResult::Expired);
}

#[test]
fn of_two_facts_of_one_moment_the_stricter_one_counts() {
    for strict_first in [false, true] {
        let mut memory = Memory::new();
        for strict in [strict_first, !strict_first] {
            memory.cache.import(told(10, 50, strict), 0, at(100), &memory.policy);
        }
        assert_eq!(memory.cache.peek(&get()).unwrap().standing, Standing::NeverStale);
    }
}
