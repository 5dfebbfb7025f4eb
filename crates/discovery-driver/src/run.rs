//! A driver and its requests as one future, for runtimes whose tasks and timers are futures.
//!
//! Adapters share types, not a trait of runtimes: [`Driver::run`] takes one function that carries out a request and one
//! that sleeps. The future of a lookup needs no timer. If the driver is not run, lookups wait; if it is dropped, they
//! fail, as with hyper and quinn.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use discovery_core::RequestId;

use crate::driver::{Action, Driver};
use crate::task::RequestTask;
use crate::timer::Timer;

impl Driver {
    /// Runs the driver to its end. `carry_out` makes the future of one request: it moves bytes until the task is finished, and
    /// must close its socket when it is dropped. `sleep` makes a timer.
    ///
    /// All requests are part of this future: dropping it stops them. A request whose future panics fails with a local error.
    /// If requests are to run in parallel, `carry_out` spawns a task and gives a future that aborts it on drop.
    pub async fn run<F: Future<Output = ()>, T: Future>(
        self,
        mut carry_out: impl FnMut(RequestTask) -> F,
        mut sleep: impl FnMut(Duration) -> T,
    ) {
        let (mut requests, mut timer) = (Requests::default(), Timer::default());
        // Dropped first, so that requests which are stopped at the end do not start others.
        let mut driver = self;
        poll_fn(|cx| {
            loop {
                requests.poll(cx);
                match driver.poll_action(cx) {
                    Poll::Ready(Action::Start(task)) => requests.start(task.id(), carry_out(task)),
                    Poll::Ready(Action::Stop(id)) => requests.stop(id),
                    Poll::Ready(Action::Finished) => return Poll::Ready(()),
                    Poll::Pending => {
                        let (left, now) = (driver.next_timeout(), driver.runtime_now());
                        ready!(timer.poll(cx, left, now, &mut sleep));
                        driver.handle_timeout();
                    }
                }
            }
        })
        .await;
    }
}

/// Futures by the request that each carries out. Only those that were woken are polled.
struct Requests<F> {
    running: BTreeMap<RequestId, (Pin<Box<F>>, Waker)>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(Mutex<WokenState>);

#[derive(Default)]
struct WokenState {
    ids: BTreeSet<RequestId>,
    driver: Option<Waker>,
}

/// Wakes the driver for one request.
struct WakeOne {
    id: RequestId,
    woken: Arc<Woken>,
}

impl<F: Future<Output = ()>> Requests<F> {
    /// The future is polled from the next [`poll`](Self::poll) on.
    fn start(&mut self, id: RequestId, future: F) {
        let waker = Arc::new(WakeOne { id, woken: Arc::clone(&self.woken) });
        self.woken.with(|state| state.ids.insert(id));
        self.running.insert(id, (Box::pin(future), Waker::from(waker)));
    }

    /// Drops the future, and its socket with it. No effect on one that has ended.
    fn stop(&mut self, id: RequestId) {
        self.running.remove(&id);
    }

    /// Polls each woken future once. The task of `cx` is woken for more. A future that panics ends, and no other with it.
    fn poll(&mut self, cx: &Context<'_>) {
        let driver = cx.waker().clone();
        let (old, ids) =
            self.woken.with(|state| (state.driver.replace(driver), std::mem::take(&mut state.ids)));
        drop(old);
        for id in ids {
            let Some((future, waker)) = self.running.get_mut(&id) else { continue };
            let mut cx = Context::from_waker(waker);
            // What a panic leaves behind is dropped, so its state is never seen.
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
            if !matches!(polled, Ok(Poll::Pending)) {
                self.running.remove(&id);
            }
        }
    }
}

impl<F> Default for Requests<F> {
    fn default() -> Self {
        Self { running: BTreeMap::new(), woken: Arc::default() }
    }
}

impl Woken {
    /// No waker is woken or dropped inside.
    fn with<T>(&self, change: impl FnOnce(&mut WokenState) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Wake for WakeOne {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let driver = self.woken.with(|state| {
            state.ids.insert(self.id);
            state.driver.take()
        });
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
