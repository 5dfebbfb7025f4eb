//! A year of a homeserver in virtual time: `cargo run --release -p discovery-sim --example year`.
//!
//! Arguments, all optional: names (10000), days (365), seconds between two uses (10), seed (1).

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it tells how long virtual time takes on a real clock"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use discovery_core::Config;
use discovery_sim::population::{Population, Year};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().ok());
    let mut next = |default: u64| arguments.next().flatten().unwrap_or(default);
    let (names, days, seconds, seed) = (next(10_000), next(365), next(10), next(1));
    let year = Year {
        names,
        length: DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX)),
        join_every: DAY.saturating_mul(7),
        use_every: Duration::from_secs(seconds),
        latency: Duration::from_millis(50),
    };
    println!("{names} names, {days} days, a use every {seconds} s, a join every week, seed {seed}");
    let started = Instant::now();
    let report = year.run(&Population::changing(seed), Config::new(Population::policy()));
    println!("{report}took                 {:?}", started.elapsed());
    for line in &report.too_old {
        println!("too old: {line}");
    }
    for line in &report.unexplained {
        println!("{line}");
    }
    for violation in &report.violations {
        println!("{violation}");
    }
    if report.too_old.is_empty() && report.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
