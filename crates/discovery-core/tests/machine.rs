//! Small runs at the machine's border, answered by hand: promises at their edges.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use discovery_core::life::UnderWay;
use discovery_core::{
    AddressPolicy, Answer, Config, Disposition, DnsName, DnsRecord, DnsReply, Effect, Event,
    FailureKind, Families, Feedback, HttpError, Instant, Outcome, Policy, Question, RecordData,
    RecordKind, Request, RequestId, Resolution, Resolver, ServerName, Service, Speculation,
    SrvTargetAlias, Ticket, Why,
};

const START: Instant = Instant::from_secs(1000);

fn config(change: impl FnOnce(&mut Policy)) -> Config {
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    change(&mut policy);
    Config::new(policy)
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

fn host(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn record(owner: &str, data: RecordData) -> DnsRecord {
    DnsRecord { owner: host(owner), ttl: 300, data }
}

/// An answer with these records; NODATA without any.
fn answer(request: &Request, records: Vec<DnsRecord>) -> Answer {
    let Request::Dns(dns) = request else { panic!("{request:?}") };
    Answer::Dns(dns.id, Ok(DnsReply { nxdomain: false, records, negative_ttl: Some(300) }))
}

fn address(owner: &str, kind: RecordKind, last: u8) -> DnsRecord {
    let data = match kind {
        RecordKind::Aaaa => RecordData::Aaaa(Ipv6Addr::new(1, 0, 0, 0, 0, 0, 0, last.into())),
        _ => RecordData::A(Ipv4Addr::new(1, 1, 1, last)),
    };
    record(owner, data)
}

fn requests(events: &[Event]) -> Vec<Request> {
    let request = |event: &Event| match event {
        Event::Request(request) => Some(request.clone()),
        Event::Cancel(_) | Event::Finished(..) => None,
    };
    events.iter().filter_map(request).collect()
}

fn end(events: &[Event], ticket: Ticket) -> Option<Outcome> {
    events.iter().find_map(|event| match event {
        Event::Finished(of, outcome) if *of == ticket => Some(outcome.clone()),
        _ => None,
    })
}

#[test]
fn i05_a_deadline_of_zero_is_due_at_once() {
    let config = config(|policy| policy.lookup_deadline = Duration::ZERO);
    let mut resolution = Resolution::new(name("a.example"), &config, START);
    assert_eq!(resolution.poll_timeout(), None);
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let outcome = end(&events, resolution.ticket()).expect("an end");
    assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::TimedOut);
}

#[test]
fn i10_a_get_has_at_most_four_addresses_open_and_goes_on_when_one_fails() {
    let mut resolution = Resolution::new(name("a.example"), &config(|_| {}), START);
    let dns: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [v6, v4] = &requests(&dns)[..] else { panic!("{dns:?}") };
    let all = |kind| (0..9).map(|last| address("a.example", kind, last)).collect();
    let _ = resolution.handle_answer(answer(v6, all(RecordKind::Aaaa)), START);
    let _ = resolution.handle_answer(answer(v4, all(RecordKind::A)), START);
    resolution.handle_timeout(START + Duration::from_secs(2));
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let gets = requests(&events);
    assert_eq!(gets.len(), 4, "{gets:?}");
    let Request::Http(first) = &gets[0] else { panic!("{gets:?}") };
    let refused = Answer::Http(first.id, Err(HttpError::Refused));
    let _ = resolution.handle_answer(refused, START + Duration::from_secs(2));
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    assert_eq!(requests(&events).len(), 1, "the fifth");
    // Where all are silent, the one that has been so for longest makes room: every address gets its turn.
    resolution.handle_timeout(START + Duration::from_secs(5));
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let Request::Http(second) = &gets[1] else { panic!("{gets:?}") };
    let [Event::Cancel(cancelled), Event::Request(_)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*cancelled, RequestId::Http(second.id));
}

#[test]
fn i03_a_connection_that_is_told_of_twice_changes_nothing_the_second_time() {
    let mut resolution = Resolution::new(name("a.example"), &config(|_| {}), START);
    let dns: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [v6, v4] = &requests(&dns)[..] else { panic!("{dns:?}") };
    let addresses = (1..3).map(|last| address("a.example", RecordKind::A, last)).collect();
    let _ = resolution.handle_answer(answer(v6, Vec::new()), START);
    let _ = resolution.handle_answer(answer(v4, addresses), START);
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [Request::Http(get)] = &requests(&events)[..] else { panic!("{events:?}") };
    assert_eq!(resolution.handle_connected(get.id, START), Disposition::Accepted);
    let before = resolution.poll_timeout();
    let later = START + Duration::from_secs(1);
    assert_eq!(resolution.handle_connected(get.id, later), Disposition::Stale);
    assert_eq!(resolution.poll_timeout(), before);
}

#[test]
fn i14_an_answer_that_comes_late_does_not_give_those_in_the_queue_more_time() {
    let config = config(|policy| {
        policy.dns_slots = 1;
        policy.families = Families::V6;
        policy.dns_timeout = Duration::from_secs(100_000);
        policy.queue_deadline = Some(Duration::from_secs(60));
    });
    let mut resolver = Resolver::new(config, START);
    let _ = resolver.resolve(&name("a.example:1"), START);
    let waiting = resolver.resolve(&name("b.example:1"), START);
    let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    let [first] = &requests(&events)[..] else { panic!("{events:?}") };
    let late = START + Duration::from_secs(10_000);
    let _ = resolver.handle_answer(answer(first, Vec::new()), late);
    let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    assert!(end(&events, waiting).is_some(), "{events:?}");
}

/// Which family's answer comes first makes no difference, not even where one of them shows that the target is an alias.
#[test]
fn i13_a_rejected_alias_is_explained_alike_in_every_order() {
    let config = config(|policy| policy.srv_target_alias = SrvTargetAlias::Reject);
    let run = |flip: bool| {
        let mut resolution = Resolution::new(name("a.example"), &config, START);
        let mut open = Vec::new();
        loop {
            let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
            if let Some(outcome) = end(&events, resolution.ticket()) {
                return outcome;
            }
            open.extend(requests(&events));
            let request = if flip { open.pop().unwrap() } else { open.remove(0) };
            let Request::Dns(dns) = &request else { panic!("{request:?}") };
            let records = match (dns.name.as_str(), dns.kind) {
                ("_matrix-fed._tcp.a.example", _) => {
                    let (priority, weight, port, target) = (1, 1, 443, host("t.example"));
                    let service = Service { priority, weight, port, target };
                    vec![record("_matrix-fed._tcp.a.example", RecordData::Srv(service))]
                }
                ("t.example", RecordKind::Aaaa) => vec![
                    record("t.example", RecordData::Cname(host("u.example"))),
                    address("u.example", RecordKind::Aaaa, 1),
                ],
                ("t.example", RecordKind::A) => vec![address("t.example", RecordKind::A, 1)],
                _ => Vec::new(),
            };
            let _ = resolution.handle_answer(answer(&request, records), START);
        }
    };
    let outcome = run(false);
    assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::SrvUnavailable);
    assert_eq!(outcome, run(true));
}

