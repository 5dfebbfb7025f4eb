//! The cache over time: expiry, refresh ahead, back-off, stale answers.

use std::collections::BTreeMap;
use std::time::Duration;

use discovery_core::{Effect, Instant, Outcome, Question, Request};
use discovery_sim::{Bench, Happened};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn address(outcome: &Outcome) -> String {
    outcome.as_ref().unwrap().socket_addrs().next().unwrap().to_string()
}

fn explains_stale_facts(outcome: &Outcome) -> bool {
    let decisions = match outcome {
        Ok(resolved) => &resolved.explanation.decisions,
        Err(failed) => &failed.explanation.decisions,
    };
    decisions.iter().any(|decision| decision.effect == Effect::Stale)
}

fn gets(asked: &[Question]) -> usize {
    asked.iter().filter(|question| matches!(question, Question::Get(_))).count()
}

const HANGS: &str = "https a.example timeout\ndns a.example A 192.0.2.7";

fn document(address: &str, control: &str) -> String {
    format!("https a.example 200 \"Cache-Control: {control}\" {{\"m.server\":\"{address}\"}}")
}

#[test]
fn a_document_that_is_an_error_is_asked_for_once_in_a_row() {
    let mut bench = Bench::new("https a.example 500\ndns a.example A 192.0.2.1");
    for _ in 0..20 {
        bench.resolve("a.example").as_ref().as_ref().unwrap();
        bench.wait(Duration::from_millis(100));
    }
    let gets = gets(&bench.asked());
    println!("20 lookups in a row of a name whose document is a 500: {gets} GET (target: 1)");
    assert_eq!(gets, 1);
    bench.finish();
}

#[test]
fn a_name_that_does_not_exist_is_not_asked_for_while_that_is_known() {
    let mut bench = Bench::new("");
    bench.resolve("gone.example").as_ref().as_ref().unwrap_err();
    assert!(!bench.asked().is_empty());
    for _ in 0..29 {
        bench.wait(seconds(10));
        bench.resolve("gone.example").as_ref().as_ref().unwrap_err();
        assert_eq!(bench.asked(), [], "{:?}", bench.now());
    }
    println!("29 lookups of a name that does not exist, in 290 s: 0 questions (target: 0)");
    bench.wait(seconds(11));
    bench.resolve("gone.example").as_ref().as_ref().unwrap_err();
    assert!(!bench.asked().is_empty());
    bench.finish();
}

/// R94, R102: an address behind an alias is cached for no longer than the alias.
#[test]
fn an_alias_that_expires_is_asked_for_again_though_the_address_behind_it_is_still_known() {
    let mut bench = Bench::new(
        "dns a.example CNAME b.example ttl=300 cut
        dns b.example A 192.0.2.1 ttl=86400
        dns b.example AAAA NODATA soa=86400",
    );
    drop(bench.resolve("a.example:1"));
    bench.wait(seconds(301));
    bench.news();
    drop(bench.resolve("a.example:1"));
    let asked: Vec<String> = bench.asked().iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["a.example AAAA", "a.example A"]);
    bench.finish();
}

#[test]
fn use_late_in_its_lifetime_refreshes_a_fact_once_in_the_background() {
    let mut bench = Bench::new(&document("192.0.2.1", "max-age=1000"));
    drop(bench.resolve("a.example"));
    bench.news();
    bench.become_world(&document("192.0.2.2", "max-age=1000"));
    bench.wait(seconds(799));
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.1:8448");
    assert_eq!(bench.asked(), []);
    bench.wait(seconds(2));
    for _ in 0..5 {
        let begun = bench.now();
        assert_eq!(address(&bench.resolve("a.example")), "192.0.2.1:8448");
        assert_eq!(bench.now(), begun, "a refresh causes no wait");
    }
    bench.settle();
    assert_eq!(gets(&bench.asked()), 1);
    assert_eq!(bench.counters().refreshes, 1);
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.2:8448");
    // Its lifetime starts with the refresh.
    bench.wait(seconds(700));
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.2:8448");
    assert_eq!(bench.asked(), []);
    bench.finish();
}

