//! Inputs and events, compared and moved in time.

use std::sync::Arc;
use std::time::Duration;

use discovery_core::{ErrorKind, Event, Instant, Outcome, Request, RequestId, Ticket};
use discovery_sim::Input;
use discovery_sim::fuzz::{Op, Settings};

/// Settings without durations that would saturate instants.
pub(crate) fn moderate(settings: Settings) -> Settings {
    kept(settings, &[0, 1, 2, 3, 4, 5, 6, 10, 13, 14])
}

/// The settings with only these bytes other than the default.
pub(crate) fn kept(settings: Settings, bytes: &[usize]) -> Settings {
    Settings(std::array::from_fn(|at| if bytes.contains(&at) { settings.0[at] } else { 0 }))
}

/// Whether a span is so long that instants saturate.
pub(crate) fn far(op: &Op) -> bool {
    matches!(op, Op::Wait(span) | Op::Back(span) if span.0 > 200)
}

/// The input at another time.
pub(crate) fn at(input: &Input, now: Instant) -> Input {
    let mut input = input.clone();
    match &mut input {
        Input::Resolve(_, at)
        | Input::Answer(_, at)
        | Input::Connected(_, at)
        | Input::Timeout(at)
        | Input::Abandon(_, at)
        | Input::Routes(_, at)
        | Input::NameServers(_, at)
        | Input::Forget(_, at)
        | Input::Import(.., at)
        | Input::Report(.., at) => *at = now,
    }
    input
}

/// The event with every instant moved.
pub(crate) fn later(event: Event, by: Duration) -> Event {
    let Event::Finished(ticket, outcome) = event else { return event };
    let moved = match outcome {
        Ok(mut resolved) => {
            let expires = &mut Arc::make_mut(&mut resolved).expires;
            *expires = expires.map(|at| at + by);
            Ok(resolved)
        }
        Err(mut error) => {
            let retry_after = &mut Arc::make_mut(&mut error).retry_after;
            *retry_after = retry_after.map(|at| at + by);
            Err(error)
        }
    };
    Event::Finished(ticket, moved)
}

pub(crate) fn request(event: Event) -> Option<Request> {
    match event {
        Event::Request(request) => Some(request),
        Event::Cancel(_) | Event::Finished(..) => None,
    }
}

pub(crate) fn finished(event: Event) -> Option<Outcome> {
    match event {
        Event::Finished(_, outcome) => Some(outcome),
        Event::Cancel(_) | Event::Request(_) => None,
    }
}

pub(crate) fn dns_id(request: &Request) -> discovery_core::DnsId {
    match request {
        Request::Dns(dns) => dns.id,
        Request::Http(get) => panic!("{get:?}"),
    }
}

pub(crate) fn many_targets(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|resolved| resolved.targets.len() > 1)
}

/// The end with its targets in an order of their own.
pub(crate) fn sorted(
    outcome: &Outcome,
) -> Result<(Vec<String>, Option<Instant>, String), ErrorKind> {
    match outcome {
        Ok(resolved) => {
            let mut targets: Vec<String> =
                resolved.targets.iter().map(|target| format!("{target:?}")).collect();
            targets.sort();
            Ok((targets, resolved.expires, resolved.host_header_str().to_owned()))
        }
        Err(failed) => Err(failed.kind),
    }
}

/// Tickets from `extra` on are one later than in the run without it.
pub(crate) fn renumbered(input: &Input, extra: Option<Ticket>) -> Input {
    match (input, extra) {
        (Input::Abandon(ticket, at), Some(extra)) if *ticket >= extra => {
            Input::Abandon(Ticket::from_number(ticket.number() + 1), *at)
        }
        _ => input.clone(),
    }
}

pub(crate) fn original(event: Event, extra: Option<Ticket>) -> Event {
    match (event, extra) {
        (Event::Finished(ticket, outcome), Some(extra)) if ticket > extra => {
            Event::Finished(Ticket::from_number(ticket.number() - 1), outcome)
        }
        (event, _) => event,
    }
}

/// What an event says apart from its ids.
pub(crate) fn without_ids(event: &Event) -> String {
    match event {
        Event::Request(Request::Dns(dns)) => {
            format!("{} {} {} {}", dns.name, dns.kind, dns.server, dns.attempt)
        }
        Event::Request(Request::Http(get)) => format!("{} {}", get.url, get.address),
        Event::Cancel(RequestId::Dns(_)) => "cancel DNS".to_owned(),
        Event::Cancel(RequestId::Http(_)) => "cancel HTTP".to_owned(),
        Event::Finished(_, outcome) => format!("{outcome:?}"),
    }
}
