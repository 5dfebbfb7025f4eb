//! What a discovery is made with, and where that comes from when the caller does not say.

use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime};

use discovery_driver::{BuildError, Setup, System, local_address};
use discovery_wire::NoEntropy;
use rustls::ClientConfig;

use crate::{Discovery, Driver};

/// Configures a [`Discovery`].
#[derive(Debug)]
#[must_use = "a builder does nothing before `build` or `spawn`"]
pub struct Builder {
    setup: Setup,
}

const SYSTEM: System = System {
    now: Instant::now,
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
    /// When the system gives no randomness for the seed, or not what the reactor needs: a thread and file descriptors.
    pub fn build(self) -> Result<(Discovery, Driver), BuildError> {
        start_reactor()?;
        let (handle, work) = self.setup.open(SYSTEM)?;
        Ok((Discovery { handle }, Driver::new(work)))
    }

    /// The handle, its driver being a task of the global executor.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn spawn(self) -> Result<Discovery, BuildError> {
        let (discovery, driver) = self.build()?;
        catch_unwind(AssertUnwindSafe(|| drop(async_std::task::spawn(driver))))
            .map_err(|_| BuildError::NoRuntime)?;
        Ok(discovery)
    }
}

/// The reactor of the process is started by whoever needs it first, and panics where it lacks file descriptors; afterwards sockets
/// can only fail in ways that are told. So it is started here, once there are some.
fn start_reactor() -> Result<(), BuildError> {
    let spare = (0..SPARE_DESCRIPTORS).map(|_| UdpSocket::bind("127.0.0.1:0"));
    spare.collect::<Result<Vec<_>, _>>().map_err(|_| BuildError::NoRuntime)?;
    // A timer is registered when it is polled.
    let registered = catch_unwind(|| {
        let _ = crate::sleep(PROMPT).as_mut().poll(&mut Context::from_waker(Waker::noop()));
    });
    registered.map_err(|_| BuildError::NoRuntime)
}

/// More than a reactor takes: one to poll with, one to be woken by, one for timers.
const SPARE_DESCRIPTORS: usize = 8;

/// Any time that has not passed when it is asked for.
const PROMPT: Duration = Duration::from_secs(1);
