//! What a discovery is made with, and where that comes from when the caller does not say.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::SystemTime;

use discovery_driver::{BuildError, Setup, System, local_address};
use discovery_wire::NoEntropy;
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::{Discovery, Driver};

/// Configures a [`Discovery`].
#[derive(Debug)]
#[must_use = "a builder does nothing before `build` or `spawn`"]
pub struct Builder {
    setup: Setup,
}

const SYSTEM: System = System {
    now: || Instant::now().into_std(),
    wall_clock: SystemTime::now,
    entropy: |bytes| getrandom::fill(bytes).map_err(|_| NoEntropy),
    resolv_conf: || std::fs::read("/etc/resolv.conf").unwrap_or_default(),
    interface_index,
    reaches: |address| {
        UdpSocket::bind(local_address(address)).and_then(|socket| socket.connect(address)).is_ok()
    },
};

/// The number of a network interface, by its name.
#[cfg(unix)]
fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// As above, where interfaces go by number alone.
#[cfg(not(unix))]
fn interface_index(_name: &str) -> Option<u32> {
    None
}

/// A builder with settings that were made elsewhere, for programs with several adapters.
impl From<Setup> for Builder {
    fn from(setup: Setup) -> Self {
        Self { setup }
    }
}

impl Builder {
    pub(crate) fn new(tls: Arc<ClientConfig>) -> Self {
        Self { setup: Setup::new(tls) }
    }

    discovery_driver::builder_methods!();

    /// The handle, and the driver that must be run for it.
    ///
    /// # Errors
    /// When the system gives no randomness for the seed.
    pub fn build(self) -> Result<(Discovery, Driver), BuildError> {
        let (handle, work) = self.setup.open(SYSTEM)?;
        Ok((Discovery { handle }, Driver::new(work)))
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
