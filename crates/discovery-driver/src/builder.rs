//! The settings of a discovery, with their defaults.
//!
//! Reads no file, no clock and no socket: see [`Environment`].

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant as StdInstant;

use discovery_core::{Config, DnsTransport, HashKey, HttpGet, Policy};
use discovery_wire::{NoEntropy, Transport};
use rustls::ClientConfig;

use crate::discovery::Discovery;
use crate::driver::Driver;
use crate::environment::Environment;
use crate::name_servers::NameServerList;
use crate::shared::{ConnectTo, FetchFrom, Now, Settings, Shared};

/// Most name servers: requests refer to them by a number of one byte.
const MAX_NAME_SERVERS: usize = u8::MAX as usize;

/// Configures a [`Discovery`].
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    tls: Arc<ClientConfig>,
    policy: Policy,
    seed: Option<u64>,
    name_servers: Option<Vec<SocketAddr>>,
    connect_to: Option<Box<ConnectTo>>,
    fetch_from: Option<Box<FetchFrom>>,
    probe: bool,
    clock: Option<Box<Now>>,
}

/// Why a discovery could not be built or started. The cause is its [source](Error::source).
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The operating system gave no randomness.
    NoEntropy(NoEntropy),
    /// There is no runtime here, or the system gives it no threads or file descriptors.
    NoRuntime(Box<dyn Error + Send + Sync>),
    /// There are no certificate authorities to trust, or the TLS provider cannot be used.
    NoTls(Box<dyn Error + Send + Sync>),
}

impl Builder {
    /// The default settings. `tls` decides which certificate authorities are trusted; see [`discovery_wire::client_config`].
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

    /// The default settings, with a TLS configuration that trusts the certificate authorities of the operating system. Needs
    /// one of the features `platform-verifier`, `native-roots` and `webpki-roots`, the first of which that is enabled decides,
    /// and one of the providers `graviola`, `aws-lc-rs` and `ring`, likewise.
    ///
    /// # Errors
    /// [`BuildError::NoTls`] if the system has no certificate authorities.
    #[cfg(any(feature = "native-roots", feature = "platform-verifier", feature = "webpki-roots"))]
    pub fn with_system_roots() -> Result<Self, BuildError> {
        crate::trust::config().map(|tls| Self::new(Arc::new(tls)))
    }

    /// The choices that the specification leaves open. Default: [`Policy::default`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The seed of draws among SRV records and of jitter. Default: a random one.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The name servers to ask, in this order, at most 255. Default: those of `/etc/resolv.conf`, which is read again when it
    /// has changed; if it cannot be read, the name server on this machine (resolv.conf(5)). A link-local address needs its
    /// zone (`SocketAddrV6::scope_id`).
    pub fn name_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.name_servers = Some(limited(servers));
        self
    }

    /// A function that replaces the address of a connection, by TCP or UDP, including those to name servers. For test
    /// environments, whose servers have neither the addresses nor the ports of the real ones. The certificate must still be
    /// valid for the original name. The address policy does not apply to the result.
    pub fn connect_to(
        mut self,
        hook: impl Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync + 'static,
    ) -> Self {
        self.connect_to = Some(Box::new(hook));
        self
    }

    /// A function that replaces the address from which a document is fetched, as `curl --connect-to` does.
    /// [`connect_to`](Self::connect_to) is applied to its result. The address policy does not apply to the result.
    pub fn fetch_from(
        mut self,
        hook: impl Fn(&HttpGet) -> SocketAddr + Send + Sync + 'static,
    ) -> Self {
        self.fetch_from = Some(Box::new(hook));
        self
    }

    /// Whether to find out which address families have a route, so that addresses of a family without one come last. It sends
    /// nothing. Default: true.
    pub fn probe_routes(mut self, probe: bool) -> Self {
        self.probe = probe;
        self
    }

    /// The clock of lifetimes, timeouts and the dates of outcomes. Default: [`Environment::now`], which on most systems stands
    /// still while the machine is suspended. For a clock that counts this time, too, or one that a test controls. It must
    /// never go back, and must not call the discovery: it is read while the resolver is locked.
    ///
    /// Timers remain those of the runtime. After a jump of this clock, due timeouts are handled when the driver's timer fires
    /// or a caller calls the discovery; [`Discovery::handle_timeout`] handles them at once. A jump to more than a second beyond
    /// the next timeout counts as a pause of the process: timeouts are extended by it, lifetimes are not.
    pub fn clock(mut self, clock: impl Fn() -> StdInstant + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// A discovery, and the driver that must be run for it. Adapters have a `build` that brings the environment along.
    ///
    /// # Errors
    /// [`BuildError::NoEntropy`] if the environment gives no randomness for the seed.
    pub fn build(
        self,
        environment: impl Environment + 'static,
    ) -> Result<(Discovery, Driver), BuildError> {
        let mut config = Config::new(self.policy);
        let name_servers = match self.name_servers {
            Some(servers) => NameServerList::fixed(servers),
            None => {
                let (list, tcp_only) = NameServerList::of_system(&environment);
                if tcp_only {
                    config.policy.dns.transport = DnsTransport::Tcp;
                }
                list
            }
        };
        config.name_servers = name_servers.count();
        // Without entropy the key remains the one that the core derives from the standard library's.
        let mut hash_key = [0; 16];
        if environment.fill_random(&mut hash_key).is_ok() {
            config.hash_key = HashKey::new(hash_key);
        }
        config.seed = match self.seed {
            Some(seed) => seed,
            None => {
                let mut seed = [0; 8];
                environment.fill_random(&mut seed).map_err(BuildError::NoEntropy)?;
                u64::from_ne_bytes(seed)
            }
        };
        let shared = Arc::new(Shared::new(
            config,
            Settings {
                tls: self.tls,
                connect_to: self.connect_to,
                fetch_from: self.fetch_from,
                environment: Box::new(environment),
                clock: self.clock,
            },
        ));
        Ok((
            Discovery { shared: Arc::clone(&shared) },
            Driver::new(shared, name_servers, self.probe),
        ))
    }
}

/// As many name servers as can be numbered.
pub(crate) fn limited(servers: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    servers.into_iter().take(MAX_NAME_SERVERS).collect()
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
        match self {
            Self::NoEntropy(_) => f.write_str("the operating system gave no randomness"),
            Self::NoRuntime(why) => write!(f, "the runtime is missing or out of resources: {why}"),
            Self::NoTls(why) => write!(f, "TLS cannot be set up: {why}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::NoEntropy(why) => why,
            Self::NoRuntime(why) | Self::NoTls(why) => &**why,
        })
    }
}
