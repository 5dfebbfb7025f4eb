//! The driver's side with all that requests need: jobs instead of requests, and the routes of the machine.
//!
//! Knows which addresses tell whether there is a route, and how often to look; opens no socket itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use discovery_core::{Instant, Request, RequestId, Routes};
use discovery_wire::NameServers;

use crate::desk::{Desk, Order};
use crate::job::{Job, Setting};
use crate::setup::System;

/// How long the routes found are believed.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// How often `resolv.conf` is looked at, at most: as often as glibc does.
const RESOLV_CONF_INTERVAL: Duration = Duration::from_secs(5);

/// The driver's side of a machine that was [opened](crate::Setup::open): a [`Desk`] that hands out jobs.
pub struct Work {
    desk: Desk,
    setting: Arc<Setting>,
    /// The name servers: requests name them by their place in this list.
    name_servers: Vec<SocketAddr>,
    /// Where they come from; none where the caller has named them.
    resolv_conf: Option<ResolvConf>,
    /// When to look again which families have a route; none where the caller knows better.
    probe_at: Option<Instant>,
}

/// What the driver is to do next.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is handed over at once, never kept")]
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
    pub(crate) fn new(
        desk: Desk,
        setting: Setting,
        name_servers: Vec<SocketAddr>,
        resolv_conf: Option<ResolvConf>,
        probe: bool,
    ) -> Self {
        let (setting, probe_at) = (Arc::new(setting), probe.then_some(Instant::ORIGIN));
        Self { desk, setting, name_servers, resolv_conf, probe_at }
    }

    /// What is to be done next. Pending where there is nothing: the task is woken when there is, and when the time that is left has
    /// changed.
    ///
    /// Where the name servers are the system's, `resolv.conf` is read again before a DNS request goes out, every five seconds at
    /// most. Requests that are under way stay with the server that they were sent to. A file that can't be read any more, or is
    /// empty, changes nothing.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Todo> {
        loop {
            let mut request = match self.desk.poll(cx) {
                Poll::Ready(Order::Start(request)) => request,
                Poll::Ready(Order::Stop(id)) => return Poll::Ready(Todo::Stop(id)),
                Poll::Ready(Order::End) => return Poll::Ready(Todo::End),
                Poll::Pending => return Poll::Pending,
            };
            self.probe();
            if let Request::Dns(question) = &mut request {
                self.look_for_name_servers();
                // The request was made for the servers of before, if there are others now.
                let server = usize::from(question.server).checked_rem(self.name_servers.len());
                question.server = server.and_then(|at| u8::try_from(at).ok()).unwrap_or_default();
            }
            let report = self.desk.report(request.id());
            // The caller's hooks may panic: then the report is dropped, which tells so, and nothing else with it.
            let (setting, servers) = (&self.setting, &self.name_servers);
            let job =
                catch_unwind(AssertUnwindSafe(|| Job::new(request, report, setting, servers)));
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

    /// Takes in name servers that the caller has set, or that `resolv.conf` names by now.
    fn look_for_name_servers(&mut self) {
        if let Some(servers) = self.desk.take_name_servers() {
            self.name_servers = servers;
            self.resolv_conf = None;
        }
        let Some(file) = &mut self.resolv_conf else { return };
        let now = self.desk.with(|_resolver, now| now);
        if let Some(servers) = file.look(now, &self.setting.system)
            && servers != self.name_servers
        {
            let count = u8::try_from(servers.len()).unwrap_or(u8::MAX);
            self.name_servers = servers;
            self.desk.with(|resolver, now| resolver.set_name_servers(count, now));
        }
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

/// The system's list of name servers: when to read it again.
pub(crate) struct ResolvConf {
    look_at: Instant,
}

impl ResolvConf {
    /// Reads the file for the first time; gives the name servers, too. Whether they are asked over TCP alone is settled then: what the
    /// file says of that later is not followed.
    pub(crate) fn read(system: &System) -> (Self, NameServers) {
        let text = (system.resolv_conf)();
        let servers = NameServers::from_resolv_conf(&text, system.interface_index);
        (Self { look_at: Instant::ORIGIN + RESOLV_CONF_INTERVAL }, servers)
    }

    /// Reads the file again where it is time to.
    fn look(&mut self, now: Instant, system: &System) -> Option<Vec<SocketAddr>> {
        if now < self.look_at {
            return None;
        }
        self.look_at = now + RESOLV_CONF_INTERVAL;
        let text = (system.resolv_conf)();
        // A file that is missing or empty is about to be written, as a rule.
        let is_there = !text.is_empty();
        is_there.then(|| NameServers::from_resolv_conf(&text, system.interface_index).addresses)
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
