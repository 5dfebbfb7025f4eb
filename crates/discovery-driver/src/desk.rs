//! The driver's side of a shared machine: what is to be done, and how it is told what became of it.
//!
//! What every adapter would otherwise write again, without any runtime. Opens no socket and starts no timer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant};

use discovery_core::{Answer, Config, HttpId, Instant, Request, RequestId, Resolver};

use crate::handle::Handle;
use crate::shared::{Driver, Shared};

/// The driver's side. Whoever still waits when it is dropped gets a failure of our own side, and so does whoever comes later
/// with a question that is not answered already.
pub struct Desk {
    shared: Arc<Shared>,
}

/// What the driver is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start this; tell through a [`Report`] how it went.
    Start(Request),
    /// Nobody waits for this any more: stop it, close its socket.
    Stop(RequestId),
    /// All handles are gone, or one of them has closed: end.
    End,
}

/// The promise of one answer: dropped without one, it tells of a failure of our own side. So a request whose task panics, or
/// is dropped with its runtime, never leaves anybody waiting.
pub struct Report {
    shared: Arc<Shared>,
    id: RequestId,
    due: bool,
}

impl Desk {
    /// A machine with both its sides. `now` reads the clock that everything goes by: any that never goes back. It is asked
    /// under a lock, so it must not ask the machine.
    pub fn new(
        config: Config,
        now: impl Fn() -> StdInstant + Send + Sync + 'static,
    ) -> (Handle, Self) {
        let shared = Arc::new(Shared::new(Resolver::new(config, Instant::ORIGIN), Box::new(now)));
        (Handle { shared: Arc::clone(&shared) }, Self { shared })
    }

    /// The next order. Pending where there is none: the task is woken when there is, and when the deadline has changed.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Order> {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        state.unattended = None;
        if state.handles == 0 || matches!(state.driver, Driver::Gone) {
            return Poll::Ready(Order::End);
        }
        if let Some(order) = state.orders.pop_front() {
            return Poll::Ready(order);
        }
        state.deadline = state.resolver.poll_timeout().map(|deadline| deadline.at);
        let old = std::mem::replace(&mut state.driver, Driver::Idle(waker));
        // What a waker drops with it may well want the lock.
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), as of the last [`poll`](Self::poll) that was pending.
    pub fn deadline(&self) -> Option<StdInstant> {
        let deadline = self.shared.lock().deadline?;
        self.shared.clock.to_std(deadline)
    }

    /// How long until the [`deadline`](Self::deadline), by the machine's clock: zero where it is there. A timer that runs by
    /// another clock may be early or late; whoever finds that this has changed sets it anew.
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since((self.shared.now)()))
    }

    /// Does what is due. Early calls do nothing and are safe.
    pub fn handle_timeout(&self) {
        self.with(|resolver, now| resolver.handle_timeout(now));
    }

    /// Changes the machine otherwise: its routes, its number of name servers. The machine is locked meanwhile.
    pub fn with<T>(&self, change: impl FnOnce(&mut Resolver, Instant) -> T) -> T {
        self.shared.change(|state, now| change(&mut state.resolver, now))
    }

    /// The name servers that [`Handle::set_name_servers`] has set since the last call, if it was called. The machine knows already
    /// how many there are.
    pub fn take_name_servers(&self) -> Option<Vec<SocketAddr>> {
        self.shared.lock().name_servers.take()
    }

    /// Says that no more work will be done: whoever waits gets a failure of our own side. Dropping the desk says the same.
    pub fn close(&mut self) {
        self.shared.close();
    }

    /// The promise to answer a request that is being started.
    pub fn report(&self, id: RequestId) -> Report {
        Report { shared: Arc::clone(&self.shared), id, due: true }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.close();
    }
}

impl Report {
    /// TLS is up.
    pub fn connected(&self, id: HttpId) {
        // That it came too late is no news to a driver.
        let _ = self.shared.change(|state, now| state.resolver.handle_connected(id, now));
    }

    /// The request has ended, in this way.
    pub fn answer(mut self, answer: Answer) {
        self.due = false;
        self.tell(answer);
    }

    fn tell(&self, answer: Answer) {
        let _ = self.shared.change(|state, now| state.resolver.handle_answer(answer, now));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.due {
            self.tell(Answer::local_failure(self.id));
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
