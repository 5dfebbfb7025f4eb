//! Reading the cache without queries, and exchanging it between resolvers.

use std::time::Duration;

use discovery_core::{
    CacheEntry, CacheLookup, Cursor, ErrorKind, Export, Question, Standing, UnixMillis,
};
use discovery_sim::Bench;

const WALL: UnixMillis = UnixMillis(1_764_000_000_000);

const WORLD: &str = "\
https a.example 200 \"Cache-Control: max-age=1000\" {\"m.server\":\"fed.example.net:443\"}
dns fed.example.net A 192.0.2.1 ttl=600
dns fed.example.net AAAA NODATA
https b.example timeout
dns b.example A 192.0.2.2
dns b.example AAAA NODATA";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn row(bench: &mut Bench, name: &str) -> CacheEntry {
    let rows = bench.entries();
    assert!(rows.is_sorted_by_key(|row| row.name.clone()));
    rows.into_iter().find(|row| row.name.as_str() == name).unwrap()
}

fn missing(bench: &mut Bench, name: &str) -> Vec<(String, Option<u64>)> {
    let CacheLookup::Missing(missing) = bench.explain(name) else { panic!("{name} is known") };
    let told =
        |it: discovery_core::Missing| (it.question.to_string(), it.expired.map(|it| it.as_secs()));
    missing.into_iter().map(told).collect()
}

#[test]
fn explain_reports_cached_and_missing_facts_without_queries() {
    let mut bench = Bench::new(WORLD);
    assert_eq!(bench.entries(), []);
    let addresses =
        |expired| [("a.example AAAA".to_owned(), expired), ("a.example A".to_owned(), expired)];
    assert_eq!(missing(&mut bench, "a.example"), addresses(None));
    let outcome = bench.resolve("a.example");
    bench.settle();
    bench.news();
    let before = bench.counters();
    assert_eq!(bench.explain("a.example"), CacheLookup::Known(outcome));
    bench.wait(seconds(100));
    let told = row(&mut bench, "a.example");
    assert_eq!((told.standing, told.step.unwrap().number()), (Standing::Fresh, "3.2"));
    assert_eq!(
        (told.age, told.left),
        (Some(seconds(100)), Some(seconds(200))),
        "the NODATA is known for 300 s"
    );
    assert_eq!(told.targets[0].port, 443);
    assert_eq!(told.reason, "well-known → delegated port");
    bench.wait(seconds(600));
    let told = row(&mut bench, "a.example");
    assert_eq!((told.standing, told.left), (Standing::Expired, Some(Duration::ZERO)));
    assert_eq!(told.step.unwrap().number(), "3.2", "as it was last time");
    let of_host = [
        ("fed.example.net AAAA".to_owned(), Some(400)),
        ("fed.example.net A".to_owned(), Some(100)),
    ];
    assert_eq!(missing(&mut bench, "a.example"), of_host);
    assert_eq!((bench.counters(), bench.asked()), (before, vec![]));
    bench.finish();
}

#[test]
fn failing_name_is_listed_with_its_last_failure() {
    let mut bench = Bench::new(&format!("{WORLD}\ndns _matrix-fed._tcp.b.example SRV SERVFAIL"));
    assert!(bench.resolve("b.example").is_err());
    bench.settle();
    bench.wait(seconds(5));
    let told = row(&mut bench, "b.example");
    assert_eq!(told.failure, Some(ErrorKind::DnsFailure));
    let failure = told.last_failure.unwrap();
    assert_eq!(failure.question.to_string(), "_matrix-fed._tcp.b.example SRV");
    assert_eq!((failure.age.as_secs(), failure.times), (5, 1));
    assert!(failure.left > seconds(20) && failure.left <= seconds(25), "{failure:?}");
    bench.finish();
}

/// Passes the cache of one resolver to another as text, with a difference between their clocks.
fn travel(from: &mut Bench, to: &mut Bench, later: Duration) {
    let export = from.export_since(Cursor::START, WALL);
    let export = Export::read(export.to_text().as_bytes()).unwrap();
    to.import(export, UnixMillis(WALL.0 + u64::try_from(later.as_millis()).unwrap()));
}

#[test]
fn resolver_that_starts_with_an_import_asks_nothing_until_it_expires() {
    let mut one = Bench::new(WORLD);
    drop(one.resolve("a.example"));
    one.wait(seconds(10));
    let mut other = Bench::new(WORLD);
    travel(&mut one, &mut other, seconds(100));
    let outcome = other.resolve("a.example");
    assert_eq!(
        outcome.as_ref().unwrap().socket_addrs().next().unwrap().to_string(),
        "192.0.2.1:443"
    );
    assert_eq!(other.asked(), []);
    // 110 of 300 seconds have passed for what expires first.
    other.wait(seconds(189));
    drop(other.resolve("a.example"));
    other.settle();
    let gets =
        |asked: Vec<Question>| asked.iter().filter(|it| matches!(it, Question::Get(_))).count();
    assert_eq!(gets(other.asked()), 0);
    other.finish();
    one.finish();
}

#[test]
fn a_server_that_did_not_answer_another_one_is_not_asked_by_this_one_and_waited_for_longer_the_next_time()
 {
    let mut one = Bench::new(WORLD);
    drop(one.resolve("b.example"));
    one.settle();
    let mut other = Bench::new(WORLD);
    travel(&mut one, &mut other, Duration::ZERO);
    assert!(other.resolve("b.example").is_ok(), "port 8448");
    assert_eq!(other.counters().gets, 0);
    other.wait(seconds(61));
    drop(other.resolve("b.example"));
    other.settle();
    let told = row(&mut other, "b.example").last_failure.unwrap();
    assert_eq!(told.times, 2);
    assert!(told.left > seconds(90), "{told:?}");
    other.finish();
    one.finish();
}

#[test]
fn stale_answer_is_exported_and_used_until_max_stale_and_never_after_must_revalidate() {
    for (control, stands_in) in [("max-age=1000", true), ("max-age=1000, must-revalidate", false)] {
        let text = WORLD.replace("max-age=1000", control);
        let mut one = Bench::new(&text);
        drop(one.resolve("a.example"));
        one.wait(seconds(900));
        one.settle();
        let fails = text.lines().skip(1).collect::<Vec<_>>().join("\n")
            + "\nhttps a.example 503\ndns a.example A 192.0.2.9";
        let mut other = Bench::new(&fails);
        travel(&mut one, &mut other, seconds(200));
        let step =
            |bench: &mut Bench| bench.resolve("a.example").as_ref().as_ref().unwrap().step.number();
        assert_eq!(step(&mut other) == "3.2", stands_in, "{control}");
        other.settle();
        other.wait(seconds(172_800 - 1_100 + 10));
        assert_eq!(step(&mut other), "6", "48 hours after it was fetched: {control}");
        other.finish();
        one.finish();
    }
}
