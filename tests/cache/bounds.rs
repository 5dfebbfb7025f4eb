//! The cache is bounded, a flood of names evicts no name in use, and forgotten names are gone.

use std::time::Duration;

use discovery_core::{Question, Request};
use discovery_sim::{Bench, Happened};

fn gets(asked: &[Question]) -> usize {
    asked.iter().filter(|question| matches!(question, Question::Get(_))).count()
}

const IN_USE: &str =
    "https used.example 200 \"Cache-Control: max-age=86400\" {\"m.server\":\"fed.example.net:1\"}
    dns fed.example.net A 192.0.2.1 ttl=300\n";

#[test]
fn flood_of_new_names_evicts_no_name_in_use_and_stays_within_the_limit() {
    for limits in
        ["set cache.max_facts=200\nset cache.max_results=50\n", "set cache.max_bytes=60000\n"]
    {
        let mut bench = Bench::new(&format!("{limits}{IN_USE}"));
        drop(bench.resolve("used.example"));
        drop(bench.resolve("used.example"));
        let mut stranger = 0;
        bench.news();
        for minute in 0..60 {
            bench.wait(Duration::from_secs(60));
            assert!(bench.resolve("used.example").is_ok());
            bench.settle();
            assert_eq!(gets(&bench.asked()), 0, "{limits} minute {minute}");
            for _ in 0..60 {
                stranger += 1;
                drop(bench.resolve(&format!("s{stranger}.example")));
                // Some names are used again.
                if stranger % 3 == 0 {
                    drop(bench.resolve(&format!("s{stranger}.example:1")));
                }
            }
            let counters = bench.counters();
            if limits.contains("max_facts") {
                assert!(counters.facts <= 200 && counters.results <= 50, "{counters:?}");
            } else {
                // Of facts and of results.
                assert!(counters.bytes <= 2 * 60_000, "{counters:?}");
            }
            bench.news();
        }
        // The earlier answer is used when DNS fails.
        bench.become_world("server 0 SERVFAIL");
        bench.wait(Duration::from_secs(301));
        assert!(bench.resolve("used.example").is_ok(), "{limits}");
        bench.finish();
    }
}

#[test]
fn single_cache_hit_protects_the_facts_of_a_name_from_a_flood() {
    for again in [false, true] {
        let mut bench =
            Bench::new(&format!("set cache.max_facts=200\nset cache.max_results=50\n{IN_USE}"));
        drop(bench.resolve("used.example"));
        if again {
            drop(bench.resolve("used.example"));
        }
        for stranger in 0..300 {
            drop(bench.resolve(&format!("s{stranger}.example")));
        }
        // The earlier answer is used when DNS fails, if it is still cached.
        bench.become_world("server 0 SERVFAIL");
        bench.wait(Duration::from_secs(301));
        assert_eq!(bench.resolve("used.example").is_ok(), again);
    }
}

#[test]
fn a_result_is_listed_until_it_expires() {
    let mut bench = Bench::new(IN_USE);
    drop(bench.resolve("used.example"));
    for (wait, listed) in [(0, 1), (299, 1), (1, 0)] {
        bench.wait(Duration::from_secs(wait));
        // Any input moves the time.
        bench.explain("other.example");
        assert_eq!(bench.resolver().results().count(), listed, "{wait}");
    }
    bench.finish();
}

#[test]
fn forgotten_facts_are_asked_for_again_and_no_others() {
    let world = "https a.example 200 {\"m.server\":\"fed.example.net:1\"}
        dns fed.example.net A 192.0.2.1
        https b.example 404
        dns b.example A 192.0.2.2";
    let mut bench = Bench::new(world);
    drop(bench.resolve("a.example"));
    let first = bench.asked();
    drop(bench.resolve("b.example"));
    let facts = bench.counters().facts;
    bench.news();
    bench.forget("a.example");
    assert_eq!(bench.counters().facts, facts - first.len());
    drop(bench.resolve("b.example"));
    assert_eq!(bench.asked(), []);
    drop(bench.resolve("a.example"));
    assert_eq!(bench.asked(), first);
    bench.forget("never.example");
    drop(bench.resolve("a.example"));
    drop(bench.resolve("b.example"));
    assert_eq!(bench.asked(), []);
    bench.finish();
}

