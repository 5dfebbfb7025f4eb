//! The future of one lookup.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant as StdInstant};

use discovery_core::{Outcome, Ticket};

use crate::shared::Shared;
use crate::spans::LookupSpan;

/// The future of one lookup: [`Discovery::resolve`](crate::Discovery::resolve).
///
/// It is woken by the driver, which must be run. If the driver is dropped or the discovery is closed it completes with a local
/// error. Dropping it abandons the lookup, unless others wait for the same name. It may be polled by any executor, and again
/// after it has completed; a thread without an executor calls [`wait`](Self::wait).
#[must_use = "dropping it abandons the lookup"]
pub struct Resolve {
    /// None once the outcome is there.
    ticket: Option<(Arc<Shared>, Ticket)>,
    outcome: Option<Outcome>,
    span: LookupSpan,
}

impl Resolve {
    /// A lookup that has an outcome, or waits for one.
    pub(crate) fn new(
        ticket: Option<(Arc<Shared>, Ticket)>,
        outcome: Option<Outcome>,
        span: LookupSpan,
    ) -> Self {
        Self { ticket, outcome, span }
    }

    /// Blocks this thread until the outcome is there: at most until the deadlines of the policy, provided that the driver
    /// runs on another thread. Not for async code.
    pub fn wait(mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.wait_timeout(Duration::MAX) {
                return outcome;
            }
        }
    }

    /// Blocks this thread until the outcome is there, at most for `timeout`. None after that: the lookup goes on.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Outcome> {
        // Most often the outcome is there at once, and no waker is needed.
        if let Some(outcome) = &self.outcome {
            return Some(outcome.clone());
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        #[allow(clippy::disallowed_methods, reason = "a thread waits by the system's clock")]
        let now = StdInstant::now;
        let until = now().checked_add(timeout);
        loop {
            if let Poll::Ready(outcome) = self.poll_outcome(&waker) {
                return Some(outcome);
            }
            match until.map(|until| until.saturating_duration_since(now())) {
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
    }

    fn poll_outcome(&mut self, waker: &Waker) -> Poll<Outcome> {
        if let Some(outcome) = &self.outcome {
            return Poll::Ready(outcome.clone());
        }
        // Without outcome there is a ticket, and its waiter lives as long as this.
        let Some((shared, ticket)) = &self.ticket else { return Poll::Pending };
        let waker = waker.clone();
        let mut state = shared.lock();
        let Some(waiter) = state.waiting.get_mut(ticket) else { return Poll::Pending };
        if let Some(outcome) = waiter.outcome.take() {
            drop(state);
            self.leave();
            self.span.end(&outcome);
            self.outcome = Some(outcome.clone());
            return Poll::Ready(outcome);
        }
        let old = waiter.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    fn leave(&mut self) {
        let Some((shared, ticket)) = self.ticket.take() else { return };
        let waiter = shared.change(|state, now| {
            state.handles = state.handles.saturating_sub(1);
            // No effect on a ticket that has ended.
            let _ = state.resolver.abandon(ticket, now);
            state.waiting.remove(&ticket)
        });
        drop(waiter);
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for Resolve {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.poll_outcome(cx.waker())
    }
}

impl Drop for Resolve {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Resolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticket = self.ticket.as_ref().map(|(_, ticket)| ticket);
        f.debug_struct("Resolve").field("ticket", &ticket).field("outcome", &self.outcome).finish()
    }
}