/// Answers every request at once, until nothing is asked; gives the end of the ticket.
fn settle(
    resolver: &mut Resolver,
    ticket: Ticket,
    now: Instant,
    world: impl Fn(&Request) -> Answer,
) -> Outcome {
    loop {
        let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
        if let Some(outcome) = end(&events, ticket) {
            return outcome;
        }
        for request in requests(&events) {
            let _ = resolver.handle_answer(world(&request), now);
        }
    }
}

#[test]
fn what_is_forgotten_does_not_stand_in_as_the_last_good_fact() {
    let good = |request: &Request| match request {
        Request::Dns(dns) if dns.kind == RecordKind::Srv => answer(request, Vec::new()),
        Request::Dns(dns) => answer(request, vec![address(dns.name.as_str(), dns.kind, 1)]),
        Request::Http(get) => {
            let body = br#"{"m.server":"b.example:1"}"#.to_vec();
            Answer::Http(get.id, Ok(http::Response::new(body).into()))
        }
    };
    let broken = |request: &Request| match request {
        Request::Dns(_) => good(request),
        Request::Http(get) => Answer::Http(get.id, Err(HttpError::Refused)),
    };
    let mut resolver = Resolver::new(config(|_| {}), START);
    let name = name("a.example");
    let ticket = resolver.resolve(&name, START);
    let outcome = settle(&mut resolver, ticket, START, good);
    assert_eq!(&*outcome.as_ref().as_ref().unwrap().host_header, "b.example:1");
    let later = START + Duration::from_secs(47 * 3600);
    let mut remembering = resolver.clone();
    let ticket = remembering.resolve(&name, later);
    let outcome = settle(&mut remembering, ticket, later, broken);
    assert_eq!(&*outcome.as_ref().as_ref().unwrap().host_header, "b.example:1");
    resolver.forget(&name, later);
    let ticket = resolver.resolve(&name, later);
    let outcome = settle(&mut resolver, ticket, later, broken);
    assert_eq!(&*outcome.as_ref().as_ref().unwrap().host_header, "a.example");
}