/// `cache.refresh_ahead_percent`: also where another fact of the name expires between any two uses.
#[test]
fn a_name_in_use_never_waits_for_its_document_though_its_addresses_expire_sooner() {
    let world = "https a.example 200 \"cache-control: max-age=1000\" {\"m.server\":\"b.example:1\"}
        dns a.example A 192.0.2.1 ttl=60
        dns a.example AAAA NODATA soa=60
        dns b.example A 192.0.2.2 ttl=60
        dns b.example AAAA NODATA soa=60";
    let mut bench = Bench::new(world);
    drop(bench.resolve("a.example"));
    let mut refreshed = 0;
    for _ in 0..(24 * 60 * 60 / 90) {
        bench.wait(seconds(90));
        let outcome = bench.resolve("a.example");
        let asked = outcome.as_ref().unwrap().timeline.questions.iter();
        let waited = asked.filter(|timed| matches!(timed.question, Question::Get(_))).count();
        bench.settle();
        refreshed += gets(&bench.asked());
        assert_eq!(waited, 0, "{:?}", bench.now());
    }
    assert!((85..=110).contains(&refreshed), "{refreshed}");
    bench.finish();
}

#[test]
fn fresh_fact_is_used_without_a_wait_after_its_refresh_failed() {
    let mut bench = Bench::new(&document("192.0.2.1", "max-age=1000"));
    drop(bench.resolve("a.example"));
    bench.become_world(HANGS);
    // Used all the time, from before 80 % of its life to its end.
    for _ in 0..99 {
        bench.wait(seconds(10));
        let begun = bench.now();
        let outcome = bench.resolve("a.example");
        assert_eq!(address(&outcome), "192.0.2.1:8448");
        assert_eq!(bench.now(), begun, "it was fresh");
    }
    // The document's, at 800 s, and after back-offs of up to 1 and 2 minutes.
    let gets = bench.counters().gets;
    assert!((3..=4).contains(&gets), "{gets}");
    bench.finish();
}

#[test]
fn failed_refresh_keeps_the_fact_without_stale_answers() {
    let off = "set cache.serve_stale_after=none\n";
    let mut bench = Bench::new(&format!("{off}{}", document("192.0.2.1", "max-age=1000")));
    drop(bench.resolve("a.example"));
    bench.become_world("https a.example 503\ndns a.example A 192.0.2.7");
    bench.wait(seconds(850));
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.1:8448");
    bench.settle();
    // The refresh has failed, and the fresh fact remains.
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.1:8448");
    bench.wait(seconds(151));
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.7:8448");
    bench.finish();
}

#[test]
fn stale_document_is_used_and_explained_after_1_8_s_while_its_refresh_hangs() {
    let mut bench = Bench::new(&document("192.0.2.1", "max-age=1000"));
    drop(bench.resolve("a.example"));
    bench.become_world(HANGS);
    bench.wait(seconds(1001));
    let begun = bench.now();
    let outcome = bench.resolve("a.example");
    assert_eq!(address(&outcome), "192.0.2.1:8448");
    assert!(explains_stale_facts(&outcome), "{outcome:?}");
    assert_eq!(bench.now().saturating_duration_since(begun), Duration::from_millis(1800));
    // From then on it is used at once, and not fetched again before the back-off is over.
    bench.news();
    let begun = bench.now();
    assert!(explains_stale_facts(&bench.resolve("a.example")));
    assert_eq!((bench.now(), bench.asked()), (begun, vec![]));
    bench.settle();
    bench.news();
    bench.wait(seconds(25));
    drop(bench.resolve("a.example"));
    assert_eq!(bench.asked(), []);
    bench.wait(seconds(45));
    drop(bench.resolve("a.example"));
    assert_eq!(gets(&bench.asked()), 1);
    bench.finish();
}

#[test]
fn a_known_failure_is_given_after_1_8_s_while_the_document_hangs() {
    let mut bench = Bench::new(HANGS);
    let begun = bench.now();
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.7:8448");
    assert!(bench.now().saturating_duration_since(begun) >= seconds(10));
    bench.wait(seconds(61));
    let begun = bench.now();
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.7:8448");
    assert_eq!(bench.now().saturating_duration_since(begun), Duration::from_millis(1800));
    bench.finish();
}

#[test]
fn r39_stale_document_ends_48_hours_after_its_fetch() {
    let mut bench = Bench::new(&document("192.0.2.1", "max-age=600"));
    drop(bench.resolve("a.example"));
    let fetched = bench.now();
    bench.become_world("https a.example 503\ndns a.example A 192.0.2.7");
    let end = fetched + seconds(48 * 3600);
    while bench.now() < end {
        let outcome = bench.resolve("a.example");
        assert_eq!(address(&outcome), "192.0.2.1:8448");
        assert!(outcome.as_ref().unwrap().expires.unwrap() <= end);
        bench.wait(seconds(977));
    }
    assert_eq!(address(&bench.resolve("a.example")), "192.0.2.7:8448");
    bench.finish();
}

