//! Jobs that run on their driver's own task, where a runtime has no tasks that end with their driver.
//!
//! Knows nothing of sockets, nor of what the futures do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use discovery_core::RequestId;

/// One job being carried out.
pub type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Futures by the request that they carry out. Only those that were woken are polled; dropping this drops them all.
#[derive(Default)]
pub struct Running {
    runs: BTreeMap<RequestId, (Run, Waker)>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(Mutex<Bells>);

#[derive(Default)]
struct Bells {
    rung: BTreeSet<RequestId>,
    driver: Option<Waker>,
}

/// Wakes the driver for one run.
struct Bell {
    id: RequestId,
    woken: Arc<Woken>,
}

impl Running {
    /// Carries this out, from the next [`poll`](Self::poll) on.
    pub fn start(&mut self, id: RequestId, run: Run) {
        let bell = Arc::new(Bell { id, woken: Arc::clone(&self.woken) });
        self.woken.with(|bells| bells.rung.insert(id));
        self.runs.insert(id, (run, Waker::from(bell)));
    }

    /// Drops it, and its socket with it. One that has ended is none.
    pub fn stop(&mut self, id: RequestId) {
        self.runs.remove(&id);
    }

    /// Polls what was woken, each once. The task is woken when there is more. A run that panics ends, and no other with it.
    pub fn poll(&mut self, cx: &Context<'_>) {
        let driver = cx.waker().clone();
        let (old, rung) = self
            .woken
            .with(|bells| (bells.driver.replace(driver), std::mem::take(&mut bells.rung)));
        drop(old);
        for id in rung {
            let Some((run, waker)) = self.runs.get_mut(&id) else { continue };
            let mut cx = Context::from_waker(waker);
            // What a panic leaves behind is dropped, so nobody sees it half changed.
            let polled = catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(&mut cx)));
            if !matches!(polled, Ok(Poll::Pending)) {
                self.runs.remove(&id);
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

/// Lets the other runs have their turn: for a socket that always has something to read.
pub fn yield_now() -> impl Future<Output = ()> + Send {
    let mut yielded = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

impl Woken {
    /// Nobody is woken, and no waker dropped, inside.
    fn with<T>(&self, change: impl FnOnce(&mut Bells) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let driver = self.woken.with(|bells| {
            bells.rung.insert(self.id);
            bells.driver.take()
        });
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("len", &self.runs.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
