//! Real time: servers on a thread of their own, a client on this one, or on whichever it makes for itself.
//!
//! Knows nothing of what is asked.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{self, Handle, Runtime};
use tokio::time::{sleep, timeout};

use super::probe::Probe;

/// What has not happened by then never will. Checks run one at a time, so there is one for all.
static GUARD: Mutex<Duration> = Mutex::new(Duration::from_secs(10));
/// How often what nobody tells of is looked at.
const GLANCE: Duration = Duration::from_millis(1);
/// So many looks in a row must show the same.
const CALM: u32 = 20;

/// What has not happened by then never will.
pub(super) fn guard() -> Duration {
    *GUARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on this is the guard; the one before comes back.
pub(super) fn set_guard(guard: Duration) -> Duration {
    std::mem::replace(&mut *GUARD.lock().unwrap_or_else(PoisonError::into_inner), guard)
}

/// Where a client is tried in real time.
pub(super) struct RealTime {
    servers: Runtime,
    client: Runtime,
    probe: Arc<Probe>,
}

impl RealTime {
    pub(super) fn new() -> io::Result<Self> {
        let mut servers = runtime::Builder::new_multi_thread();
        Ok(Self {
            servers: servers.worker_threads(1).thread_name("servers").enable_all().build()?,
            client: runtime::Builder::new_current_thread().enable_all().build()?,
            probe: Arc::new(Probe::everywhere()),
        })
    }

    /// Runs this, on the runtime that clients are started within.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.client.block_on(future)
    }

    /// Where servers run.
    pub(super) fn servers(&self) -> &Handle {
        self.servers.handle()
    }

    /// The system's clock.
    #[expect(clippy::unused_self, reason = "the same shape as that of virtual time")]
    pub(super) fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static + use<> {
        Instant::now
    }

    /// What is seen of the client.
    pub(super) fn probe(&self) -> &Arc<Probe> {
        &self.probe
    }
}

/// What comes of a future, if anything comes of it in time.
pub(super) async fn guarded<T>(future: impl Future<Output = T>) -> Option<T> {
    timeout(guard(), future).await.ok()
}

/// Waits until this is so; how long that took, None if it never was.
pub(super) async fn until(so: impl Fn() -> bool) -> Option<Duration> {
    let began = Instant::now();
    while !so() {
        if began.elapsed() > guard() {
            return None;
        }
        sleep(GLANCE).await;
    }
    Some(began.elapsed())
}

/// How many there are once that has not changed for a while.
pub(super) async fn settled<T: PartialEq>(count: impl Fn() -> T) -> T {
    let began = Instant::now();
    let mut last = count();
    let mut same = 0_u32;
    while same < CALM && began.elapsed() < guard() {
        sleep(GLANCE).await;
        let now = count();
        same = if now == last { same.saturating_add(1) } else { 0 };
        last = now;
    }
    last
}
