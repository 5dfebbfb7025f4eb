//! Runs the tests that all adapters share, and tests of the thread pool.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../../../tests/worlds/mod.rs"]
mod worlds;

use std::thread::{self, JoinHandle};
use std::time::Duration;

use discovery_blocking::{Discovery, Driver, build, spawn};
use discovery_core::{ErrorKind, Policy};
use worlds::servers::{builder, closed_port, silent_server, tls};

/// A driver that runs on a thread.
struct RunningDriver(JoinHandle<()>);

fn run(driver: Driver) -> RunningDriver {
    RunningDriver(thread::spawn(|| discovery_blocking::run(driver)))
}

impl RunningDriver {
    fn ended(self) {
        self.0.join().unwrap();
    }

    fn stop(self, discovery: &Discovery) {
        discovery.close();
        self.ended();
    }
}

/// The number of pool threads in this process.
fn pool_threads() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm"));
    // Threads may end meanwhile.
    threads.flatten().filter_map(|it| name(it).ok()).filter(|it| it == "discovery-io\n").count()
}

#[test]
fn many_threads_share_one_discovery() {
    let (client, _) = tls("example.org");
    let discovery = spawn(builder(client, closed_port())).unwrap();
    let one = discovery.clone();
    let ask = move || assert!(one.resolve("example.org:8448").wait().is_ok());
    let threads: Vec<_> = (0..50).map(|_| thread::spawn(ask.clone())).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(discovery.counters().dns_questions, 2, "one for each family");
}

#[test]
fn an_outcome_is_waited_for_no_longer_than_wanted() {
    let (client, _) = tls("example.org");
    let (silent, unanswered) = silent_server();
    let discovery = spawn(unanswered).unwrap();
    let mut resolving = discovery.resolve("example.org:8448");
    silent.recv(&mut [0; 512]).unwrap();
    assert!(resolving.wait_timeout(Duration::ZERO).is_none());
    assert!(resolving.wait_timeout(Duration::from_millis(1)).is_none());
    assert_eq!(discovery.counters().lookups, 1, "it goes on");
    drop(resolving);
    assert_eq!(discovery.counters().lookups, 0);
    let discovery = spawn(builder(client, closed_port())).unwrap();
    let mut resolving = discovery.resolve("example.org:8448");
    assert!(resolving.wait_timeout(Duration::MAX).unwrap().is_ok());
    assert!(resolving.wait().is_ok(), "and it stays there");
}

#[test]
#[cfg(target_os = "linux")]
fn threads_are_no_more_than_slots_and_none_is_left() {
    if !worlds::alone("threads_are_no_more_than_slots_and_none_is_left") {
        return;
    }
    let (silent, unanswered) = silent_server();
    let mut policy = Policy::default();
    policy.limits.dns_slots = 3;
    let (discovery, driver) = build(unanswered.policy(policy)).unwrap();
    let road = run(driver);
    let waiting: Vec<_> =
        (0..100).map(|n| discovery.resolve(format!("host{n}.example:1"))).collect();
    for _ in 0..3 {
        silent.recv(&mut [0; 512]).unwrap();
    }
    // Abandoned requests make room for others on the same threads.
    drop(waiting);
    let again = discovery.resolve("example.org:8448");
    silent.recv(&mut [0; 512]).unwrap();
    assert!((1..=3).contains(&pool_threads()), "{}", pool_threads());
    drop((again, discovery));
    road.ended();
    // A thread that is about to end may still exist.
    while pool_threads() > 0 {
        thread::yield_now();
    }
}

#[test]
fn a_closed_discovery_wakes_a_thread_that_waits() {
    let (silent, unanswered) = silent_server();
    let discovery = spawn(unanswered).unwrap();
    let one = discovery.clone();
    let waiting = thread::spawn(move || one.resolve("example.org:8448").wait());
    silent.recv(&mut [0; 512]).unwrap();
    discovery.close();
    assert_eq!(worlds::kind(&waiting.join().unwrap()), Some(ErrorKind::Local));
}
