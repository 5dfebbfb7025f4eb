//! A restart with a cache file: `cargo run --release -p discovery-sim --example taught`.
//!
//! Optional argument: the number of facts (1000000). Each host has four: a document, no IPv6 address, one IPv4 address, an
//! SRV record.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it tells how long a restart takes on a real clock"
)]

use std::error::Error;
use std::fmt::Write;
use std::time::Instant;

use discovery_core::{Config, Export, Policy, Resolver};
use discovery_sim::START;
use discovery_sim::fuzz::{AT, sealed};

fn main() -> Result<(), Box<dyn Error>> {
    let facts: usize = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let file = std::env::temp_dir().join(format!("taught-{}.facts", std::process::id()));
    std::fs::write(&file, text(facts)?)?;

    let started = Instant::now();
    let text = std::fs::read(&file)?;
    let size = text.len();
    let read = started.elapsed();
    let export = Export::read(&text)?;
    drop(text);
    let parsed = started.elapsed();
    let mut policy = Policy::default();
    (policy.cache.max_facts, policy.cache.max_bytes) = (facts, 1 << 30);
    let mut resolver = Resolver::new(Config::new(policy), START);
    let taught = resolver.import(export, START, AT);
    let done = started.elapsed();
    std::fs::remove_file(&file)?;

    let counters = resolver.counters();
    println!("{} facts of {} MiB taken, {} kept", taught.taken, size >> 20, counters.facts);
    println!(
        "file {read:.2?}, reading {:.2?}, teaching {:.2?}: {done:.2?}",
        parsed - read,
        done - parsed
    );
    println!("counted {} MiB, most resident {} MiB", counters.bytes >> 20, most_resident() >> 20);
    let started = Instant::now();
    let all = resolver.export(START, AT).to_text();
    println!("and out again: {} MiB in {:.2?}", all.len() >> 20, started.elapsed());
    Ok(())
}

/// A whole export.
fn text(facts: usize) -> Result<Vec<u8>, std::fmt::Error> {
    let mut lines = String::new();
    for host in 0..facts.div_ceil(4) {
        let (high, low) = (host >> 8 & 255, host & 255);
        let time = "\"age\":600000,\"left\":3000000";
        let of = [
            format!(
                "{{\"get\":\"https://host{host}.example/.well-known/matrix/server\"}},\"f\":{{\"document\":\"matrix.host{host}.example\"}}"
            ),
            format!(
                "{{\"dns\":[\"matrix.host{host}.example\",\"AAAA\"]}},\"f\":{{\"not_found\":\"no_data\"}}"
            ),
            format!(
                "{{\"dns\":[\"matrix.host{host}.example\",\"A\"]}},\"f\":{{\"addresses\":{{\"addresses\":[\"198.51.{high}.{low}\"],\"alias\":null}}}}"
            ),
            format!(
                "{{\"dns\":[\"_matrix-fed._tcp.matrix.host{host}.example\",\"SRV\"]}},\"f\":{{\"services\":[{{\"priority\":10,\"weight\":5,\"port\":443,\"target\":\"matrix.host{host}.example\"}}]}}"
            ),
        ];
        for fact in of.iter().take(facts.saturating_sub(host * 4)) {
            writeln!(lines, "{{\"q\":{fact},{time}}}")?;
        }
    }
    Ok(sealed(lines.as_bytes()))
}

/// Peak resident memory in bytes, if the system reports it.
fn most_resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kibibytes.unwrap_or(0_u64).saturating_mul(1024)
}
