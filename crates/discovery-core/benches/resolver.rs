//! The resolver with a million names: the cost of a warm hit, the memory of a name and of a lookup in flight, and the time
//! of a flood. Cold figures include the creation of answers, warm ones do not.
//!
//! Times are CPU times of this thread, which are independent of other load.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark"
)]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};

use discovery_core::{
    AddressPolicy, Answer, Config, DnsName, DnsRecord, DnsReply, DnsRequest, Event, HttpId,
    HttpResponse, Instant, Policy, RecordData, RecordType, Request, Resolver, ServerName,
    Speculation, SrvRecord,
};
use peak_alloc::PeakAlloc;

/// The bytes that are allocated now.
static ALLOCATED: PeakAlloc = PeakAlloc;

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler<PeakAlloc> = divan::AllocProfiler::new(PeakAlloc);

const NAMES: usize = 1_000_000;

fn main() {
    in_flight();
    weigh();
    flood();
    divan::main();
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    policy
}

fn name(number: usize) -> ServerName {
    format!("server{number}.example.org").parse().unwrap()
}

/// A million distinct names, of which the default policy keeps the last.
fn flood() {
    let mut resolver = Resolver::new(Config::new(policy()), Instant::ORIGIN);
    let before = (ALLOCATED.current_usage(), resident(), processor_nanos());
    for quarter in 1..=4 {
        for number in (quarter - 1) * NAMES / 4..quarter * NAMES / 4 {
            resolver.resolve(&name(number), Instant::ORIGIN);
            drain(&mut resolver);
        }
        let counters = resolver.counters();
        println!(
            "flood: {} cold names of step 3.2 in {:.1} s: {} facts and {} results kept, {} MiB by weight, {} MiB allocated, {} MiB resident",
            quarter * NAMES / 4,
            (processor_nanos() - before.2) as f64 / 1e9,
            counters.facts,
            counters.results,
            counters.bytes >> 20,
            (ALLOCATED.current_usage() - before.0) >> 20,
            resident().saturating_sub(before.1) >> 20,
        );
    }
}

/// Lookups of step 3.3, all at the same point, of which the largest counts. Their facts in the cache count, too.
fn in_flight() {
    const LOOKUPS: usize = 20_000;
    let mut policy = policy();
    policy.spec.speculation = Speculation::Full;
    (policy.limits.dns_slots, policy.limits.http_slots) = (usize::MAX, usize::MAX);
    let mut resolver = Resolver::new(Config::new(policy), Instant::ORIGIN);
    let names: Vec<_> = (0..LOOKUPS).map(name).collect();
    // The requests that a driver keeps are not part of the core.
    let mut sent = VecDeque::with_capacity(16 * LOOKUPS);
    let before = (ALLOCATED.current_usage(), resident());
    for name in &names {
        resolver.resolve(name, Instant::ORIGIN);
        take(&mut resolver, &mut sent);
    }
    let (mut worst, mut phases) = ((0, 0), Vec::new());
    // Answers of one kind at a time, so that all lookups proceed in step.
    for kind in [RecordType::Aaaa, RecordType::A, RecordType::Srv].into_iter().cycle() {
        let bytes = ALLOCATED.current_usage() - before.0;
        worst = worst.max((bytes, resident().saturating_sub(before.1)));
        phases.push(format!("{} ({} open)", bytes / LOOKUPS, sent.len() / LOOKUPS));
        for _ in 0..sent.len() {
            let one: Sent = sent.pop_front().unwrap();
            if matches!(&one, Sent::Dns(request) if request.kind != kind) {
                sent.push_back(one);
                continue;
            }
            let _ = resolver.handle_answer(one.answer("matrix", ""), Instant::ORIGIN);
            take(&mut resolver, &mut sent);
        }
        if sent.is_empty() {
            break;
        }
    }
    assert_eq!(resolver.counters().lookups, 0);
    println!(
        "in flight: {} bytes a lookup of step 3.3 allocated at worst, {} resident (target: under 4096); phase by phase: {}",
        worst.0 / LOOKUPS,
        worst.1 / LOOKUPS,
        phases.join(", "),
    );
}