#[test]
fn forget_includes_the_alias_target_of_the_documents_host() {
    let mut bench = Bench::new(
        "https a.example 200 {\"m.server\":\"192.0.2.9:1\"}
        dns a.example CNAME cdn.example cut
        dns cdn.example CNAME edge.example cut
        dns edge.example A 192.0.2.1
        dns edge.example AAAA NODATA
        dns other.example A 192.0.2.2",
    );
    drop(bench.resolve("a.example"));
    let first = bench.asked();
    assert_eq!(first.len(), 7, "{first:?}");
    drop(bench.resolve("other.example:1"));
    bench.forget("a.example");
    // Facts of other names remain.
    assert_eq!(bench.counters().facts, 2);
    bench.news();
    drop(bench.resolve("a.example"));
    assert_eq!(bench.asked(), first);
    drop(bench.resolve("other.example:1"));
    assert_eq!(bench.asked(), []);
    bench.finish();
}

#[test]
fn forget_repeats_only_open_queries_that_the_name_needs() {
    let mut bench = Bench::new("").replying_after(Duration::from_secs(1));
    let tickets = ["a.example:1", "b.example:1", "c.example:1"].map(|name| bench.ask(name));
    bench.news();
    bench.forget("c.example:1");
    let (mut cancelled, mut asked) = (Vec::new(), Vec::new());
    for (_, happened) in bench.news() {
        match happened {
            Happened::Cancelled(Request::Dns(request)) => cancelled.push(request.name),
            Happened::Asked(Request::Dns(request)) => asked.push(request.name),
            other => panic!("{other:?}"),
        }
    }
    for names in [cancelled, asked] {
        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        assert_eq!(names, ["c.example", "c.example"]);
    }
    bench.settle();
    assert!(tickets.into_iter().all(|ticket| bench.end(ticket).is_some()));
    bench.finish();
}

/// R94: a loop of aliases that does not include the name.
#[test]
fn forget_ends_in_an_alias_loop_with_the_largest_limit() {
    let mut bench = Bench::new(
        "set dns.max_aliases=255
        dns a.example CNAME b.example cut
        dns b.example CNAME c.example cut
        dns c.example CNAME b.example cut",
    );
    bench.resolve("a.example").as_ref().as_ref().unwrap_err();
    bench.asked();
    bench.forget("a.example");
    bench.resolve("a.example").as_ref().as_ref().unwrap_err();
    assert!(bench.asked().iter().any(|question| question.to_string().starts_with("c.example")));
    bench.finish();
}

#[test]
fn forgotten_facts_are_not_used_stale() {
    let mut bench = Bench::new(
        "https a.example 200 \"Cache-Control: max-age=300\" {\"m.server\":\"fed.example.net:1\"}
        dns fed.example.net A 192.0.2.1 ttl=300",
    );
    drop(bench.resolve("a.example"));
    bench.wait(Duration::from_secs(301));
    bench.forget("a.example");
    assert_eq!(bench.counters().facts, 0);
    bench.become_world("https a.example 503\ndns a.example A 192.0.2.7");
    let outcome = bench.resolve("a.example");
    let address = outcome.as_ref().unwrap().socket_addrs().next().unwrap();
    assert_eq!(address.to_string(), "192.0.2.7:8448");
    bench.finish();
}

#[test]
fn i07_a_full_memory_is_no_reason_to_wake_up() {
    let mut bench = Bench::new(IN_USE);
    for n in 0..500 {
        drop(bench.resolve(&format!("s{n}.example")));
    }
    drop(bench.resolve("used.example"));
    bench.settle();
    let counters = bench.counters();
    assert!(counters.facts > 1000 && counters.results > 400, "{counters:?}");
    assert_eq!((counters.lookups, counters.queued, counters.dns_in_flight), (0, 0, 0));
    bench.finish();
}

