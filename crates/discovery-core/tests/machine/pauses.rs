//! Pauses of the driver: a stopped process, a suspended machine, a blocked thread (I15).

use discovery_core::{DnsError, NameServer};

use super::*;

const PAUSE: Duration = Duration::from_secs(3600);

fn drain(resolution: &mut Resolution) -> Vec<Event> {
    std::iter::from_fn(|| resolution.poll()).collect()
}

/// A lookup whose GET is open, at `START`.
fn with_a_get(config: &Config) -> (Resolution, Request) {
    let mut resolution = Resolution::new(name("a.example"), config, START);
    for request in requests(&drain(&mut resolution)) {
        let Request::Dns(dns) = &request else { panic!("{request:?}") };
        let found = vec![address("a.example", dns.kind, 1)];
        let only_v4 = if dns.kind == RecordType::A { found } else { Vec::new() };
        let _ = resolution.handle_answer(answer(&request, only_v4), START);
    }
    let get = requests(&drain(&mut resolution))
        .into_iter()
        .find(|request| matches!(request, Request::Http(_)));
    (resolution, get.expect("a GET"))
}

fn said(request: &Request, said: Result<&str, HttpError>) -> Answer {
    let Request::Http(get) = request else { panic!("{request:?}") };
    Answer::Http(get.id, said.map(|body| http::Response::new(body.as_bytes().to_vec()).into()))
}

