//! The settings of a client, through which the kit observes it.
//!
//! Whatever a driver does it reads the clock for, and where it connects it asks: so its threads are known, and how often it was
//! awake. Knows nothing of what is tried.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use discovery_core::{HttpGet, Policy, Routes};
use discovery_wire::Transport;
use rustls::ClientConfig;

use super::probe::Probe;
use crate::lab::Lab;

/// Says where to connect instead of an address.
pub type ConnectTo = Box<dyn Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync>;

/// Says where to fetch a document from instead of its address.
pub type FetchFrom = Box<dyn Fn(&HttpGet) -> SocketAddr + Send + Sync>;

/// Reads the clock that everything goes by.
pub type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// The settings of a client.
#[non_exhaustive]
pub struct Setup {
    /// Whom to trust.
    pub tls: Arc<ClientConfig>,
    /// The policy.
    pub policy: Policy,
    /// The seed.
    pub seed: u64,
    /// The name servers, in order.
    pub name_servers: Vec<SocketAddr>,
    /// Which families have a route: these, whatever the system says. A driver that looks by itself is told not to.
    pub routes: Routes,
    /// To be asked whenever a socket is opened, for a name server's too.
    pub connect_to: ConnectTo,
    /// To be asked once for each GET, before [`connect_to`](Self::connect_to).
    pub fetch_from: FetchFrom,
    /// The clock of the machine. It need not go as the system's does.
    pub clock: Clock,
    pub(super) probe: Arc<Probe>,
}

impl Setup {
    /// What a client needs that goes by the system's clock: whom to trust, the name servers, and where to connect instead.
    pub fn new(
        tls: Arc<ClientConfig>,
        name_servers: Vec<SocketAddr>,
        connect_to: impl Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync + 'static,
    ) -> Self {
        let probe = Arc::new(Probe::everywhere());
        Self::watched(tls, name_servers, connect_to, Instant::now, probe)
    }

    /// The settings for a client of this lab.
    pub(super) fn for_lab(
        lab: &Lab,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
        probe: Arc<Probe>,
    ) -> Self {
        let servers = lab.dns_servers().to_vec();
        Self::watched(lab.client_config(), servers, lab.connector(), clock, probe)
    }

    fn watched(
        tls: Arc<ClientConfig>,
        name_servers: Vec<SocketAddr>,
        connect_to: impl Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync + 'static,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
        probe: Arc<Probe>,
    ) -> Self {
        let (to, from, at) = (Arc::clone(&probe), Arc::clone(&probe), Arc::clone(&probe));
        Self {
            tls,
            policy: Policy::default(),
            seed: 0,
            name_servers,
            routes: Routes::default(),
            connect_to: Box::new(move |place, transport| {
                to.opened();
                connect_to(place, transport)
            }),
            fetch_from: Box::new(move |get| {
                from.seen();
                get.address
            }),
            clock: Box::new(move || {
                at.seen();
                clock()
            }),
            probe,
        }
    }

    /// Tells of each GET that is begun.
    pub(super) fn on_fetch(&mut self, tell: impl Fn(&HttpGet) + Send + Sync + 'static) {
        let before = std::mem::replace(&mut self.fetch_from, Box::new(|get| get.address));
        self.fetch_from = Box::new(move |get| {
            tell(get);
            before(get)
        });
    }

    /// The builder of a discovery with these settings, which does not probe for routes.
    pub fn into_builder(self) -> discovery_driver::Builder {
        discovery_driver::Builder::new(self.tls)
            .policy(self.policy)
            .seed(self.seed)
            .name_servers(self.name_servers)
            .connect_to(self.connect_to)
            .fetch_from(self.fetch_from)
            .clock(self.clock)
            .probe_routes(false)
    }

    /// For who has a driver whose polls can be counted.
    pub fn watcher(&self) -> Watcher {
        Watcher(Arc::clone(&self.probe))
    }
}

/// Counts polls of a driver.
#[derive(Clone)]
pub struct Watcher(Arc<Probe>);

impl Watcher {
    /// The driver itself, with its polls counted.
    pub fn watched<F>(&self, driver: F) -> Watched<F> {
        Watched { driver: Box::pin(driver), probe: Arc::clone(&self.0) }
    }
}

/// A driver whose polls are counted.
pub struct Watched<F> {
    driver: Pin<Box<F>>,
    probe: Arc<Probe>,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.probe.polled();
        self.driver.as_mut().poll(cx)
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("policy", &self.policy)
            .field("seed", &self.seed)
            .field("name_servers", &self.name_servers)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Watched<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}
