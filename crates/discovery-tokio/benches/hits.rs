//! CPU time of a cache hit through the runtime, with 64 concurrent tasks and including addresses.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark"
)]

#[path = "../../../tests/worlds/servers.rs"]
mod servers;

use discovery_core::ServerName;
use discovery_tokio::spawn;
use nix::sys::resource::{UsageWho, getrusage};
use servers::{builder, closed_port, tls};

const NAMES: usize = 10_000;
const TASKS: usize = 64;
const HITS: usize = 20_000;

fn main() {
    println!(
        "warm hits through discovery-tokio, {NAMES} names, {TASKS} tasks, CPU time of the process:\n"
    );
    for threads in [1, 2] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap();
        let best = (0..5).map(|_| runtime.block_on(hits())).min().unwrap();
        println!("{threads} threads: {best:>6} ns a hit   (target: under 2000 ns)");
    }
}

/// CPU time a hit, in nanoseconds.
async fn hits() -> u64 {
    let (client, _) = tls("example.org");
    let discovery = spawn(builder(client, closed_port())).unwrap();
    let names: Vec<ServerName> =
        (0..NAMES).map(|number| format!("host{number}.example:8448").parse().unwrap()).collect();
    for known in &names {
        assert!(discovery.resolve(known).await.is_ok());
    }
    let before = processor_micros();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (discovery, names) = (discovery.clone(), names.clone());
            tokio::spawn(async move {
                for step in 0..HITS {
                    let outcome = discovery.resolve(&names[(task + step * 7919) % NAMES]).await;
                    let resolved = outcome.as_ref().unwrap();
                    assert_eq!(resolved.socket_addrs().count(), 1);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let micros = processor_micros() - before;
    assert!(discovery.counters().hits >= (TASKS * HITS) as u64);
    micros * 1000 / (TASKS * HITS) as u64
}

/// CPU time of this process so far.
fn processor_micros() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let times = [usage.user_time(), usage.system_time()];
    let micros: i64 = times.iter().map(|time| time.tv_sec() * 1_000_000 + time.tv_usec()).sum();
    micros.try_into().unwrap()
}
