//! Matrix server discovery on tokio.
//!
//! ```no_run
//! # #[cfg(all(feature = "native-roots", feature = "ring"))]
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let discovery = discovery_tokio::with_system_roots()?;
//!     let resolved = discovery.resolve("matrix.org").await?;
//!     for address in resolved.socket_addrs() {
//!         println!("connect to {address}, Host: {}", resolved.host_header_str());
//!     }
//!     Ok(())
//! }
//! # #[cfg(not(all(feature = "native-roots", feature = "ring")))]
//! # fn main() {}
//! ```
//!
//! [`with_system_roots`] and [`spawn`] run the driver as a task of the current runtime. With a TLS configuration and settings
//! of your own: `spawn(Discovery::builder(tls).policy(policy))`. To decide where the driver runs, [`build`] and [`run`] it;
//! nothing is resolved unless it runs. Requests are tasks of the runtime, which end with the driver.
//!
//! The runtime needs I/O and time (`enable_all`), as that of `#[tokio::main]` has.
//!
//! All types are those of [`discovery_driver`]: they are the same on every runtime, and so is [`Resolve`], which any executor
//! can poll.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an adapter reads the clocks and opens the sockets that the others must not"
)]

#[cfg(all(doctest, feature = "native-roots"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(feature = "hickory")]
pub mod hickory;
mod socket;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use discovery_driver::{RequestTask, System};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep};

pub use discovery_core::{ErrorKind, Feedback, Policy, ResolveError, Resolved, ServerName};
pub use discovery_driver::{BuildError, Builder, Discovery, Driver, Resolve};
pub use {discovery_core, discovery_driver, discovery_wire};

/// A discovery that trusts the certificate authorities of the operating system, its driver being a task of the current
/// runtime.
///
/// # Errors
/// Outside a tokio runtime; when there are no certificate authorities; when the system gives no randomness.
///
/// # Panics
/// The driver's task panics on a runtime without I/O and time: build the runtime with `enable_all`. Lookups then fail with a local
/// error.
#[cfg(any(feature = "native-roots", feature = "platform-verifier", feature = "webpki-roots"))]
pub fn with_system_roots() -> Result<Discovery, BuildError> {
    spawn(Builder::with_system_roots()?)
}

/// Builds a discovery, its driver being a task of the current runtime.
///
/// # Errors
/// Outside a tokio runtime, and when the system gives no randomness.
///
/// # Panics
/// The driver's task panics on a runtime without I/O and time: build the runtime with `enable_all`. Lookups then fail with a local
/// error.
pub fn spawn(builder: Builder) -> Result<Discovery, BuildError> {
    let runtime = Handle::try_current().map_err(|why| BuildError::NoRuntime(why.into()))?;
    let (discovery, driver) = build(builder)?;
    runtime.spawn(run(driver));
    Ok(discovery)
}

/// Builds a discovery and the driver that must be [run] for it. Their clock is tokio's, which tests can pause, unless the
/// builder has another.
///
/// # Errors
/// When the system gives no randomness.
pub fn build(builder: Builder) -> Result<(Discovery, Driver), BuildError> {
    builder.build(System::with_clock(|| Instant::now().into_std()))
}

/// Runs a driver until all handles are dropped or the discovery is closed. Outside a tokio runtime it ends at once, and waiting lookups
/// fail with a local error.
///
/// # Panics
/// On a runtime without I/O and time: build the runtime with `enable_all`.
pub async fn run(driver: Driver) {
    run_with(driver, socket::run).await;
}

async fn run_with<F: Future<Output = ()> + Send + 'static>(
    driver: Driver,
    mut carry_out: impl FnMut(RequestTask) -> F,
) {
    let mut running = pin!(driver.run(|task| spawned(carry_out(task)), sleep));
    poll_fn(|cx| match Handle::try_current() {
        Ok(_) => running.as_mut().poll(cx),
        Err(_) => Poll::Ready(()),
    })
    .await;
}

/// Starts a task of the runtime; the future ends with it. Dropping the future aborts it, and closes its socket.
fn spawned(future: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> {
    let task = tokio::spawn(future);
    let abort = AbortOnDrop(task.abort_handle());
    async move {
        let _abort = abort;
        // Seeing the end of a task counts against tokio's cooperative budget, starting one does not: within the budget the
        // number of ended tasks would grow by whatever ends faster than 128 tasks a poll. A task that panics has said so.
        let _ = unconstrained(task).await;
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