/// The memory of a name of step 3.2 with its five facts and its result, and the cost of a hit.
fn weigh() {
    let mut policy = policy();
    policy.cache.max_facts = 10 * NAMES;
    policy.cache.max_results = 2 * NAMES;
    policy.cache.max_bytes = 8 << 30;
    let mut resolver = Resolver::new(Config::new(policy), Instant::ORIGIN);
    let before = (ALLOCATED.current_usage(), resident(), processor_nanos());
    for number in 0..NAMES {
        // Only the cache keeps the name.
        resolver.resolve(&name(number), Instant::ORIGIN);
        drain(&mut resolver);
    }
    let counters = resolver.counters();
    assert_eq!((counters.facts, counters.results), (5 * NAMES, NAMES));
    println!(
        "memory: {} bytes a name allocated, {} resident (target: under 1536), {} by weight ({} us of the processor a name)",
        (ALLOCATED.current_usage() - before.0) / NAMES,
        resident().saturating_sub(before.1) / NAMES,
        counters.bytes / NAMES,
        (processor_nanos() - before.2) / 1000 / NAMES,
    );

    let mut rounds = 0;
    for round in ["first", "second", "third"] {
        let nanos = in_turn(NAMES, |names| ask(&mut resolver, names));
        let first = if rounds == 0 { "; a first use is one of its five facts, too" } else { "" };
        println!(
            "warm hits of all in turn, {round} use: {nanos} ns each (target: under 500 ns{first})"
        );
        rounds += 1;
    }
    let nanos = in_turn(NAMES, |names| {
        for name in names {
            resolver.resolve(name, Instant::from_secs(1));
            assert!(matches!(resolver.poll(), Some(Event::Finished(..))));
        }
    });
    println!(
        "warm hits of all in turn, each dropped before the next, which is to look at the outcome: {nanos} ns each"
    );
    let names: Vec<ServerName> = (0..NAMES).map(name).collect();
    let started = processor_nanos();
    for step in 0..NAMES {
        resolver.resolve(&names[step * 7_919 % NAMES], Instant::from_secs(1));
        assert!(matches!(resolver.poll(), Some(Event::Finished(..))));
    }
    println!(
        "warm hits of all in turn, likewise, with the caller's own million names to be fetched from memory, too: {} ns each",
        (processor_nanos() - started) / NAMES
    );
    rounds += 2;
    let hits = NAMES.min(100_000);
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.peak_usage();
    for name in &names[..hits] {
        resolver.resolve(name, Instant::from_secs(1));
        resolver.poll();
    }
    println!(
        "warm hits: {} bytes allocated in {hits} (target: at most 2 allocations each)",
        ALLOCATED.peak_usage() - before
    );
    // The lower bound with a million names in memory: a map lookup and a clone.
    #[expect(clippy::disallowed_types, reason = "what others would use, for comparison")]
    let bare: std::collections::HashMap<ServerName, std::sync::Arc<usize>> =
        names.iter().cloned().zip((0..NAMES).map(std::sync::Arc::new)).collect();
    let mut sum = 0;
    let nanos = in_turn(NAMES, |names| {
        let found: Vec<_> = names.iter().map(|name| std::sync::Arc::clone(&bare[name])).collect();
        sum += found.iter().map(|value| **value).sum::<usize>();
    });
    println!(
        "warm hits, beside them: {nanos} ns each for a map of the standard library alone ({sum})"
    );
    drop(bare);
    // The same with the outcomes and names of the cache itself, which lie between the facts of a million names.
    #[expect(clippy::disallowed_types, reason = "what others would use, for comparison")]
    let mut shared = std::collections::HashMap::new();
    for name in &names {
        resolver.resolve(name, Instant::from_secs(1));
        if let Some(Event::Finished(_, outcome)) = resolver.poll() {
            shared.insert(outcome.as_ref().unwrap().server_name.clone(), outcome);
        }
    }
    let mut sum = 0;
    let nanos = in_turn(NAMES, |names| {
        let found: Vec<_> = names.iter().map(|name| shared[name].clone()).collect();
        sum += found.len();
    });
    println!("warm hits, beside them: {nanos} ns each for such a map of the same outcomes ({sum})");
    let (all, of_map) = (in_turn(NAMES, |names| ask(&mut resolver, names)), nanos);
    println!("warm hits of all in turn: {} % of the map (target: at most 150)", all * 100 / of_map);
    rounds += 1;
    let few = in_turn(10_000, |names| {
        let found: Vec<_> = names.iter().map(|name| shared[name].clone()).collect();
        sum += found.len();
    });
    println!("warm hits, beside them: {few} ns each for 10000 of that map ({sum})");
    drop(shared);
    // A homeserver mostly uses few names.
    let nanos = in_turn(10_000, |names| ask(&mut resolver, names));
    println!(
        "warm hits, 10000 of the million in use: {nanos} ns each, {} % of the map (target: at most 120)",
        nanos * 100 / few
    );
    rounds += 2;
    assert_eq!(resolver.counters().hits, (rounds * NAMES + hits) as u64);
    SHARED.with(|shared| *shared.borrow_mut() = Some(resolver));
}