/// Whose server this is stands in the document; whether it has SRV records is not known yet.
#[test]
fn what_is_asked_ahead_of_need_is_what_the_policy_allows() {
    let asked = |speculation| {
        let config = config(|policy| policy.speculation = speculation);
        let mut resolution = Resolution::new(name("a.example"), &config, START);
        let mut asked = Vec::new();
        loop {
            let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
            for request in requests(&events) {
                let said = match &request {
                    Request::Dns(dns) if dns.name.as_str() == "a.example" => {
                        answer(&request, vec![address("a.example", dns.kind, 1)])
                    }
                    Request::Dns(dns) => {
                        asked.push(format!("{} {:?}", dns.name, dns.kind));
                        continue;
                    }
                    Request::Http(get) => {
                        let body = br#"{"m.server":"b.example"}"#.to_vec();
                        Answer::Http(get.id, Ok(http::Response::new(body).into()))
                    }
                };
                let _ = resolution.handle_answer(said, START);
            }
            if events.is_empty() {
                asked.retain(|question| question.contains("b.example"));
                asked.sort();
                return asked;
            }
        }
    };
    let fed = "_matrix-fed._tcp.b.example Srv".to_owned();
    let old = "_matrix._tcp.b.example Srv".to_owned();
    let [v4, v6] = ["b.example A".to_owned(), "b.example Aaaa".to_owned()];
    assert_eq!(asked(Speculation::Off), std::slice::from_ref(&fed));
    assert_eq!(asked(Speculation::Addresses), [fed.clone(), v4.clone(), v6.clone()]);
    assert_eq!(asked(Speculation::Full), [fed, old, v4, v6]);
}

