//! What a discovery is made with, and what an adapter adds of the outside.
//!
//! Reads no file, no clock and no socket: the system enters as functions.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant as StdInstant, SystemTime};

use discovery_core::{Config, DnsTransport, HashKey, HttpGet, Policy};
use discovery_wire::{NoEntropy, Transport};
use rustls::ClientConfig;

use crate::desk::Desk;
use crate::handle::Handle;
use crate::job::Setting;
use crate::shared::Now;
use crate::work::{ResolvConf, Work};

/// Most name servers: requests name them by numbers of one byte.
pub(crate) const MAX_NAME_SERVERS: usize = u8::MAX as usize;

/// Says where to connect instead.
pub(crate) type ConnectTo = dyn Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync;

/// Says where to fetch a document from instead.
pub(crate) type FetchFrom = dyn Fn(&HttpGet) -> SocketAddr + Send + Sync;

/// What every adapter's builder holds: [`builder_methods!`](crate::builder_methods) gives it its methods.
#[must_use = "settings do nothing before they are opened"]
pub struct Setup {
    tls: Arc<ClientConfig>,
    policy: Policy,
    seed: Option<u64>,
    name_servers: Option<Vec<SocketAddr>>,
    connect_to: Option<Box<ConnectTo>>,
    fetch_from: Option<Box<FetchFrom>>,
    probe: bool,
    clock: Option<Box<Now>>,
}

/// What only the outside can tell, and an adapter must bring.
#[derive(Clone, Copy, Debug)]
pub struct System {
    /// The clock that everything goes by, unless the caller brings one.
    pub now: fn() -> StdInstant,
    /// The wall clock: responses carry the time at which they came.
    pub wall_clock: fn() -> SystemTime,
    /// Fills in unguessable bytes.
    pub entropy: fn(&mut [u8]) -> Result<(), NoEntropy>,
    /// Reads `/etc/resolv.conf`; nothing where it cannot be read. Called when a discovery is made, and again while it runs: see
    /// [`Work::poll`].
    pub resolv_conf: fn() -> Vec<u8>,
    /// The number of a network interface by its name, as if_nametoindex(3) gives it; none where there is no such interface. For
    /// name servers on a link (`fe80::1%eth0`).
    pub interface_index: fn(&str) -> Option<u32>,
    /// Whether there is a route to this address: whether a datagram socket connects to it, which sends nothing.
    pub reaches: fn(SocketAddr) -> bool,
}

/// Why there is no discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuildError {
    /// The system gave no randomness.
    NoEntropy,
    /// There is no runtime here, or what it needs could not be had: threads, file descriptors.
    NoRuntime,
}

impl Setup {
    /// The defaults. Which authorities are trusted is up to `tls`.
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self {
            tls,
            policy: Policy::default(),
            seed: None,
            name_servers: None,
            connect_to: None,
            fetch_from: None,
            probe: true,
            clock: None,
        }
    }

    /// The choices that the specification leaves open.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// The choices so far.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// From which draws among SRV records derive.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = Some(seed);
    }

    /// The name servers to ask, in this order, at most 255. `resolv.conf` is then never read.
    pub fn set_name_servers(&mut self, servers: impl IntoIterator<Item = SocketAddr>) {
        self.name_servers = Some(servers.into_iter().take(MAX_NAME_SERVERS).collect());
    }

    /// Where to connect instead of an address.
    pub fn set_connect_to(
        &mut self,
        hook: impl Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync + 'static,
    ) {
        self.connect_to = Some(Box::new(hook));
    }

    /// Where to fetch a document from instead of the address of its request.
    pub fn set_fetch_from(
        &mut self,
        hook: impl Fn(&HttpGet) -> SocketAddr + Send + Sync + 'static,
    ) {
        self.fetch_from = Some(Box::new(hook));
    }

    /// Whether to find out which address families have a route.
    pub fn set_probe_routes(&mut self, probe: bool) {
        self.probe = probe;
    }

    /// The clock that everything goes by.
    pub fn set_clock(&mut self, clock: impl Fn() -> StdInstant + Send + Sync + 'static) {
        self.clock = Some(Box::new(clock));
    }

    /// Both sides of a machine with these settings. What the caller has not set comes from the system: the seed from its entropy,
    /// the name servers from its `resolv.conf`.
    ///
    /// # Errors
    /// When the system gives no randomness for the seed.
    pub fn open(self, system: System) -> Result<(Handle, Work), BuildError> {
        let mut config = Config::new(self.policy);
        let (name_servers, resolv_conf) = match self.name_servers {
            Some(servers) => (servers, None),
            None => {
                let (file, found) = ResolvConf::read(&system);
                if found.tcp_only {
                    config.policy.dns_transport = DnsTransport::Tcp;
                }
                (found.addresses, Some(file))
            }
        };
        config.name_servers = u8::try_from(name_servers.len()).unwrap_or(u8::MAX);
        // Without entropy the key stays the one that the core derives from the standard library's.
        let mut hash_key = [0; 16];
        if (system.entropy)(&mut hash_key).is_ok() {
            config.hash_key = HashKey::new(hash_key);
        }
        config.seed = match self.seed {
            Some(seed) => seed,
            None => {
                let mut seed = [0; 8];
                (system.entropy)(&mut seed).map_err(|NoEntropy| BuildError::NoEntropy)?;
                u64::from_ne_bytes(seed)
            }
        };
        let (handle, desk) = match self.clock {
            Some(clock) => Desk::new(config, clock),
            None => Desk::new(config, system.now),
        };
        let setting = Setting {
            tls: self.tls,
            connect_to: self.connect_to,
            fetch_from: self.fetch_from,
            system,
        };
        Ok((handle, Work::new(desk, setting, name_servers, resolv_conf, self.probe)))
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("policy", &self.policy)
            .field("name_servers", &self.name_servers)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEntropy => "the system gave no randomness",
            Self::NoRuntime => "there is no runtime here, or not what it needs",
        })
    }
}

impl std::error::Error for BuildError {}
