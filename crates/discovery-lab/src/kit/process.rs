//! The resources of this process: sockets, file descriptors and threads, and their limits.
//!
//! All counts are the system's own, so one client is tried at a time.

use std::fs;
use std::io;

/// The resources of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holdings {
    pub(super) descriptors: usize,
    pub(super) threads: usize,
}

impl Holdings {
    /// Whether this is no more than that.
    pub(super) fn is_within(&self, that: &Self) -> bool {
        self.descriptors <= that.descriptors && self.threads <= that.threads
    }
}

/// The resources of this process; `None` if the system does not tell.
pub(super) fn holdings() -> Option<Holdings> {
    let count = |folder| fs::read_dir(folder).ok().map(Iterator::count);
    Some(Holdings { descriptors: count("/proc/self/fd")?, threads: count("/proc/self/task")? })
}

/// The sockets of this process, servers' and clients'; None where the system does not tell.
pub(super) fn sockets() -> Option<usize> {
    let open = fs::read_dir("/proc/self/fd").ok()?;
    let targets = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    Some(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
}

/// How often the threads of this process have gone to sleep of their own accord; None where the system does not tell.
pub(super) fn naps() -> Option<u64> {
    let mut sum: u64 = 0;
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        sum = sum.saturating_add(line.trim().parse().ok()?);
    }
    Some(sum)
}

/// While this lives no file descriptor is to be had.
pub(super) struct NoDescriptors {
    soft: u64,
    hard: u64,
}

impl NoDescriptors {
    pub(super) fn begin() -> io::Result<Self> {
        let (soft, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE)?;
        // What is open stays open; every new one would have a number that is too high.
        rlimit::setrlimit(rlimit::Resource::NOFILE, 3.min(soft), hard)?;
        Ok(Self { soft, hard })
    }
}

impl Drop for NoDescriptors {
    fn drop(&mut self) {
        let _ = rlimit::setrlimit(rlimit::Resource::NOFILE, self.soft, self.hard);
    }
}

/// Allows as many file descriptors as may be: a thousand lookups at once, and their servers, are in one process.
pub(super) fn many_descriptors() {
    if let Ok((_, hard)) = rlimit::getrlimit(rlimit::Resource::NOFILE) {
        let _ = rlimit::setrlimit(rlimit::Resource::NOFILE, hard, hard);
    }
}