#[test]
fn stale_address_ends_24_hours_after_its_answer() {
    let mut bench = Bench::new("dns a.example A 192.0.2.1 ttl=60");
    drop(bench.resolve("a.example:1"));
    let learnt = bench.now();
    bench.become_world("server 0 SERVFAIL");
    let end = learnt + seconds(24 * 3600);
    while bench.now() < end {
        let outcome = bench.resolve("a.example:1");
        assert_eq!(address(&outcome), "192.0.2.1:1");
        assert!(outcome.as_ref().unwrap().expires.unwrap() <= end);
        bench.wait(seconds(97));
    }
    bench.resolve("a.example:1").as_ref().as_ref().unwrap_err();
    bench.finish();
}

#[test]
fn r120_must_revalidate_is_never_used_stale() {
    for control in ["max-age=1000, must-revalidate", "no-cache", "no-store"] {
        let mut bench = Bench::new(&document("192.0.2.1", control));
        drop(bench.resolve("a.example"));
        bench.become_world("https a.example 503\ndns a.example A 192.0.2.7");
        let life = if control.starts_with("max-age") { 1000 } else { 300 };
        bench.wait(seconds(life - 1));
        assert_eq!(address(&bench.resolve("a.example")), "192.0.2.1:8448", "{control}");
        bench.wait(seconds(1));
        assert_eq!(address(&bench.resolve("a.example")), "192.0.2.7:8448", "{control}");
        bench.finish();
    }
}

#[test]
fn stale_document_is_used_if_its_host_cannot_be_found() {
    // The document lives longer than the addresses of its host.
    let mut bench = Bench::new(
        "https a.example 200 \"Cache-Control: max-age=90000\" {\"m.server\":\"192.0.2.1\"}
        dns a.example A 192.0.2.7",
    );
    drop(bench.resolve("a.example"));
    bench.wait(seconds(90_001));
    for world in ["server 0 SERVFAIL", "server 0 TIMEOUT"] {
        let mut bench = bench.clone();
        bench.become_world(world);
        let outcome = bench.resolve("a.example");
        assert!(outcome.is_ok(), "{world}: {outcome:?}");
        assert!(explains_stale_facts(&outcome));
        bench.finish();
    }
}

#[test]
fn lookup_that_falls_back_late_still_spreads_its_attempts() {
    let document = "200 {\"m.server\":\"b.example\"}";
    let mut bench = Bench::new(&format!(
        "set dns.min_retry_interval=none
        https a.example {document}
        dns _matrix-fed._tcp.b.example SRV 1 1 1 c.example ttl=60
        dns c.example A 192.0.2.1"
    ));
    drop(bench.resolve("a.example"));
    bench.forget("c.example:1");
    bench.wait(seconds(61));
    // When the SRV record is asked for, the lookup has waited for more than 1.8 s; the address is still to be asked for.
    bench.become_world(&format!(
        "https z.example after=2500ms {document}
        dns _matrix-fed._tcp.b.example SRV TIMEOUT
        dns c.example A 192.0.2.1 after=5s
        dns c.example AAAA NODATA after=5s"
    ));
    bench.news();
    assert!(explains_stale_facts(&bench.resolve("z.example")));
    let mut starts = BTreeMap::<_, Vec<_>>::new();
    for (at, happened) in bench.news() {
        if let Happened::Asked(Request::Dns(dns)) = happened {
            starts.entry((dns.name, dns.kind)).or_default().push(at);
        }
    }
    for (question, starts) in starts {
        let close = |pair: &[Instant]| {
            pair[1].saturating_duration_since(pair[0]) < Duration::from_millis(800)
        };
        assert!(!starts.windows(2).any(close), "{question:?} at {starts:?}");
    }
    bench.finish();
}

#[test]
fn a_document_that_could_not_be_asked_for_has_not_failed() {
    let mut bench = Bench::new(&document("192.0.2.1", "max-age=1000"));
    drop(bench.resolve("a.example"));
    // There is no stale address any more, while the document may be used for 48 hours.
    bench.wait(seconds(25 * 3600));
    bench.become_world("dns a.example A TIMEOUT\ndns a.example AAAA TIMEOUT");
    for _ in 0..3 {
        bench.wait(seconds(400));
        // The stale document is used without a request.
        assert!(explains_stale_facts(&bench.resolve("a.example")));
    }
    assert_eq!(gets(&bench.asked()), 1);
    // So its first failure is the first, and lives for a minute.
    bench.become_world("https a.example 503");
    bench.wait(seconds(400));
    assert!(explains_stale_facts(&bench.resolve("a.example")));
    assert_eq!(gets(&bench.asked()), 1);
    bench.wait(seconds(61));
    assert!(explains_stale_facts(&bench.resolve("a.example")));
    assert_eq!(gets(&bench.asked()), 1);
    bench.finish();
}