#[test]
fn counters_tell_what_is_under_way_and_what_waits_for_a_slot() {
    let config = config(|policy| {
        policy.dns_slots = 3;
        policy.http_slots = 1;
        policy.speculation = Speculation::Off;
    });
    let mut resolver = Resolver::new(config, START);
    let tickets = ["a.example", "b.example"].map(|text| resolver.resolve(&name(text), START));
    let held = |resolver: &Resolver| {
        let now = resolver.counters();
        let in_flight = (now.dns_in_flight, now.gets_in_flight);
        (now.lookups, in_flight, now.queued, now.dns_questions, now.gets)
    };
    // Two families of two hosts, and three slots.
    assert_eq!(held(&resolver), (2, (3, 0), 1, 3, 0));
    let under_way = |resolver: &Resolver| {
        let question = |(host, kind)| Question::Dns(host, kind);
        let hosts = ["a.example", "b.example", "c.example"].map(host);
        let all = hosts.map(|host| [(host.clone(), RecordKind::Aaaa), (host, RecordKind::A)]);
        let told = all.into_iter().flatten().map(|it| resolver.life(&question(it)).under_way);
        told.collect::<Vec<_>>()
    };
    let (asked, queued, idle) = (UnderWay::Asked, UnderWay::Queued, UnderWay::Idle);
    assert_eq!(under_way(&resolver), [asked, asked, asked, queued, idle, idle]);
    let mut gets = Vec::new();
    loop {
        let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
        for request in requests(&events) {
            match &request {
                Request::Dns(dns) => {
                    let found = vec![address(dns.name.as_str(), dns.kind, 1)];
                    let _ = resolver.handle_answer(answer(&request, found), START);
                }
                Request::Http(get) => gets.push(get.id),
            }
        }
        if events.is_empty() {
            break;
        }
    }
    assert_eq!(gets.len(), 1, "the other one waits");
    assert_eq!(held(&resolver), (2, (0, 1), 1, 4, 1));
    assert_eq!((resolver.unfinished(), resolver.counters().facts), (2, 4));
    let _ = resolver.abandon(tickets[0], START);
    assert_eq!(resolver.unfinished(), 1);
    let _ = resolver.abandon(tickets[1], START);
    assert_eq!((resolver.unfinished(), resolver.counters().lookups), (0, 0));
}

#[test]
fn i12_whoever_gives_up_alone_cancels_what_has_been_asked() {
    let mut resolver = Resolver::new(config(|_| {}), START);
    let ticket = resolver.resolve(&name("a.example"), START);
    let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    let asked = requests(&events);
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(resolver.abandon(ticket, START), Disposition::Accepted);
    let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    for request in asked {
        let Request::Dns(dns) = request else { panic!("{request:?}") };
        assert!(events.contains(&Event::Cancel(RequestId::Dns(dns.id))), "{events:?}");
    }
    assert_eq!(resolver.poll_timeout(), None);
}

/// R127: IPv4 alone waits a moment for IPv6. Then the document is waited for, and no longer than the policy says; then step 4.
#[test]
fn each_wait_ends_when_and_why_it_is_said_to() {
    let config = config(|policy| policy.speculation = Speculation::Off);
    let mut resolution = Resolution::new(name("a.example"), &config, START);
    let policy = Policy::default();
    let dns: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [v6, v4] = &requests(&dns)[..] else { panic!("{dns:?}") };
    let soon = START + Duration::from_millis(10);
    let found = answer(v4, vec![address("a.example", RecordKind::A, 1)]);
    let _ = resolution.handle_answer(found, soon);
    assert_eq!(resolution.poll(), None, "the GET is held back");
    let wait = resolution.poll_timeout().unwrap();
    assert_eq!((wait.at, wait.why), (soon + policy.resolution_delay, Why::ResolutionDelay));
    let asked_at = wait.at;
    resolution.handle_timeout(asked_at);
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [Request::Http(get)] = &requests(&events)[..] else { panic!("{events:?}") };
    let _ = resolution.handle_answer(answer(v6, Vec::new()), asked_at);
    let wait = resolution.poll_timeout().unwrap();
    let patience = asked_at + policy.well_known_timeout;
    assert_eq!((wait.at, wait.why), (patience, Why::WellKnownTimeout));
    resolution.handle_timeout(patience);
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    assert!(events.contains(&Event::Cancel(RequestId::Http(get.id))), "{events:?}");
    let [Request::Dns(srv)] = &requests(&events)[..] else { panic!("{events:?}") };
    assert_eq!(srv.kind, RecordKind::Srv);
    // Of a silent name server another attempt comes first, and in the end the question's own.
    let mut told = Vec::new();
    while let Some(wait) = resolution.poll_timeout().filter(|_| told.len() < 9) {
        told.push(wait.why);
        resolution.handle_timeout(wait.at);
        if wait.why == Why::QuestionTimeout {
            assert_eq!(wait.at, patience + policy.dns_timeout);
            break;
        }
    }
    assert_eq!(told.last(), Some(&Why::QuestionTimeout), "{told:?}");
    let attempts = usize::from(policy.dns_attempts);
    assert_eq!(told.len(), attempts, "{told:?}");
    assert!(told[..attempts - 1].iter().all(|why| *why == Why::NextAttempt), "{told:?}");
}