/// Resolves some names and drops the outcomes together, as a caller with many names does.
fn ask(resolver: &mut Resolver, names: &[ServerName]) {
    let mut finished = Vec::with_capacity(names.len());
    for name in names {
        resolver.resolve(name, Instant::from_secs(1));
        finished.extend(resolver.poll());
    }
    assert_eq!(finished.len(), names.len());
    assert!(finished.iter().all(|event| matches!(event, Event::Finished(..))));
}

/// Nanoseconds for each name when the first `count` names are resolved in turn, a million times in total and a thousand at
/// a time. The names are created shortly before, untimed.
fn in_turn(of: usize, mut ask: impl FnMut(&[ServerName])) -> usize {
    const AT_ONCE: usize = 1000;
    let mut nanos = 0;
    for portion in 0..NAMES / AT_ONCE {
        let steps = portion * AT_ONCE..(portion + 1) * AT_ONCE;
        let asked: Vec<ServerName> = steps.map(|step| name(step * 7_919 % of)).collect();
        let started = processor_nanos();
        ask(&asked);
        nanos += processor_nanos() - started;
    }
    nanos / NAMES
}

thread_local! {
    static SHARED: std::cell::RefCell<Option<Resolver>> = const { std::cell::RefCell::new(None) };
}

#[divan::bench(sample_count = 100, sample_size = 1000)]
fn warm_hit(bencher: divan::Bencher<'_, '_>) {
    let mut resolver = SHARED.with(|shared| shared.borrow_mut().take()).unwrap();
    let mut step = 0_usize;
    let name = || {
        step = (step + 7_919) % NAMES;
        name(step)
    };
    bencher.with_inputs(name).bench_local_refs(|name| {
        resolver.resolve(name, Instant::from_secs(1));
        resolver.poll()
    });
}

/// A request, without the parts that only a driver needs.
enum Sent {
    Dns(DnsRequest),
    Http(HttpId, usize),
}

impl Sent {
    fn new(request: Request) -> Self {
        match request {
            Request::Dns(request) => Self::Dns(request),
            Request::Http(get) => {
                let digits = get.url.host().unwrap_or_default().bytes().filter(u8::is_ascii_digit);
                let number = digits.fold(0, |sum, digit| 10 * sum + usize::from(digit - b'0'));
                Self::Http(get.id, number)
            }
        }
    }

    /// Every host has an address of each family, is delegated to another with a port or without, and has SRV records if it is
    /// one of those.
    fn answer(self, delegated: &str, port: &str) -> Answer {
        let request = match self {
            Self::Dns(request) => request,
            Self::Http(id, number) => {
                let body =
                    format!(r#"{{"m.server":"{delegated}.server{number}.example.org{port}"}}"#);
                let response = HttpResponse::new(
                    http::StatusCode::OK,
                    http::HeaderMap::new(),
                    body.into_bytes(),
                );
                return Answer::Http(id, Ok(response));
            }
        };
        let owner = request.name;
        let host = owner.as_str().strip_prefix("_matrix-fed._tcp.");
        let data = match (request.kind, host) {
            (RecordType::A, _) => Some(RecordData::A(Ipv4Addr::new(192, 0, 2, 1))),
            (RecordType::Aaaa, _) => Some(RecordData::Aaaa(Ipv6Addr::LOCALHOST)),
            (RecordType::Srv, Some(host)) if host.starts_with(delegated) => {
                let target = DnsName::parse(&format!("srv.{host}")).unwrap();
                Some(RecordData::Srv(SrvRecord { priority: 10, weight: 5, port: 443, target }))
            }
            (RecordType::Srv, _) => None,
        };
        let records: Vec<_> = data
            .into_iter()
            .map(|data| DnsRecord { owner: owner.clone(), ttl: 3600, data })
            .collect();
        let mut reply = DnsReply::not_found(records.is_empty(), Some(300));
        reply.records = records;
        Answer::Dns(request.id, Ok(reply))
    }
}

fn take(resolver: &mut Resolver, sent: &mut VecDeque<Sent>) {
    while let Some(event) = resolver.poll() {
        if let Event::Request(request) = event {
            sent.push_back(Sent::new(request));
        }
    }
}

fn drain(resolver: &mut Resolver) {
    while let Some(event) = resolver.poll() {
        if let Event::Request(request) = event {
            let answer = Sent::new(request).answer("matrix", ":443");
            let _ = resolver.handle_answer(answer, Instant::ORIGIN);
        }
    }
}

/// Resident memory in bytes; zero on systems that do not report it.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// CPU time of this thread in nanoseconds; zero on systems that do not report it.
fn processor_nanos() -> usize {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}