#[test]
fn a_memory_of_size_zero_keeps_nothing() {
    for (limits, kept) in [("cache.max_results=0", (1, 0)), ("cache.max_facts=0", (0, 1))] {
        let text = format!("set addresses.families=v4\nset {limits}\ndns a.example A 192.0.2.1");
        let mut bench = Bench::new(&text);
        for questions in [1, 0] {
            assert!(bench.resolve("a.example:1").is_ok());
            assert_eq!(bench.asked().len(), questions, "{limits}: the other kind is enough");
            assert_eq!((bench.counters().facts, bench.counters().results), kept, "{limits}");
        }
        bench.finish();
    }
    let nothing = "set addresses.families=v4\nset cache.max_results=0\nset cache.max_facts=0\ndns a.example A 192.0.2.1";
    let mut bench = Bench::new(nothing);
    for _ in 0..2 {
        assert!(bench.resolve("a.example:1").is_ok());
        assert_eq!(bench.asked().len(), 1);
        assert_eq!((bench.counters().facts, bench.counters().results), (0, 0));
    }
    bench.finish();
}

#[test]
fn forget_repeats_open_queries_and_caches_no_old_answer() {
    let world = |to: &str| {
        format!(
            "https a.example after=5s 200 {{\"m.server\":\"{to}:1\"}}
            dns fed.example.net A 192.0.2.1
            dns new.example.net A 192.0.2.2"
        )
    };
    let step =
        |outcome: &discovery_core::Outcome| outcome.as_ref().unwrap().host_header_str().to_owned();
    // For a waiting ticket, for a refresh, and for a detached query.
    for (waits, speculation) in
        [(true, "full"), (true, "off"), (false, "full"), (false, "remembered")]
    {
        let set = format!("set spec.speculation={speculation}\n");
        let mut bench = Bench::new(&(set + &world("fed.example.net")));
        let mut ticket = bench.ask("a.example");
        if !waits {
            drop(bench.outcome(ticket));
            // It has expired, is asked for again, and the stale answer is used before there is a new one.
            bench.wait(Duration::from_secs(90_000));
            ticket = bench.ask("a.example");
            assert_eq!(step(&bench.outcome(ticket)), "fed.example.net:1");
        } else {
            bench.wait(Duration::from_secs(2));
        }
        bench.news();
        bench.become_world(&world("new.example.net"));
        bench.forget("a.example");
        assert_eq!(bench.asked().is_empty(), !waits, "asked again only for waiting lookups");
        if waits {
            assert_eq!(step(&bench.outcome(ticket)), "new.example.net:1", "{speculation}");
        }
        assert_eq!(step(&bench.resolve("a.example")), "new.example.net:1", "{speculation}");
        assert_eq!(bench.counters().lookups, 0);
        bench.finish();
    }
}

#[test]
fn forget_keeps_other_lookups_waiting_and_cannot_starve_them() {
    let mut bench = Bench::new(
        "https a.example 200 {\"m.server\":\"fed.example.net:1\"}
        https b.example 200 {\"m.server\":\"fed.example.net:1\"}
        dns fed.example.net A 192.0.2.1 after=900ms",
    );
    let tickets = [bench.ask("a.example"), bench.ask("b.example")];
    bench.wait(Duration::from_millis(700));
    bench.forget("a.example");
    assert!(tickets.map(|ticket| bench.outcome(ticket)).iter().all(|end| end.is_ok()));
    // Then no ticket gets an answer, and every ticket ends.
    let ticket = bench.ask("c.example");
    for _ in 0..1000 {
        bench.forget("c.example");
        bench.wait(Duration::from_millis(100));
    }
    assert!(bench.end(ticket).is_some());
    bench.finish();
}