#[test]
fn the_timeline_tells_when_each_question_was_asked_and_answered() {
    let mut resolution = Resolution::new(name("a.example:1"), &config(|_| {}), START);
    let dns: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let mut now = START;
    for request in requests(&dns) {
        now = now + Duration::from_millis(20);
        let Request::Dns(asked) = &request else { panic!("{dns:?}") };
        let found = answer(&request, vec![address("a.example", asked.kind, 7)]);
        let _ = resolution.handle_answer(found, now);
    }
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let outcome = end(&events, resolution.ticket()).expect("an end");
    let timeline = &outcome.as_ref().as_ref().unwrap().timeline;
    let told: Vec<_> = timeline.questions.iter().map(|it| (it.asked, it.answered)).collect();
    let after = |millis| START + Duration::from_millis(millis);
    assert_eq!(told, [(START, Some(after(20))), (START, Some(after(40)))]);
}

#[test]
fn r19_r20_the_name_for_tls_is_sent_unless_it_is_an_ip_address() {
    for (text, sni) in [("a.example:1", Some("a.example")), ("192.0.2.1", None)] {
        let world = |request: &Request| match request {
            Request::Dns(dns) => answer(request, vec![address("a.example", dns.kind, 1)]),
            Request::Http(_) => panic!("{request:?}"),
        };
        let mut resolver = Resolver::new(config(|_| {}), START);
        let ticket = resolver.resolve(&name(text), START);
        let outcome = settle(&mut resolver, ticket, START, world);
        assert_eq!(outcome.as_ref().as_ref().unwrap().sni(), sni);
    }
}

#[test]
fn a_failure_says_in_words_what_failed_and_whether_it_may_pass() {
    let fails = |broken: bool| {
        let world = |request: &Request| match request {
            Request::Dns(dns) if broken => {
                Answer::Dns(dns.id, Err(discovery_core::DnsError::ServerFailure))
            }
            Request::Dns(_) => answer(request, Vec::new()),
            Request::Http(_) => panic!("{request:?}"),
        };
        let mut resolver = Resolver::new(config(|_| {}), START);
        let ticket = resolver.resolve(&name("a.example:1"), START);
        settle(&mut resolver, ticket, START, world)
    };
    let (broken, nothing) = (fails(true), fails(false));
    let (broken, nothing) = (broken.as_ref().as_ref(), nothing.as_ref().as_ref());
    let (broken, nothing) = (broken.unwrap_err(), nothing.unwrap_err());
    assert_eq!((broken.kind, broken.temporary), (FailureKind::DnsFailure, true));
    assert_eq!((nothing.kind, nothing.temporary), (FailureKind::NoAddresses, false));
    for (failed, words) in [(broken, ["DNS failed", "SERVFAIL"]), (nothing, ["no addr", "NODATA"])]
    {
        let text = failed.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(text.contains("a.example A"), "{text}");
    }
}

#[test]
fn i03_an_answer_to_what_was_never_asked_is_told_from_one_that_comes_late() {
    let [mut resolver, mut other] = [(); 2].map(|()| Resolver::new(config(|_| {}), START));
    let asked = |resolver: &mut Resolver, text: &str| {
        let ticket = resolver.resolve(&name(text), START);
        let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
        (ticket, requests(&events))
    };
    let (ticket, here) = asked(&mut resolver, "a.example:1");
    let (_, there) = asked(&mut other, "a.example");
    let (_, further) = asked(&mut other, "b.example");
    let _ = resolver.abandon(ticket, START);
    // Numbers go up from one: the next one of this resolver is the other's third.
    let mut told = |request: &Request| resolver.handle_answer(answer(request, vec![]), START);
    assert_eq!(here.iter().map(&mut told).collect::<Vec<_>>(), [Disposition::Stale; 2]);
    assert_eq!(told(&further[0]), Disposition::Unknown);
    for request in &there {
        let Request::Dns(dns) = request else { panic!("{request:?}") };
        let found = vec![address("a.example", dns.kind, 1)];
        let _ = other.handle_answer(answer(request, found), START);
    }
    let events: Vec<Event> = std::iter::from_fn(|| other.poll()).collect();
    let [Request::Http(get), ..] = &requests(&events)[..] else { panic!("{events:?}") };
    let document = Answer::Http(get.id, Err(HttpError::Refused));
    assert_eq!(resolver.handle_answer(document, START), Disposition::Unknown);
}

