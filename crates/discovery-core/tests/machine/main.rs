//! Small runs of the machine with prepared answers. Shared helpers are here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod requests;
mod interface;
mod invariants;
mod pauses;
mod outcomes;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use discovery_core::life::UnderWay;
use discovery_core::{
    AddressPolicy, Answer, Config, DeadlineKind, Disposition, DnsName, DnsRecord, DnsReply, Effect,
    ErrorKind, Event, Families, Feedback, HttpError, Instant, Outcome, Policy, Question,
    RecordData, RecordType, Request, RequestId, Resolution, Resolver, ServerName, Speculation,
    SrvRecord, SrvTargetAlias, Ticket,
};

const START: Instant = Instant::from_secs(1000);

fn config(change: impl FnOnce(&mut Policy)) -> Config {
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    change(&mut policy);
    let mut config = Config::new(policy);
    // Deadlines are compared one by one.
    config.heartbeat = None;
    config
}

/// Lets time pass, and handles each timeout when it is due.
fn pass(resolution: &mut Resolution, until: Instant) {
    while let Some(deadline) = resolution.poll_timeout().filter(|deadline| deadline.at <= until) {
        resolution.handle_timeout(deadline.at);
    }
    resolution.handle_timeout(until);
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

/// An answer with these records, NODATA if there are none.
fn answer(request: &Request, records: Vec<DnsRecord>) -> Answer {
    let Request::Dns(dns) = request else { panic!("{request:?}") };
    Answer::Dns(
        dns.id,
        Ok({
            let mut reply = DnsReply::with_records(records);
            reply.negative_ttl = Some(300);
            reply
        }),
    )
}

fn address(owner: &str, kind: RecordType, last: u8) -> DnsRecord {
    let data = match kind {
        RecordType::Aaaa => RecordData::Aaaa(Ipv6Addr::new(1, 0, 0, 0, 0, 0, 0, last.into())),
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

/// Answers every request at once until none is left. Returns the outcome of the ticket.
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
