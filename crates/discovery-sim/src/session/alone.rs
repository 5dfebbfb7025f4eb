//! A machine that remembers nothing and is told a few facts: what comes out of those alone.
//!
//! Knows nothing of where the facts came from.

use std::collections::BTreeMap;

use discovery_core::{
    Answer, Config, DnsError, DnsRecord, DnsReply, Event, Fact, Failure, HttpError, HttpResponse,
    NotFound, Outcome, Policy, Question, RecordData, RecordType, Request, Resolution, ServerName,
    Speculation, UnusableResponse,
};

use super::is_get_of;
use crate::run::{START, question};

/// The outcome of a name for a machine of its own that is told these facts.
pub(super) fn alone(
    name: &ServerName,
    facts: &BTreeMap<Question, Fact>,
    policy: &Policy,
) -> Outcome {
    let mut policy = policy.clone();
    policy.spec.speculation = Speculation::Off;
    let mut machine = Resolution::new(name.clone(), &Config::new(policy), START);
    let mut now = START;
    for _ in 0..10_000 {
        while let Some(event) = machine.poll() {
            match event {
                Event::Request(request) => {
                    if let Some(answer) = told(&request, facts) {
                        let _ = machine.handle_answer(answer, now);
                    }
                }
                Event::Cancel(_) => {}
                Event::Finished(_, outcome) => return outcome,
            }
        }
        let Some(deadline) = machine.poll_timeout() else { break };
        now = deadline.at;
        machine.handle_timeout(now);
    }
    panic!("{name} never ends");
}

/// What a world of these facts answers.
fn told(request: &Request, facts: &BTreeMap<Question, Fact>) -> Option<Answer> {
    let question = question(request)?;
    let negative = |nxdomain| DnsReply::not_found(nxdomain, Some(300));
    match request {
        Request::Dns(dns) => {
            let records = |data: Vec<RecordData>| {
                let record = |data| DnsRecord { owner: dns.name.clone(), ttl: 300, data };
                DnsReply::with_records(data.into_iter().map(record).collect())
            };
            let said = match facts.get(&question) {
                Some(Fact::Addresses { addresses, .. }) => {
                    let data = |ip: &std::net::IpAddr| match ip {
                        std::net::IpAddr::V4(ip) => RecordData::A(*ip),
                        std::net::IpAddr::V6(ip) => RecordData::Aaaa(*ip),
                    };
                    Ok(records(addresses.iter().map(data).collect()))
                }
                Some(Fact::Services(services)) => {
                    Ok(records(services.iter().cloned().map(RecordData::Srv).collect()))
                }
                Some(Fact::NotFound(why)) => Ok(negative(*why == NotFound::NxDomain)),
                Some(Fact::Failed(Failure::Dns(error))) => Err(*error),
                Some(Fact::Late) => return None,
                // The addresses of a document's host are no part of what its result rests on.
                None if facts.keys().any(|known| is_get_of(known, &dns.name)) => {
                    Ok(match dns.kind {
                        RecordType::A => records(vec![RecordData::A([192, 0, 2, 99].into())]),
                        RecordType::Aaaa | RecordType::Srv => negative(false),
                    })
                }
                None => Err(DnsError::Local),
                Some(other) => panic!("{question}: {other}"),
            };
            Some(Answer::Dns(dns.id, said))
        }
        Request::Http(get) => {
            let response = |status: u16, body: String| {
                let response = http::Response::builder().status(status).body(body.into_bytes());
                response.map(HttpResponse::from).map_err(|_| HttpError::Local)
            };
            let said = match facts.get(&question) {
                Some(Fact::Document(name)) => {
                    response(200, serde_json::json!({ "m.server": name.as_str() }).to_string())
                }
                Some(Fact::Unusable(UnusableResponse::Status(status))) => {
                    response(*status, String::new())
                }
                Some(Fact::Failed(Failure::Http(error))) => Err(*error),
                Some(other) => panic!("{question}: {other}"),
                None => Err(HttpError::Local),
            };
            Some(Answer::Http(get.id, said))
        }
    }
}
