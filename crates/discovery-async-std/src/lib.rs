//! Matrix server discovery on async-std, which is discontinued: see `discovery-smol`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(all(feature = "native-roots", feature = "ring"))] {
//! let discovery = discovery_async_std::with_system_roots()?;
//! let resolved = discovery.resolve("matrix.org").await?;
//! println!("{:?}", resolved.socket_addrs().collect::<Vec<_>>());
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! [`with_system_roots`] and [`spawn`] run the driver as a task of the global executor. With a TLS configuration and settings
//! of your own: `spawn(Discovery::builder(tls).policy(policy))`. To decide where the driver runs, [`build`] and [`run`] it, on
//! any executor; nothing is resolved unless it runs. All requests are part of the driver's future: their sockets close with it.
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

mod socket;

use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use discovery_driver::System;

// For this project's tests, so that this crate alone depends on what is discontinued.
#[doc(hidden)]
pub use async_std;
pub use discovery_core::{ErrorKind, Feedback, Policy, ResolveError, Resolved, ServerName};
pub use discovery_driver::{BuildError, Builder, Discovery, Driver, Resolve};
pub use {discovery_core, discovery_driver, discovery_wire};

/// A discovery that trusts the certificate authorities of the operating system, its driver being a task of the global
/// executor.
///
/// # Errors
/// As [`build`]; when there are no certificate authorities.
#[cfg(any(feature = "native-roots", feature = "platform-verifier", feature = "webpki-roots"))]
pub fn with_system_roots() -> Result<Discovery, BuildError> {
    spawn(Builder::with_system_roots()?)
}

/// Builds a discovery, its driver being a task of the global executor.
///
/// # Errors
/// As [`build`].
pub fn spawn(builder: Builder) -> Result<Discovery, BuildError> {
    let (discovery, driver) = build(builder)?;
    catch_unwind(AssertUnwindSafe(|| drop(async_std::task::spawn(run(driver)))))
        .map_err(|_| BuildError::NoRuntime("the executor's threads cannot be started".into()))?;
    Ok(discovery)
}

/// Builds a discovery and the driver that must be [run] for it.
///
/// # Errors
/// When the system gives no randomness, or lacks what the reactor needs: a thread and file descriptors.
pub fn build(builder: Builder) -> Result<(Discovery, Driver), BuildError> {
    start_reactor().map_err(|why| BuildError::NoRuntime(why.into()))?;
    builder.build(System::default())
}

/// Runs a driver until all handles are dropped or the discovery is closed, on any executor.
pub fn run(driver: Driver) -> impl Future<Output = ()> + Send {
    driver.run(socket::run, async_std::task::sleep)
}

/// Starts the reactor of the process. It is started when it is first needed, and panics if it lacks file descriptors; later a
/// lack of them is an error of the socket. So it is started here, once there are some.
fn start_reactor() -> io::Result<()> {
    let spare = (0..SPARE_DESCRIPTORS).map(|_| UdpSocket::bind("127.0.0.1:0"));
    spare.collect::<io::Result<Vec<_>>>()?;
    // A timer is registered when it is polled.
    let registered = catch_unwind(|| {
        let timer = pin!(async_std::task::sleep(Duration::from_secs(1)));
        let _ = timer.poll(&mut Context::from_waker(Waker::noop()));
    });
    registered.map_err(|_| io::Error::other("the reactor cannot be started"))
}

/// More than a reactor takes: one to poll with, one to be woken by, one for timers.
const SPARE_DESCRIPTORS: usize = 8;
