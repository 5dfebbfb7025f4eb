//! The activity of a client from outside: its threads, how often they woke, and whether it is idle.
//!
//! Where the system does not tell of threads, only time does.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A client that does not come to rest for so long never will.
const RESTLESS: Duration = Duration::from_secs(10);

/// So many times the grace one that is only woken by its own timer is waited for.
const RINGS: u32 = 200;

/// The activity of one client.
#[derive(Debug)]
pub(super) struct Probe {
    /// The kit's own thread, whose looks at the clock are not the client's.
    home: Option<u64>,
    /// Every thread that the client was seen on.
    threads: Mutex<BTreeSet<u64>>,
    readings: AtomicU64,
    polls: AtomicU64,
    openings: AtomicU64,
}

/// How often the client's threads had slept at some moment; None while one is awake.
type Naps = Option<Vec<(u64, u64)>>;

impl Probe {
    /// Watches for the thread that calls this.
    pub(super) fn new() -> Self {
        Self {
            home: this_thread(),
            threads: Mutex::default(),
            readings: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            openings: AtomicU64::new(0),
        }
    }

    /// Watches every thread: the kit's own does nothing itself that would be seen.
    pub(super) fn everywhere() -> Self {
        Self { home: None, ..Self::new() }
    }

    /// The client opens a socket, on this thread.
    pub(super) fn opened(&self) {
        self.openings.fetch_add(1, Ordering::Relaxed);
        self.seen();
    }

    /// The client did something, on this thread.
    pub(super) fn seen(&self) {
        self.readings.fetch_add(1, Ordering::Relaxed);
        let Some(thread) = this_thread().filter(|thread| Some(*thread) != self.home) else {
            return;
        };
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).insert(thread);
    }

    /// The driver was polled.
    pub(super) fn polled(&self) {
        self.polls.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of sockets that were to be opened.
    pub(super) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    /// How often the clock was read, or the kit asked where to connect.
    pub(super) fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed)
    }

    /// The number of polls of the driver.
    pub(super) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Returns when no thread of the client has run for so long, or when that never comes. `due_soon` says whether a timer of the
    /// client may ring: where it goes by the system's clock and the machine's stands still, it rings again and again.
    pub(super) fn settle(&self, grace: Duration, due_soon: impl Fn() -> bool) {
        let began = Instant::now();
        let mut patience = grace.saturating_mul(RINGS);
        let mut before = self.naps();
        loop {
            thread::sleep(grace);
            let now = self.naps();
            if now.is_some() && now == before {
                return;
            }
            if began.elapsed() > patience {
                // Asked but once: to answer, a loop that is asked by messages must wake, and would never come to rest.
                if patience == RESTLESS || due_soon() {
                    return;
                }
                patience = RESTLESS;
            }
            before = now;
        }
    }

    fn naps(&self) -> Naps {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut naps = Vec::new();
        let mut gone = Vec::new();
        for thread in threads.iter().copied() {
            match fs::read_to_string(format!("/proc/self/task/{thread}/status")) {
                Ok(status) => naps.push((thread, slept(&status)?)),
                Err(_) => gone.push(thread),
            }
        }
        for thread in gone {
            threads.remove(&thread);
        }
        Some(naps)
    }
}

/// How often a thread has gone to sleep; None while it is awake.
fn slept(status: &str) -> Option<u64> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()
    };
    // Sleeping, or not reported at all.
    if field("State:").is_some_and(|state| state != "S") {
        return None;
    }
    field("voluntary_ctxt_switches:").map_or(Some(0), |count| count.parse().ok())
}

/// The system's number of the thread that calls this; None where it does not tell.
fn this_thread() -> Option<u64> {
    thread_local! {
        static NUMBER: OnceCell<Option<u64>> = const { OnceCell::new() };
    }
    let ask = || fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok();
    NUMBER.try_with(|number| *number.get_or_init(ask)).unwrap_or_else(|_| ask())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_thread_that_sleeps_is_told_from_one_that_runs() {
        assert_eq!(slept("Name:\tx\nState:\tS (sleeping)\nvoluntary_ctxt_switches:\t7\n"), Some(7));
        assert_eq!(slept("Name:\tx\nState:\tR (running)\nvoluntary_ctxt_switches:\t7\n"), None);
    }
}
