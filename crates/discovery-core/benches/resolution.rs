//! Time and allocations of the core alone. Answers are prepared beforehand.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::net::{Ipv4Addr, Ipv6Addr};

use discovery_core::{
    AddressPolicy, Answer, Config, DnsRecord, DnsReply, Event, HttpResponse, Instant, Policy,
    RecordData, RecordType, Request, Resolution, ServerName, Speculation,
};
use divan::counter::ItemsCount;

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// A machine at its start, and the answers until its end, in order.
struct Run {
    name: ServerName,
    config: Config,
    answers: Vec<Answer>,
}

fn prepare(delegated: &str, speculation: Speculation) -> Run {
    let mut policy = Policy::default();
    policy.spec.speculation = speculation;
    policy.addresses = AddressPolicy::any();
    let name: ServerName = "example.org".parse().unwrap();
    let config = Config::new(policy);
    let mut machine = Resolution::new(name.clone(), &config, Instant::ORIGIN);
    let mut answers = Vec::new();
    let mut requests = std::collections::VecDeque::new();
    loop {
        while let Some(event) = machine.poll() {
            match event {
                Event::Request(request) => requests.push_back(request),
                Event::Cancel(_) => {}
                Event::Finished(_, outcome) => {
                    assert!(outcome.is_ok(), "{outcome:?}");
                    return Run { name, config, answers };
                }
            }
        }
        let answer = answer(requests.pop_front().unwrap(), delegated);
        let _ = machine.handle_answer(answer.clone(), Instant::ORIGIN);
        answers.push(answer);
    }
}

fn answer(request: Request, delegated: &str) -> Answer {
    match request {
        Request::Dns(request) => {
            let data = match request.kind {
                RecordType::A => Some(RecordData::A(Ipv4Addr::new(192, 0, 2, 1))),
                RecordType::Aaaa => {
                    Some(RecordData::Aaaa(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)))
                }
                RecordType::Srv => None,
            };
            let owner = request.name.clone();
            let records: Vec<_> = data
                .into_iter()
                .map(|data| DnsRecord { owner: owner.clone(), ttl: 300, data })
                .collect();
            let mut reply = DnsReply::not_found(records.is_empty(), Some(300));
            reply.records = records;
            Answer::Dns(request.id, Ok(reply))
        }
        Request::Http(get) => Answer::Http(
            get.id,
            Ok(HttpResponse::new(
                http::StatusCode::OK,
                http::HeaderMap::new(),
                format!(r#"{{"m.server":"{delegated}"}}"#).into_bytes(),
            )),
        ),
    }
}

fn run(bencher: divan::Bencher<'_, '_>, delegated: &str, speculation: Speculation) {
    bencher
        .counter(ItemsCount::new(1_u32))
        .with_inputs(|| prepare(delegated, speculation))
        .bench_local_values(|run| {
            let mut machine = Resolution::new(run.name, &run.config, Instant::ORIGIN);
            let mut answers = run.answers.into_iter();
            loop {
                while let Some(event) = machine.poll() {
                    if let Event::Finished(_, outcome) = event {
                        return outcome;
                    }
                }
                let _ = machine.handle_answer(answers.next().unwrap(), Instant::ORIGIN);
            }
        });
}

#[divan::bench]
fn cold_3_2_off(bencher: divan::Bencher<'_, '_>) {
    run(bencher, "matrix.example.net:443", Speculation::Off);
}

#[divan::bench]
fn cold_3_5_full(bencher: divan::Bencher<'_, '_>) {
    run(bencher, "matrix.example.net", Speculation::Full);
}