/// Of more targets than are used each lookup draws its own: all of them have been handed out to somebody.
#[test]
fn every_place_that_may_have_been_handed_out_can_be_reported() {
    let world = |request: &Request| match request {
        Request::Dns(dns) if dns.kind == RecordKind::Srv => {
            let targets = ["t.example", "u.example", "v.example"].map(host);
            let service = |(port, target)| Service { priority: 1, weight: 1, port, target };
            let record = |service| record(dns.name.as_str(), RecordData::Srv(service));
            answer(request, (1..).zip(targets).map(service).map(record).collect())
        }
        Request::Dns(dns) => answer(request, vec![address(dns.name.as_str(), dns.kind, 1)]),
        Request::Http(get) => Answer::Http(get.id, Err(HttpError::Refused)),
    };
    let mut resolver = Resolver::new(config(|policy| policy.max_srv_targets = 2), START);
    let mut places = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let ticket = resolver.resolve(&name("a.example"), START);
        let outcome = settle(&mut resolver, ticket, START, world);
        places.extend(outcome.as_ref().as_ref().unwrap().socket_addrs());
    }
    assert_eq!(places.iter().map(|place| place.port()).max(), Some(3), "{places:?}");
    for place in places {
        let told = resolver.report(&name("a.example"), place, Feedback::Connected, START);
        assert_eq!(told, Disposition::Accepted, "{place}");
    }
}

/// What is told of `a.example` where its SRV record has these ports and targets.
fn told_of_services(services: &[(u16, &str)], change: impl FnOnce(&mut Policy)) -> Vec<Effect> {
    let owner = "_matrix-fed._tcp.a.example";
    let service = |(port, target): &(u16, &str)| {
        let service = Service { priority: 1, weight: 1, port: *port, target: host(target) };
        record(owner, RecordData::Srv(service))
    };
    let world = |request: &Request| match request {
        Request::Dns(dns) if dns.name.as_str() == owner => {
            answer(request, services.iter().map(service).collect())
        }
        Request::Dns(dns) if dns.name.as_str() != "a.example" && dns.kind == RecordKind::A => {
            answer(request, vec![address(dns.name.as_str(), RecordKind::A, 1)])
        }
        Request::Dns(_) => answer(request, Vec::new()),
        Request::Http(get) => Answer::Http(get.id, Err(HttpError::Refused)),
    };
    let mut resolver = Resolver::new(config(change), START);
    let ticket = resolver.resolve(&name("a.example"), START);
    let outcome = settle(&mut resolver, ticket, START, world);
    let decisions = &outcome.as_ref().as_ref().unwrap().explanation.decisions;
    decisions.iter().map(|decision| decision.effect.clone()).collect()
}

#[test]
fn targets_of_no_use_are_dropped_and_told() {
    let told = told_of_services(&[(443, "t.example"), (443, "."), (0, "z.example")], |_| {});
    let dropped: Vec<&Effect> =
        told.iter().filter(|effect| matches!(effect, Effect::TargetDropped(_))).collect();
    assert_eq!(dropped.len(), 2, "{told:?}");
    for target in [".", "z.example"] {
        assert!(dropped.contains(&&Effect::TargetDropped(host(target))), "{told:?}");
    }
}

