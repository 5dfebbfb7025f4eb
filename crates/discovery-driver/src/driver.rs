//! The driver's side of a discovery: requests to carry out, and the timeout to keep.
//!
//! Opens no socket, starts no timer and spawns no task.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant as StdInstant};

use discovery_core::{Instant, Policy, Request, RequestId, Routes};

use crate::name_servers::NameServerList;
use crate::shared::{DriverState, Queued, Shared};
use crate::task::RequestTask;

/// How long the result of a probe for routes is used.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// The driver's side of a [`Discovery`](crate::Discovery). It must be run: nothing is resolved otherwise.
///
/// The `spawn` and `run` functions of an adapter run it. A loop of its own does three things: it starts and stops requests as
/// [`poll_action`](Self::poll_action) says, calls [`handle_timeout`](Self::handle_timeout) after
/// [`next_timeout`](Self::next_timeout), and ends on [`Action::Finished`]. On an async runtime [`run`](Self::run) is that loop.
///
/// When it is dropped, all waiting lookups fail with a local error, and so do later ones whose result is not known already.
#[must_use = "nothing is resolved unless the driver runs"]
pub struct Driver {
    shared: Arc<Shared>,
    name_servers: NameServerList,
    /// When to probe again which families have a route; None if the caller does not want it.
    probe_at: Option<Instant>,
}

/// The next action.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is handed over at once, never kept")]
pub enum Action {
    /// Start to carry out this request.
    Start(RequestTask),
    /// Stop this request, if it has not ended: drop its task and close its socket.
    Stop(RequestId),
    /// End: all handles were dropped, or the discovery was closed.
    Finished,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, name_servers: NameServerList, probe: bool) -> Self {
        Self { shared, name_servers, probe_at: probe.then_some(Instant::ORIGIN) }
    }

    /// What to do next. If it is pending, the task is woken when there is something to do, and when
    /// [`next_timeout`](Self::next_timeout) has changed.
    ///
    /// Unless the name servers were set, `resolv.conf` is read again before a DNS request starts, every five seconds at most.
    /// Open requests stay with the server that they were sent to. A file that is unreadable or empty changes nothing.
    pub fn poll_action(&mut self, cx: &Context<'_>) -> Poll<Action> {
        loop {
            let mut request = match ready!(self.poll_queue(cx)) {
                Some(Queued::Start(request)) => request,
                Some(Queued::Stop(id)) => return Poll::Ready(Action::Stop(id)),
                None => return Poll::Ready(Action::Finished),
            };
            self.probe();
            if let Request::Dns(question) = &mut request {
                self.refresh_name_servers();
                // The request was made for the previous servers, if they have changed.
                let server = question.server.checked_rem(self.name_servers.count());
                question.server = server.unwrap_or_default();
            }
            // The caller's hooks may panic: then the request fails, and nothing else.
            let (shared, servers) = (&self.shared, &self.name_servers.addresses);
            let new = || RequestTask::new(request, shared, servers);
            if let Ok(Some(task)) = catch_unwind(AssertUnwindSafe(new)) {
                return Poll::Ready(Action::Start(task));
            }
        }
    }

    /// How long until [`handle_timeout`](Self::handle_timeout) must be called, by the discovery's clock, as of the last
    /// [`poll_action`](Self::poll_action) that was pending; None if there is no deadline. A timer that goes by another clock
    /// may be early or late.
    pub fn next_timeout(&self) -> Option<Duration> {
        let deadline = self.shared.lock().deadline?;
        let deadline = self.shared.clock.to_std(deadline)?;
        Some(deadline.saturating_duration_since(self.shared.settings.now()))
    }

    /// Handles the timeouts that are due. Early calls do nothing.
    pub fn handle_timeout(&mut self) {
        self.shared.with(|resolver, now| resolver.handle_timeout(now));
    }

    /// The policy, for drivers that allocate by its limits.
    pub fn policy(&self) -> Arc<Policy> {
        self.shared.with(|resolver, _now| Arc::clone(resolver.policy()))
    }

    /// The current time of the environment, which is the runtime's, whatever clock the discovery goes by.
    pub(crate) fn runtime_now(&self) -> StdInstant {
        self.shared.settings.environment.now()
    }

    /// Ready with None when the driver is to end.
    fn poll_queue(&mut self, cx: &Context<'_>) -> Poll<Option<Queued>> {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        if state.handles == 0 || matches!(state.driver, DriverState::Gone) {
            return Poll::Ready(None);
        }
        if let Some(queued) = state.queue.pop_front() {
            return Poll::Ready(Some(queued));
        }
        state.deadline = state.resolver.poll_timeout().map(|deadline| deadline.at);
        let old = std::mem::replace(&mut state.driver, DriverState::Idle(waker));
        // What is dropped with a waker may want the lock.
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Applies name servers that the caller has set, or that `resolv.conf` names by now.
    fn refresh_name_servers(&mut self) {
        if let Some(servers) = self.shared.lock().name_servers.take() {
            self.name_servers = NameServerList::fixed(servers);
        }
        let now = self.shared.with(|_resolver, now| now);
        if self.name_servers.refresh(now, &*self.shared.settings.environment) {
            let count = self.name_servers.count();
            self.shared.with(|resolver, now| resolver.set_name_servers(count, now));
        }
    }

    fn probe(&mut self) {
        let Some(at) = self.probe_at else { return };
        let now = self.shared.with(|_resolver, now| now);
        if now < at {
            return;
        }
        self.probe_at = Some(now.saturating_add(PROBE_INTERVAL));
        let environment = &self.shared.settings.environment;
        // A root name server: an address that any route to the Internet covers.
        let v4: SocketAddr = (Ipv4Addr::new(198, 41, 0, 4), 53).into();
        let v6: SocketAddr = (Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30), 53).into();
        let routes = Routes { v4: environment.has_route(v4), v6: environment.has_route(v6) };
        self.shared.with(|resolver, now| resolver.set_routes(routes, now));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
