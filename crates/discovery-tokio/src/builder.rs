//! What a discovery is made with, and where that comes from when the caller does not say.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use discovery_core::{Config, HttpGet, Policy};
use discovery_wire::{Desk, NameServers, Transport};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::{ConnectTo, Discovery, Driver, FetchFrom, Setting};

/// Configures a [`Discovery`].
#[must_use = "a builder does nothing before `build` or `spawn`"]
pub struct Builder {
    tls: Arc<ClientConfig>,
    policy: Policy,
    seed: Option<u64>,
    name_servers: Option<Vec<SocketAddr>>,
    connect_to: Box<ConnectTo>,
    fetch_from: Option<Box<FetchFrom>>,
    probe: bool,
    clock: Option<Box<Now>>,
}

/// Reads a clock.
type Now = dyn Fn() -> std::time::Instant + Send + Sync;

/// Why there is no discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuildError {
    /// The system gave no randomness.
    NoEntropy,
    /// `spawn` was called outside a tokio runtime.
    NoRuntime,
}

impl Builder {
    pub(crate) fn new(tls: Arc<ClientConfig>) -> Self {
        Self {
            tls,
            policy: Policy::default(),
            seed: None,
            name_servers: None,
            connect_to: Box::new(|address, _| address),
            fetch_from: None,
            probe: true,
            clock: None,
        }
    }

    /// The choices that the specification leaves open.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// From which draws among SRV records derive; otherwise a random one.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The name servers to ask, in this order, at most 255; otherwise the system's, from `/etc/resolv.conf`.
    pub fn name_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.name_servers = Some(servers.into_iter().take(usize::from(u8::MAX)).collect());
        self
    }

    /// Where to connect instead of an address, by TCP or UDP: for laboratories, whose servers have neither the addresses nor
    /// the ports of the real ones. Asked for name servers too. What is looked for in the certificate stays the same.
    pub fn connect_to(
        mut self,
        hook: impl Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync + 'static,
    ) -> Self {
        self.connect_to = Box::new(hook);
        self
    }

    /// Where to fetch a document from instead of the address of its request, by host and port if need be, as
    /// `curl --connect-to` does; [`connect_to`](Self::connect_to) is asked with what this says. The address policy does not
    /// judge it.
    pub fn fetch_from(
        mut self,
        hook: impl Fn(&HttpGet) -> SocketAddr + Send + Sync + 'static,
    ) -> Self {
        self.fetch_from = Some(Box::new(hook));
        self
    }

    /// Whether to find out which address families have a route, so that one without goes last; yes, unless told otherwise.
    /// It sends nothing.
    pub fn probe_routes(mut self, probe: bool) -> Self {
        self.probe = probe;
        self
    }

    /// The clock that lifetimes, patience and deadlines go by, and outcomes are dated by; otherwise tokio's, which stands still
    /// while the machine is suspended. For one that counts this time, too, or one that a simulation moves by hand. It must never go
    /// back, and must not ask the discovery: it is read while the machine is locked.
    ///
    /// Timers stay tokio's. Where this clock has jumped, what became due is done when the driver's timer rings or somebody asks;
    /// at once it is done by `handle().with(|resolver, now| resolver.handle_timeout(now))`.
    pub fn clock(mut self, clock: impl Fn() -> std::time::Instant + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// The handle, and the driver that must be run for it.
    ///
    /// # Errors
    /// When the system gives no randomness for the seed.
    pub fn build(self) -> Result<(Discovery, Driver), BuildError> {
        let name_servers = self.name_servers.unwrap_or_else(system_name_servers);
        let mut config = Config::new(self.policy);
        config.name_servers = u8::try_from(name_servers.len()).unwrap_or(u8::MAX);
        config.seed = match self.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|_| BuildError::NoEntropy)?,
        };
        let (handle, desk) = match self.clock {
            Some(clock) => Desk::new(config, clock),
            None => Desk::new(config, || Instant::now().into_std()),
        };
        let setting = Setting {
            tls: self.tls,
            name_servers,
            connect_to: self.connect_to,
            fetch_from: self.fetch_from,
        };
        Ok((Discovery { handle }, Driver::new(desk, setting, self.probe)))
    }

    /// The handle, its driver being a task of the current runtime.
    ///
    /// # Errors
    /// Outside a tokio runtime, and when the system gives no randomness for the seed.
    pub fn spawn(self) -> Result<Discovery, BuildError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let (discovery, driver) = self.build()?;
        runtime.spawn(driver);
        Ok(discovery)
    }
}

/// The system's name servers. A file that cannot be read is one without name servers: resolv.conf(5) has the one on this
/// machine asked then.
fn system_name_servers() -> Vec<SocketAddr> {
    let text = std::fs::read("/etc/resolv.conf").unwrap_or_default();
    NameServers::from_resolv_conf(&text).addresses
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("policy", &self.policy)
            .field("name_servers", &self.name_servers)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEntropy => "the system gave no randomness",
            Self::NoRuntime => "there is no tokio runtime here",
        })
    }
}

impl std::error::Error for BuildError {}