#[test]
fn only_targets_beyond_the_limit_are_left_out_and_told() {
    let left_out = |services| {
        let told = told_of_services(services, |policy| policy.max_srv_targets = 2);
        told.into_iter().find(|effect| matches!(effect, Effect::TargetsLeftOut(_)))
    };
    assert_eq!(left_out(&[(1, "t.example")]), None);
    assert_eq!(left_out(&[(1, "t.example"), (1, "u.example")]), None);
    let three = [(1, "t.example"), (1, "u.example"), (1, "v.example")];
    assert_eq!(left_out(&three), Some(Effect::TargetsLeftOut(1)));
}

#[test]
fn a_family_of_which_every_address_is_denied_is_told_to_have_none() {
    let config = config(|policy| policy.addresses = AddressPolicy::default());
    let world = |request: &Request| match request {
        Request::Dns(dns) if dns.kind == RecordKind::A => {
            let private = RecordData::A(Ipv4Addr::new(10, 0, 0, 1));
            answer(request, vec![record("a.example", private)])
        }
        Request::Dns(_) => {
            let global = RecordData::Aaaa(Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 0, 1));
            answer(request, vec![record("a.example", global)])
        }
        Request::Http(_) => panic!("{request:?}"),
    };
    let mut resolver = Resolver::new(config, START);
    let ticket = resolver.resolve(&name("a.example:1"), START);
    let outcome = settle(&mut resolver, ticket, START, world);
    let told = |kind| {
        let decisions = &outcome.as_ref().as_ref().unwrap().explanation.decisions;
        let of = Question::Dns(host("a.example"), kind);
        let decision = decisions.iter().find(|decision| decision.question() == Some(&of));
        decision.map(|decision| decision.effect.clone())
    };
    assert_eq!(told(RecordKind::A), Some(Effect::NoAddress));
    assert_eq!(told(RecordKind::Aaaa), Some(Effect::Used));
}

#[test]
fn the_summary_and_the_debug_text_of_an_explanation_say_how_the_result_came_about() {
    let mut resolution = Resolution::new(name("a.example:1"), &config(|_| {}), START);
    let dns: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let mut events = Vec::new();
    for request in requests(&dns) {
        let Request::Dns(asked) = &request else { panic!("{dns:?}") };
        let records = vec![address("a.example", asked.kind, 7)];
        let _ = resolution.handle_answer(answer(&request, records), START);
        events.extend(std::iter::from_fn(|| resolution.poll()));
    }
    let outcome = end(&events, resolution.ticket()).expect("an end");
    let resolved = outcome.as_ref().as_ref().unwrap();
    assert_eq!(resolved.rule.number(), "2");
    let summary = resolved.explanation.summary();
    assert!(summary.contains("port"), "{summary}");
    let debug = format!("{:?}", resolved.explanation);
    let decided = ["Explicit", "a.example", "Addresses"].map(|word| debug.contains(word));
    assert_eq!(decided, [true; 3], "{debug}");
}

#[test]
fn i14_errors_of_what_is_read_say_what_is_wrong_with_it() {
    let cursor = "no cursor".parse::<discovery_core::Cursor>().unwrap_err().to_string();
    assert!(cursor.contains("hexadecimal numbers"), "{cursor}");
    let export = discovery_core::Export::read(b"no export").unwrap_err().to_string();
    assert!(export.contains("not an export"), "{export}");
}

/// Only somebody else's answer casts doubt on what led there: a server that is down says nothing about its name.
#[test]
fn what_callers_tell_of_a_place_has_a_word_and_doubts_facts_where_somebody_else_answers() {
    let all = ["connected", "connect-failed", "tls-failed", "misdirected", "not-matrix"];
    let told = all.map(|word| Feedback::parse(word).expect(word));
    assert_eq!(told.map(|said| said.to_string()), all);
    assert_eq!(Feedback::parse("refused"), None);
    assert_eq!(told.map(Feedback::doubts_facts), [false, false, true, true, true]);
}