#[test]
fn i15_a_document_that_arrived_during_a_pause_counts_however_late_the_clock_is() {
    let (mut resolution, get) = with_a_get(&config(|_| {}));
    resolution.handle_timeout(START + PAUSE);
    assert_eq!(drain(&mut resolution), [], "nothing is given up");
    let document = said(&get, Ok(r#"{"m.server":"1.1.1.9:1"}"#));
    assert_eq!(resolution.handle_answer(document, START + PAUSE), Disposition::Accepted);
    let outcome = end(&drain(&mut resolution), resolution.ticket()).expect("an end");
    assert_eq!(outcome.as_ref().unwrap().host_header, "1.1.1.9:1");
}

#[test]
fn i15_after_a_pause_there_is_as_long_to_wait_as_before() {
    let (mut resolution, _) = with_a_get(&config(|_| {}));
    pass(&mut resolution, START + Duration::from_secs(4));
    let left = |resolution: &Resolution, now| {
        resolution
            .poll_timeout()
            .map(|deadline| (deadline.at.saturating_duration_since(now), deadline.kind))
    };
    let before = left(&resolution, START + Duration::from_secs(4));
    assert_eq!(before, Some((Duration::from_secs(6), DeadlineKind::WellKnownTimeout)));
    let back = START + PAUSE;
    resolution.handle_timeout(back);
    assert_eq!(left(&resolution, back), before);
    // For comparison: silence without a pause counts, and the lookup continues with SRV records.
    let _ = drain(&mut resolution);
    pass(&mut resolution, back + Duration::from_secs(6));
    let asked = requests(&drain(&mut resolution));
    assert!(
        matches!(&asked[..], [Request::Dns(dns), ..] if dns.kind == RecordType::Srv),
        "{asked:?}"
    );
}

#[test]
fn a_driver_that_is_late_by_a_second_was_not_away() {
    let (mut resolution, _) = with_a_get(&config(|_| {}));
    let deadline = resolution.poll_timeout().unwrap();
    assert_eq!(deadline.kind, DeadlineKind::WellKnownTimeout);
    resolution.handle_timeout(deadline.at + Duration::from_secs(1));
    assert!(!requests(&drain(&mut resolution)).is_empty(), "SRV is asked for");
}

#[test]
fn i15_a_get_that_broke_during_a_pause_is_made_again_once_for_each_pause() {
    let (mut resolution, mut get) = with_a_get(&config(|_| {}));
    let mut now = START;
    for error in [HttpError::Reset, HttpError::Timeout, HttpError::Tls] {
        now = now + PAUSE;
        resolution.handle_timeout(now);
        let _ = resolution.handle_answer(said(&get, Err(error)), now);
        let asked = requests(&drain(&mut resolution));
        let [again @ Request::Http(_)] = &asked[..] else { panic!("{error:?}: {asked:?}") };
        get = again.clone();
    }
    // No pause since: the error is the server's.
    let _ = resolution.handle_answer(said(&get, Err(HttpError::Reset)), now);
    let asked = requests(&drain(&mut resolution));
    assert!(
        matches!(&asked[..], [Request::Dns(dns), ..] if dns.kind == RecordType::Srv),
        "{asked:?}"
    );
}

#[test]
fn i15_request_timeout_response_after_a_pause_is_repeated() {
    let (mut resolution, get) = with_a_get(&config(|_| {}));
    resolution.handle_timeout(START + PAUSE);
    let Request::Http(http_get) = &get else { panic!("{get:?}") };
    let mut slow = http::Response::new(Vec::new());
    *slow.status_mut() = http::StatusCode::REQUEST_TIMEOUT;
    let _ = resolution.handle_answer(Answer::Http(http_get.id, Ok(slow.into())), START + PAUSE);
    let asked = requests(&drain(&mut resolution));
    assert!(matches!(&asked[..], [Request::Http(_)]), "{asked:?}");
}

#[test]
fn i14_a_driver_that_is_always_late_ends_a_lookup_as_a_local_failure() {
    let (mut resolution, _) = with_a_get(&config(|_| {}));
    let mut pauses = 0_u32;
    let mut now = START;
    let outcome = loop {
        now = now + PAUSE;
        resolution.handle_timeout(now);
        if let Some(outcome) = end(&drain(&mut resolution), resolution.ticket()) {
            break outcome;
        }
        pauses += 1;
        assert!(pauses < 100, "it goes on for ever");
    };
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::Local);
    assert_eq!(pauses, 8);
}

#[test]
fn i15_a_pause_is_no_evidence_about_a_name_server() {
    let mut resolver = Resolver::new(config(|_| {}), START);
    let _ = resolver.resolve(&name("a.example:1"), START);
    let events: Vec<Event> = std::iter::from_fn(|| resolver.poll()).collect();
    for request in requests(&events) {
        let Request::Dns(dns) = &request else { panic!("{request:?}") };
        let _ = resolver.handle_answer(Answer::Dns(dns.id, Err(DnsError::Timeout)), START + PAUSE);
    }
    let servers: Vec<NameServer> = resolver.name_servers().copied().collect();
    assert!(servers.iter().all(|server| server.failures == 0), "{servers:?}");
    assert_eq!(resolver.counters().pauses, 1);
}

#[test]
fn heartbeat_runs_only_while_queries_are_in_flight() {
    let mut config = config(|_| {});
    config.heartbeat = Some(Duration::from_secs(1));
    let mut resolver = Resolver::new(config, START);
    assert_eq!(resolver.poll_timeout(), None);
    let ticket = resolver.resolve(&name("a.example:1"), START);
    let beat = |resolver: &Resolver, now: Instant| {
        let deadline = resolver.poll_timeout().unwrap();
        deadline.at <= now + Duration::from_secs(1)
    };
    let mut now = START;
    for _ in 0..20 {
        assert!(beat(&resolver, now));
        let Some(deadline) = resolver.poll_timeout() else { break };
        now = deadline.at;
        resolver.handle_timeout(now);
        if resolver.unfinished() == 0 {
            break;
        }
    }
    let _ = resolver.abandon(ticket, now);
    assert_eq!(resolver.poll_timeout(), None, "I7");
}

/// A pause that ends before any deadline: only the heartbeat shows it.
#[test]
fn i15_a_pause_shorter_than_the_deadline_is_noticed_by_the_heartbeat() {
    let mut config = config(|_| {});
    config.heartbeat = Some(Duration::from_secs(1));
    let (mut resolution, _) = with_a_get(&config);
    let back = START + Duration::from_secs(9);
    resolution.handle_timeout(back);
    // Without it, the document would have one second left of its ten.
    pass(&mut resolution, back + Duration::from_millis(9_900));
    assert_eq!(requests(&drain(&mut resolution)), []);
    pass(&mut resolution, back + Duration::from_secs(10));
    assert!(!requests(&drain(&mut resolution)).is_empty());
}

#[test]
fn i15_a_dns_attempt_that_broke_in_a_pause_costs_none_of_the_attempts() {
    let (mut resolution, mut now) = (
        Resolution::new(name("a.example:1"), &config(|policy| policy.dns.attempts = 2), START),
        START,
    );
    let mut asked = requests(&drain(&mut resolution));
    pass(&mut resolution, now + Duration::from_secs(1));
    now = now + Duration::from_secs(1);
    asked.extend(requests(&drain(&mut resolution)));
    assert_eq!(asked.len(), 4, "two attempts for each family: {asked:?}");
    now = now + PAUSE;
    resolution.handle_timeout(now);
    for request in asked {
        let Request::Dns(dns) = &request else { panic!("{request:?}") };
        let _ = resolution.handle_answer(Answer::Dns(dns.id, Err(DnsError::Timeout)), now);
    }
    let events = drain(&mut resolution);
    assert_eq!(end(&events, resolution.ticket()), None, "{events:?}");
    assert_eq!(requests(&events).len(), 4, "{events:?}");
}
