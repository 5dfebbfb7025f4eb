//! The driver's side with all that requests need: jobs instead of requests, and the routes of the machine.
//!
//! Knows which addresses tell whether there is a route, and how often to look; opens no socket itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use discovery_core::{Instant, RequestId, Routes};

use crate::desk::{Desk, Order};
use crate::job::{Job, Setting};

/// How long the routes found are believed.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// The driver's side of a machine that was [opened](crate::Setup::open): a [`Desk`] that hands out jobs.
pub struct Work {
    desk: Desk,
    setting: Arc<Setting>,
    /// When to look again which families have a route; none where the caller knows better.
    probe_at: Option<Instant>,
}

/// What the driver is to do next.
#[derive(Debug)]
pub enum Todo {
    /// Start this.
    Start(Job),
    /// Nobody waits for this any more: stop it, close its socket.
    Stop(RequestId),
    /// All handles are gone, or one of them has closed: end.
    End,
}

/// What a datagram socket that is to be connected to this address is bound to: any port of any address of its family.
pub const fn local_address(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::V6(_) => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    }
}

impl Work {
    pub(crate) fn new(desk: Desk, setting: Setting, probe: bool) -> Self {
        Self { desk, setting: Arc::new(setting), probe_at: probe.then_some(Instant::ORIGIN) }
    }

    /// What is to be done next. Pending where there is nothing: the task is woken when there is, and when the time that is left has
    /// changed.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Todo> {
        loop {
            let request = match self.desk.poll(cx) {
                Poll::Ready(Order::Start(request)) => request,
                Poll::Ready(Order::Stop(id)) => return Poll::Ready(Todo::Stop(id)),
                Poll::Ready(Order::End) => return Poll::Ready(Todo::End),
                Poll::Pending => return Poll::Pending,
            };
            self.probe();
            let report = self.desk.report(request.id());
            // The caller's hooks may panic: then the report is dropped, which tells so, and nothing else with it.
            let job = catch_unwind(AssertUnwindSafe(|| Job::new(request, report, &self.setting)));
            if let Ok(Some(job)) = job {
                return Poll::Ready(Todo::Start(job));
            }
        }
    }

    /// See [`Desk::time_left`].
    pub fn time_left(&self) -> Option<Duration> {
        self.desk.time_left()
    }

    /// See [`Desk::handle_timeout`].
    pub fn handle_timeout(&self) {
        self.desk.handle_timeout();
    }

    /// See [`Desk::close`].
    pub fn close(&mut self) {
        self.desk.close();
    }

    fn probe(&mut self) {
        let Some(at) = self.probe_at else { return };
        let now = self.desk.with(|_resolver, now| now);
        if now < at {
            return;
        }
        self.probe_at = Some(now.saturating_add(PROBE_INTERVAL));
        let reaches = self.setting.system.reaches;
        // A root name server: an address that any route to the outside covers.
        let v4: SocketAddr = (Ipv4Addr::new(198, 41, 0, 4), 53).into();
        let v6: SocketAddr = (Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30), 53).into();
        let routes = Routes { v4: reaches(v4), v6: reaches(v6) };
        self.desk.with(|resolver, now| resolver.set_routes(routes, now));
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
