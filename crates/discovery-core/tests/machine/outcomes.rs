//! Outcomes, explanations, errors and their texts.

use super::*;

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
    let timeline = &outcome.as_ref().unwrap().timeline;
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
        assert_eq!(outcome.as_ref().unwrap().sni(), sni);
    }
}

#[test]
fn error_text_names_the_failure_and_whether_it_is_temporary() {
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
    let (broken, nothing) = (broken.as_ref(), nothing.as_ref());
    let (broken, nothing) = (broken.unwrap_err(), nothing.unwrap_err());
    assert_eq!((broken.kind, broken.is_temporary()), (ErrorKind::DnsFailure, true));
    assert_eq!((nothing.kind, nothing.is_temporary()), (ErrorKind::NoAddresses, false));
    for (failed, words) in [(broken, ["DNS failed", "SERVFAIL"]), (nothing, ["no addr", "NODATA"])]
    {
        let text = failed.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(text.contains("a.example A"), "{text}");
    }
}

/// With more targets than are used, each lookup draws its own, so that all targets are returned over time.
#[test]
fn every_endpoint_that_may_have_been_returned_can_be_reported() {
    let world = |request: &Request| match request {
        Request::Dns(dns) if dns.kind == RecordType::Srv => {
            let targets = ["t.example", "u.example", "v.example"].map(host);
            let service = |(port, target)| SrvRecord { priority: 1, weight: 1, port, target };
            let record = |service| record(dns.name.as_str(), RecordData::Srv(service));
            answer(request, (1..).zip(targets).map(service).map(record).collect())
        }
        Request::Dns(dns) => answer(request, vec![address(dns.name.as_str(), dns.kind, 1)]),
        Request::Http(get) => Answer::Http(get.id, Err(HttpError::Refused)),
    };
    let mut resolver = Resolver::new(config(|policy| policy.spec.max_srv_targets = 2), START);
    let mut places = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let ticket = resolver.resolve(&name("a.example"), START);
        let outcome = settle(&mut resolver, ticket, START, world);
        places.extend(outcome.as_ref().unwrap().socket_addrs());
    }
    assert_eq!(places.iter().map(|place| place.port()).max(), Some(3), "{places:?}");
    for place in places {
        let told = resolver.report(&name("a.example"), place, Feedback::Connected, START);
        assert_eq!(told, Disposition::Accepted, "{place}");
    }
}

/// The explanation for `a.example` with SRV records of these ports and targets.
fn explanation_of_services(
    services: &[(u16, &str)],
    change: impl FnOnce(&mut Policy),
) -> Vec<Effect> {
    let owner = "_matrix-fed._tcp.a.example";
    let service = |(port, target): &(u16, &str)| {
        let service = SrvRecord { priority: 1, weight: 1, port: *port, target: host(target) };
        record(owner, RecordData::Srv(service))
    };
    let world = |request: &Request| match request {
        Request::Dns(dns) if dns.name.as_str() == owner => {
            answer(request, services.iter().map(service).collect())
        }
        Request::Dns(dns) if dns.name.as_str() != "a.example" && dns.kind == RecordType::A => {
            answer(request, vec![address(dns.name.as_str(), RecordType::A, 1)])
        }
        Request::Dns(_) => answer(request, Vec::new()),
        Request::Http(get) => Answer::Http(get.id, Err(HttpError::Refused)),
    };
    let mut resolver = Resolver::new(config(change), START);
    let ticket = resolver.resolve(&name("a.example"), START);
    let outcome = settle(&mut resolver, ticket, START, world);
    let decisions = &outcome.as_ref().unwrap().explanation.decisions;
    decisions.iter().map(|decision| decision.effect.clone()).collect()
}

#[test]
fn unusable_targets_are_dropped_and_explained() {
    let told = explanation_of_services(&[(443, "t.example"), (443, "."), (0, "z.example")], |_| {});
    let dropped: Vec<&Effect> =
        told.iter().filter(|effect| matches!(effect, Effect::TargetDropped(_))).collect();
    assert_eq!(dropped.len(), 2, "{told:?}");
    for target in [".", "z.example"] {
        assert!(dropped.contains(&&Effect::TargetDropped(host(target))), "{told:?}");
    }
}

#[test]
fn only_targets_beyond_the_limit_are_left_out_and_explained() {
    let left_out = |services| {
        let told = explanation_of_services(services, |policy| policy.spec.max_srv_targets = 2);
        told.into_iter().find(|effect| matches!(effect, Effect::TargetsLeftOut(_)))
    };
    assert_eq!(left_out(&[(1, "t.example")]), None);
    assert_eq!(left_out(&[(1, "t.example"), (1, "u.example")]), None);
    let three = [(1, "t.example"), (1, "u.example"), (1, "v.example")];
    assert_eq!(left_out(&three), Some(Effect::TargetsLeftOut(1)));
}

#[test]
fn family_with_only_denied_addresses_is_explained_as_empty() {
    let config = config(|policy| policy.addresses = AddressPolicy::default());
    let world = |request: &Request| match request {
        Request::Dns(dns) if dns.kind == RecordType::A => {
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
        let decisions = &outcome.as_ref().unwrap().explanation.decisions;
        let of = Question::Dns(host("a.example"), kind);
        let decision = decisions.iter().find(|decision| decision.question() == Some(&of));
        decision.map(|decision| decision.effect.clone())
    };
    assert_eq!(told(RecordType::A), Some(Effect::NoAddress));
    assert_eq!(told(RecordType::Aaaa), Some(Effect::Used));
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
    let resolved = outcome.as_ref().unwrap();
    assert_eq!(resolved.step.number(), "2");
    let summary = resolved.explanation.summary();
    assert!(summary.contains("port"), "{summary}");
    let debug = format!("{:?}", resolved.explanation);
    let decided = ["Explicit", "a.example", "Addresses"].map(|word| debug.contains(word));
    assert_eq!(decided, [true; 3], "{debug}");
}

#[test]
fn parse_errors_name_the_problem() {
    let cursor = "no cursor".parse::<discovery_core::Cursor>().unwrap_err().to_string();
    assert!(cursor.contains("hexadecimal numbers"), "{cursor}");
    let export = discovery_core::Export::read(b"no export").unwrap_err().to_string();
    assert!(export.contains("not an export"), "{export}");
}

/// Only a response of another service invalidates facts: a server that is down says nothing about its name.
#[test]
fn feedback_has_names_and_invalidates_facts_after_a_wrong_service() {
    let all = ["connected", "connect-failed", "tls-failed", "misdirected", "not-matrix"];
    let told = all.map(|word| Feedback::parse(word).expect(word));
    assert_eq!(told.map(|said| said.to_string()), all);
    assert_eq!(Feedback::parse("refused"), None);
    assert_eq!(told.map(Feedback::invalidates_facts), [false, false, true, true, true]);
}
