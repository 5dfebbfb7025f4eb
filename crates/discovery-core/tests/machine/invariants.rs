//! Edge cases of invariants: answers, deadlines and abandoned lookups.

use super::*;

#[test]
fn i05_a_deadline_of_zero_is_due_at_once() {
    let config = config(|policy| policy.limits.lookup_deadline = Duration::ZERO);
    let mut resolution = Resolution::new(name("a.example"), &config, START);
    assert_eq!(resolution.poll_timeout(), None);
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let outcome = end(&events, resolution.ticket()).expect("an end");
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::TimedOut);
}

#[test]
fn i10_a_get_has_at_most_four_addresses_open_and_goes_on_when_one_fails() {
    let mut resolution = Resolution::new(name("a.example"), &config(|_| {}), START);
    let dns: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [v6, v4] = &requests(&dns)[..] else { panic!("{dns:?}") };
    let all = |kind| (0..9).map(|last| address("a.example", kind, last)).collect();
    let _ = resolution.handle_answer(answer(v6, all(RecordType::Aaaa)), START);
    let _ = resolution.handle_answer(answer(v4, all(RecordType::A)), START);
    pass(&mut resolution, START + Duration::from_secs(2));
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let gets = requests(&events);
    assert_eq!(gets.len(), 4, "{gets:?}");
    let Request::Http(first) = &gets[0] else { panic!("{gets:?}") };
    let refused = Answer::Http(first.id, Err(HttpError::Refused));
    let _ = resolution.handle_answer(refused, START + Duration::from_secs(2));
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    assert_eq!(requests(&events).len(), 1, "the fifth");
    // If all are silent, the one that has been silent for longest makes room, so that every address is tried.
    pass(&mut resolution, START + Duration::from_secs(5));
    let events: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let Request::Http(second) = &gets[1] else { panic!("{gets:?}") };
    let [Event::Cancel(cancelled), Event::Request(_)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*cancelled, RequestId::Http(second.id));
}

#[test]
fn i03_second_report_of_a_connection_changes_nothing() {
    let mut resolution = Resolution::new(name("a.example"), &config(|_| {}), START);
    let dns: Vec<Event> = std::iter::from_fn(|| resolution.poll()).collect();
    let [v6, v4] = &requests(&dns)[..] else { panic!("{dns:?}") };
    let addresses = (1..3).map(|last| address("a.example", RecordType::A, last)).collect();
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
        policy.limits.dns_slots = 1;
        policy.addresses.families = Families::V6;
        policy.dns.timeout = Duration::from_secs(100_000);
        policy.limits.queue_deadline = Some(Duration::from_secs(60));
        policy.limits.lookup_deadline = Duration::from_secs(100);
    });
    let mut resolver = Resolver::new(config, START);
    let _ = resolver.resolve(&name("a.example:1"), START);
    let waiting = resolver.resolve(&name("b.example:1"), START);
    let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    let [first] = &requests(&events)[..] else { panic!("{events:?}") };
    let late = START + Duration::from_millis(60_500);
    // The driver handles all timeouts until shortly before the queue deadline.
    let last = START + Duration::from_secs(59);
    while let Some(deadline) = resolver.poll_timeout().filter(|deadline| deadline.at <= last) {
        resolver.handle_timeout(deadline.at);
    }
    while resolver.poll().is_some() {}
    let _ = resolver.handle_answer(answer(first, Vec::new()), late);
    let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    assert_eq!((end(&events, waiting), requests(&events).len()), (None, 1), "{events:?}");
    let last = START + Duration::from_secs(160);
    while let Some(deadline) = resolver.poll_timeout().filter(|deadline| deadline.at <= last) {
        resolver.handle_timeout(deadline.at);
    }
    let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    assert!(end(&events, waiting).is_some(), "{events:?}");
}

/// The order of the families' answers makes no difference, even if one of them shows that the target is an alias.
#[test]
fn i13_a_rejected_alias_is_explained_alike_in_every_order() {
    let config = config(|policy| policy.spec.srv_target_alias = SrvTargetAlias::Reject);
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
                    let service = SrvRecord { priority, weight, port, target };
                    vec![record("_matrix-fed._tcp.a.example", RecordData::Srv(service))]
                }
                ("t.example", RecordType::Aaaa) => vec![
                    record("t.example", RecordData::Cname(host("u.example"))),
                    address("u.example", RecordType::Aaaa, 1),
                ],
                ("t.example", RecordType::A) => vec![address("t.example", RecordType::A, 1)],
                _ => Vec::new(),
            };
            let _ = resolution.handle_answer(answer(&request, records), START);
        }
    };
    let outcome = run(false);
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::SrvUnavailable);
    assert_eq!(outcome, run(true));
}

#[test]
fn forgotten_facts_are_not_used_stale_in_memory() {
    let good = |request: &Request| match request {
        Request::Dns(dns) if dns.kind == RecordType::Srv => answer(request, Vec::new()),
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
    assert_eq!(outcome.as_ref().unwrap().host_header, "b.example:1");
    let later = START + Duration::from_secs(47 * 3600);
    let mut remembering = resolver.clone();
    let ticket = remembering.resolve(&name, later);
    let outcome = settle(&mut remembering, ticket, later, broken);
    assert_eq!(outcome.as_ref().unwrap().host_header, "b.example:1");
    resolver.forget(&name, later);
    let ticket = resolver.resolve(&name, later);
    let outcome = settle(&mut resolver, ticket, later, broken);
    assert_eq!(outcome.as_ref().unwrap().host_header, "a.example");
}

#[test]
fn i12_abandoning_the_only_ticket_cancels_its_requests() {
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

#[test]
fn i03_unknown_answers_differ_from_late_answers() {
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
    // Ids increase by one, so the next id of this resolver is the third of the other.
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
