//! Distinct cold names through one resolver in virtual time: `cargo run --release -p discovery-sim --example million`.
//!
//! Arguments, all optional: names (1000000), lookups at once (10000), seed (1).

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it tells how long virtual time takes on a real clock"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use discovery_core::{Config, Counters};
use discovery_sim::START;
use discovery_sim::population::{Drive, Population};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().ok());
    let mut next = |default: u64| arguments.next().flatten().unwrap_or(default);
    let (names, window, seed) = (next(1_000_000), next(10_000), next(1));
    let population = Population::steady(seed);
    let mut drive =
        Drive::new(&population, Config::new(Population::policy()), Duration::from_millis(50));
    let started = Instant::now();
    println!("{names} names, {window} at once, seed {seed}");
    println!("    done    real s  virtual s   requests    facts  results  counted MiB  RSS MiB");
    let (mut asked, mut ended, mut failed) = (0, 0_u64, 0_u64);
    while asked < names.min(window) {
        drive.resolve(asked);
        asked += 1;
    }
    while drive.run_until_finished() {
        while let Some(finished) = drive.finished() {
            ended += 1;
            failed += u64::from(finished.outcome.is_err());
            if asked < names {
                drive.resolve(asked);
                asked += 1;
            }
            if ended % (names / 10).max(1) == 0 {
                let Counters { facts, results, bytes, .. } = drive.resolver().counters();
                let real = started.elapsed().as_secs_f64();
                let time = drive.now().saturating_duration_since(START).as_secs();
                let requests: u64 = drive.requests().iter().sum();
                let (counted, rss) = (bytes >> 20, resident() >> 20);
                println!(
                    "{ended:>8} {real:>9.1} {time:>10} {requests:>10} {facts:>8} {results:>8} \
                     {counted:>12} {rss:>8}"
                );
            }
        }
    }
    let [queries, gets] = drive.requests();
    println!("{queries} DNS requests, {gets} GETs, {failed} failures, {:?}", started.elapsed());
    for violation in drive.violations() {
        println!("{violation}");
    }
    if drive.violations().is_empty() && ended == names {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Resident memory in bytes, if the system reports it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kibibytes.unwrap_or(0_u64).saturating_mul(1024)
}
