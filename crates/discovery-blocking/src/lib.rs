//! Matrix server discovery by blocking calls: threads and blocking sockets, no runtime.
//!
//! ```no_run
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(all(feature = "native-roots", feature = "ring"))] {
//! let discovery = discovery_blocking::with_system_roots()?;
//! let resolved = discovery.resolve("matrix.org").wait()?;
//! println!("{:?}", resolved.socket_addrs().collect::<Vec<_>>());
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! [`with_system_roots`] and [`spawn`] run the driver on a thread of its own. With a TLS configuration and settings of your
//! own: `spawn(Discovery::builder(tls).policy(policy))`. To decide where the driver runs, [`build`] and [`run`] it; nothing is
//! resolved unless it runs.
//!
//! All types are those of [`discovery_driver`]: they are the same on every runtime, and [`Resolve`] is a future as well.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an adapter reads the clocks, opens the sockets and starts the threads that the others must not"
)]

#[cfg(all(doctest, feature = "native-roots"))]
#[doc = include_str!("../README.md")]
mod readme {}

mod driver;
mod pool;
mod socket;

use std::thread;

use discovery_driver::System;

pub use discovery_core::{ErrorKind, Feedback, Policy, ResolveError, Resolved, ServerName};
pub use discovery_driver::{BuildError, Builder, Discovery, Driver, Resolve};
pub use driver::run;
pub use {discovery_core, discovery_driver, discovery_wire};

/// A discovery that trusts the certificate authorities of the operating system, its driver running on a thread of its own.
///
/// # Errors
/// When there are no certificate authorities, no thread, or no randomness.
#[cfg(any(feature = "native-roots", feature = "platform-verifier", feature = "webpki-roots"))]
pub fn with_system_roots() -> Result<Discovery, BuildError> {
    spawn(Builder::with_system_roots()?)
}

/// Builds a discovery, its driver running on a thread of its own.
///
/// # Errors
/// When the system gives no thread or no randomness.
pub fn spawn(builder: Builder) -> Result<Discovery, BuildError> {
    let (discovery, driver) = build(builder)?;
    let thread = thread::Builder::new().name("discovery".to_owned());
    thread.spawn(|| run(driver)).map_err(|why| BuildError::NoRuntime(why.into()))?;
    Ok(discovery)
}

/// Builds a discovery and the driver that must be [run] for it.
///
/// # Errors
/// When the system gives no randomness.
pub fn build(builder: Builder) -> Result<(Discovery, Driver), BuildError> {
    builder.build(System::default())
}
