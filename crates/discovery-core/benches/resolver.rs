//! The resolver with a million names in memory: a warm hit, and what a name weighs. The answers are made on the way and are
//! part of the cold figures, not of the warm ones.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use discovery_core::{
    AddressPolicy, Answer, Config, DnsRecord, DnsReply, Event, HttpResponse, Instant, Policy,
    RecordData, RecordKind, Request, Resolver, ServerName,
};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

const NAMES: usize = 1_000_000;

fn main() {
    let before = resident();
    let started = std::time::Instant::now();
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    policy.max_facts = 10 * NAMES;
    policy.max_results = 2 * NAMES;
    policy.max_cache_bytes = 8 << 30;
    let mut resolver = Resolver::new(Config::new(policy), Instant::ORIGIN);
    let names: Vec<ServerName> =
        (0..NAMES).map(|n| format!("server{n}.example.org").parse().unwrap()).collect();
    let names_only = resident();
    for name in &names {
        resolver.resolve(name, Instant::ORIGIN);
        drain(&mut resolver);
    }
    let counters = resolver.counters();
    println!("{NAMES} cold names of step 3.2 in {:?}: {counters:?}", started.elapsed());
    let bytes = resident().saturating_sub(names_only);
    println!(
        "{} bytes a name resident (the names themselves: {})",
        bytes / NAMES,
        (names_only - before) / NAMES
    );

    let started = std::time::Instant::now();
    let mut found = 0_usize;
    for step in 0..NAMES {
        let name = &names[step.wrapping_mul(7_919) % NAMES];
        resolver.resolve(name, Instant::from_secs(1));
        while let Some(event) = resolver.poll() {
            found += usize::from(matches!(event, Event::Finished(..)));
        }
    }
    println!("{found} warm hits: {} ns each", started.elapsed().as_nanos() / NAMES as u128);
    SHARED.with(|shared| *shared.borrow_mut() = Some((resolver, names)));
    divan::main();
}

thread_local! {
    static SHARED: std::cell::RefCell<Option<(Resolver, Vec<ServerName>)>> = const { std::cell::RefCell::new(None) };
}

#[divan::bench]
fn warm_hit(bencher: divan::Bencher<'_, '_>) {
    let (mut resolver, names) = SHARED.with(|shared| shared.borrow_mut().take()).unwrap();
    let mut step = 0_usize;
    bencher.bench_local(|| {
        step = step.wrapping_add(7_919) % NAMES;
        resolver.resolve(&names[step], Instant::from_secs(1));
        resolver.poll()
    });
}

fn drain(resolver: &mut Resolver) {
    while let Some(event) = resolver.poll() {
        if let Event::Request(request) = event {
            let _ = resolver.handle_answer(answer(request), Instant::ORIGIN);
        }
    }
}

fn answer(request: Request) -> Answer {
    match request {
        Request::Dns(request) => {
            let data = match request.kind {
                RecordKind::A => Some(RecordData::A(Ipv4Addr::new(192, 0, 2, 1))),
                RecordKind::Aaaa => Some(RecordData::Aaaa(Ipv6Addr::LOCALHOST)),
                RecordKind::Srv => None,
            };
            let owner = request.name.clone();
            let records: Vec<_> = data
                .into_iter()
                .map(|data| DnsRecord { owner: owner.clone(), ttl: 3600, data })
                .collect();
            let reply = DnsReply { nxdomain: records.is_empty(), records, negative_ttl: Some(300) };
            Answer::Dns(request.id, Ok(reply))
        }
        Request::Http(get) => {
            let host = get.url.host().unwrap_or_default();
            Answer::Http(
                get.id,
                Ok(HttpResponse {
                    status: http::StatusCode::OK,
                    headers: http::HeaderMap::new(),
                    body: format!(r#"{{"m.server":"matrix.{host}:443"}}"#).into_bytes(),
                    received: None,
                }),
            )
        }
    }
}

/// Resident memory in bytes; zero where the system does not tell.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
