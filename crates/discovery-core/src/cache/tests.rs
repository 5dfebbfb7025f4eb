//! What is remembered, for how long, and in the place of what.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::name::{DnsName, ServerName};
use crate::request::{DnsError, HttpError, RecordKind};
use crate::url::Url;

const START: Instant = Instant::from_secs(1000);
const HOUR: u64 = 3600;

fn get() -> Question {
    Question::Get(Url::well_known(&DnsName::parse("a.example").unwrap()))
}

fn dns() -> Question {
    Question::Dns(DnsName::parse("a.example").unwrap(), RecordKind::A)
}

fn at(seconds: u64) -> Instant {
    START + Duration::from_secs(seconds)
}

/// A good document, learnt at the start, fresh for so many seconds.
fn document(life: u64) -> Arc<Known> {
    let name = ServerName::parse("b.example:1").unwrap();
    Arc::new(Known::new(get(), Fact::Document(name), START, Some(at(life))))
}

fn failure(now: Instant) -> Arc<Known> {
    let fact = Fact::Failed(Failure::Http(HttpError::Refused));
    Arc::new(Known::new(get(), fact, now, Some(now)))
}

struct Memory {
    cache: Cache,
    policy: Policy,
}

impl Memory {
    fn new() -> Self {
        let policy = Policy::default();
        Self { cache: Cache::new(&policy, 7), policy }
    }

    fn learn(&mut self, question: &Question, known: &Arc<Known>) -> Arc<Known> {
        let known = Known { question: question.clone(), ..Known::clone(known) };
        self.cache.learn(&Arc::new(known), &self.policy, 7)
    }

    fn get(&mut self, question: &Question, now: Instant) -> Option<Arc<Known>> {
        self.cache.get(question, Freshness::Any, now, &self.policy)
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
    assert_eq!(
        (used.fact.clone(), used.standing),
        (document(300).fact.clone(), Standing::LastGood)
    );
    assert!(used.fresh_until <= Some(at(460)), "until the end of the back-off");
    assert_eq!(memory.get(&get(), at(401)).unwrap().standing, Standing::LastGood);
    assert_eq!(memory.get(&get(), at(461)), None, "then it is asked again");
}

#[test]
fn each_failure_in_a_row_is_not_asked_again_for_twice_as_long() {
    let mut memory = Memory::new();
    let mut now = at(0);
    for doubled in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        let used = memory.learn(&get(), &failure(now));
        let until = used.fresh_until.unwrap();
        let life = until.saturating_duration_since(now).as_secs_f64();
        assert!(
            life <= f64::from(doubled) && life >= f64::from(doubled) * 0.9,
            "{life}, {doubled}"
        );
        now = until;
    }
    let _ = memory.learn(&get(), &document(0));
    let used = memory.learn(&get(), &failure(at(0)));
    assert!(used.fresh_until <= Some(at(60)), "what was good in between ends the row");
}

#[test]
fn a_failure_of_our_own_side_changes_nothing_that_was_known() {
    let mut memory = Memory::new();
    let fact = Fact::Failed(Failure::Dns(DnsError::Local));
    let local = |now| Arc::new(Known::new(dns(), fact.clone(), now, Some(now)));
    let used = memory.learn(&dns(), &local(at(0)));
    assert!(used.fact.is_temporary());
    assert_eq!(memory.cache.len(), 0, "nothing is remembered");
    let _ = memory.learn(&get(), &failure(at(0)));
    let _ = memory.learn(&get(), &local(at(61)));
    let used = memory.learn(&get(), &failure(at(62)));
    let life = used.fresh_until.unwrap().saturating_duration_since(at(62)).as_secs();
    assert!(life > 60, "the second failure in a row, {life} s");
}

#[test]
fn a_last_good_document_is_never_used_past_48_hours_from_its_fetch() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(HOUR));
    let mut now = at(HOUR);
    loop {
        let used = memory.learn(&get(), &failure(now));
        let until = used.fresh_until.unwrap();
        if used.standing != Standing::LastGood {
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
    let known = Arc::new(Known { standing: Standing::NeverStale, ..Known::clone(&document(300)) });
    let _ = memory.learn(&get(), &known);
    // A refresh ahead of its expiry fails.
    let used = memory.learn(&get(), &failure(at(290)));
    assert_eq!(used.fact, known.fact, "still fresh");
    assert!(used.fresh_until <= Some(at(300)), "{:?}", used.fresh_until);
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
    memory.learn(&dns(), &Arc::new(Known::new(dns(), good, START, Some(at(10)))));
    let mut now = at(10);
    for _ in 0..20 {
        assert_eq!(memory.get(&dns(), now), None, "{now:?}");
        memory.cache.stand_in(&dns(), now, &memory.policy, 7).unwrap();
        // What has been stood in for may fail in the end, too.
        let timeout = Fact::Failed(Failure::Dns(DnsError::Timeout));
        let late = now + Duration::from_secs(8);
        memory.learn(&dns(), &Arc::new(Known::new(dns(), timeout, late, Some(late))));
        now = late + memory.policy.dns_failure_max_ttl;
    }
}

#[test]
fn what_is_kept_by_the_million_is_small() {
    let sizes = (size_of::<Known>(), size_of::<Entry>(), size_of::<Question>(), size_of::<Fact>());
    assert!(sizes <= (88, 24, 24, 40), "{sizes:?}");
    let sizes = (size_of::<crate::Resolved>(), size_of::<crate::Target>());
    assert!(sizes <= (136, 48), "{sizes:?}");
    assert!(size_of::<crate::Decision>() <= 48, "{}", size_of::<crate::Decision>());
}

#[test]
fn what_stands_in_is_counted_with_what_it_stands_in_for() {
    let mut memory = Memory::new();
    let _ = memory.learn(&get(), &document(300));
    let before = memory.cache.bytes();
    assert!(memory.cache.stand_in(&get(), at(400), &memory.policy, 7).is_some());
    let while_late = memory.cache.bytes();
    assert!(while_late > before + size_of::<Known>(), "{before} {while_late}");
    let _ = memory.learn(&get(), &document(300));
    assert_eq!(memory.cache.bytes(), before);
}
