//! Requests, the lookups that wait for them, and their timeouts.

use super::*;

/// The document delegates; the SRV records of the delegated host are not known yet.
#[test]
fn speculative_questions_follow_the_policy() {
    let asked = |speculation| {
        let config = config(|policy| policy.spec.speculation = speculation);
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
fn counters_show_open_queries_and_queued_lookups() {
    let config = config(|policy| {
        policy.limits.dns_slots = 3;
        policy.limits.http_slots = 1;
        policy.spec.speculation = Speculation::Off;
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
        let all = hosts.map(|host| [(host.clone(), RecordType::Aaaa), (host, RecordType::A)]);
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

/// R127: IPv4 waits a moment for IPv6. Then the document is waited for until its timeout, followed by step 4.
#[test]
fn each_deadline_has_its_time_and_kind() {
    let config = config(|policy| policy.spec.speculation = Speculation::Off);
    let mut resolution = Resolution::new(name("a.example"), &config, START);
    let policy = Policy::default();
    let dns: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [v6, v4] = &requests(&dns)[..] else { panic!("{dns:?}") };
    let soon = START + Duration::from_millis(10);
    let found = answer(v4, vec![address("a.example", RecordType::A, 1)]);
    let _ = resolution.handle_answer(found, soon);
    assert_eq!(resolution.poll(), None, "the GET is held back");
    let wait = resolution.poll_timeout().unwrap();
    assert_eq!(
        (wait.at, wait.kind),
        (soon + policy.addresses.resolution_delay, DeadlineKind::ResolutionDelay)
    );
    let asked_at = wait.at;
    resolution.handle_timeout(asked_at);
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [Request::Http(get)] = &requests(&events)[..] else { panic!("{events:?}") };
    let _ = resolution.handle_answer(answer(v6, Vec::new()), asked_at);
    let wait = resolution.poll_timeout().unwrap();
    let patience = asked_at + policy.well_known.timeout;
    assert_eq!((wait.at, wait.kind), (patience, DeadlineKind::WellKnownTimeout));
    resolution.handle_timeout(patience);
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    assert!(events.contains(&Event::Cancel(RequestId::Http(get.id))), "{events:?}");
    let [Request::Dns(srv)] = &requests(&events)[..] else { panic!("{events:?}") };
    assert_eq!(srv.kind, RecordType::Srv);
    // With a silent name server the deadline is that of the next attempt, and finally that of the question.
    let mut told = Vec::new();
    while let Some(wait) = resolution.poll_timeout().filter(|_| told.len() < 9) {
        told.push(wait.kind);
        resolution.handle_timeout(wait.at);
        if wait.kind == DeadlineKind::QuestionTimeout {
            assert_eq!(wait.at, patience + policy.dns.timeout);
            break;
        }
    }
    assert_eq!(told.last(), Some(&DeadlineKind::QuestionTimeout), "{told:?}");
    let attempts = usize::from(policy.dns.attempts);
    assert_eq!(told.len(), attempts, "{told:?}");
    assert!(told[..attempts - 1].iter().all(|why| *why == DeadlineKind::NextAttempt), "{told:?}");
}

#[test]
fn forget_all_repeats_cached_and_open_questions() {
    let mut resolver = Resolver::new(config(|_| {}), START);
    let world = |last: u8| {
        move |request: &Request| {
            let Request::Dns(dns) = request else { panic!("{request:?}") };
            let records = vec![address(dns.name.as_str(), dns.kind, last)];
            answer(request, if dns.kind == RecordType::A { records } else { Vec::new() })
        }
    };
    let places = |outcome: &Outcome| -> Vec<String> {
        outcome.as_ref().unwrap().socket_addrs().map(|place| place.to_string()).collect()
    };
    let ticket = resolver.resolve(&name("known.example:1"), START);
    assert_eq!(places(&settle(&mut resolver, ticket, START, world(1))), ["1.1.1.1:1"]);
    // A lookup is in flight, and another one has nothing to refresh.
    let waiting = resolver.resolve(&name("waiting.example:1"), START);
    let before: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    assert_eq!(requests(&before).len(), 2);
    resolver.forget_all(START);
    assert_eq!((resolver.counters().facts, resolver.counters().results), (0, 0));
    // Answers to earlier requests may predate the call, so these are cancelled and repeated.
    for request in requests(&before) {
        assert_eq!(resolver.handle_answer(world(1)(&request), START), Disposition::Stale);
    }
    assert_eq!(places(&settle(&mut resolver, waiting, START, world(2))), ["1.1.1.2:1"]);
    let ticket = resolver.resolve(&name("known.example:1"), START);
    assert_eq!(places(&settle(&mut resolver, ticket, START, world(3))), ["1.1.1.3:1"]);
}
