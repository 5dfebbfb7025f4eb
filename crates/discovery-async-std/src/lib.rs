//! Matrix server discovery on async-std.
//!
//! Moves bytes and nothing more: what to ask is the core's, how it is spoken is the wire's.
//!
//! ```no_run
//! # async fn example(tls: std::sync::Arc<rustls::ClientConfig>) -> Result<(), Box<dyn std::error::Error>> {
//! use discovery_async_std::Discovery;
//!
//! let discovery = Discovery::builder(tls).spawn()?;
//! match &*discovery.resolve(&"matrix.org".parse()?).await {
//!     Ok(resolved) => println!("{:?}", resolved.socket_addrs().collect::<Vec<_>>()),
//!     Err(failed) => println!("{failed}"),
//! }
//! # Ok(())
//! # }
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an adapter reads the clocks and opens the sockets that the others must not"
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod builder;
mod socket;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use discovery_core::{Outcome, ServerName};
use discovery_driver::{Alarm, Handle, Running, Todo, Waiting, Work};
use rustls::ClientConfig;

// For this project's tests, so that this crate alone depends on what is discontinued.
#[doc(hidden)]
pub use async_std;
pub use builder::Builder;
pub use discovery_core;
pub use discovery_driver;
pub use discovery_driver::BuildError;
pub use discovery_wire;

/// Asks for server names. Cheap to clone; the [`Driver`] ends when the last clone, and the last future of an outcome, is
/// dropped.
#[derive(Clone, Debug)]
pub struct Discovery {
    handle: Handle,
}

impl Discovery {
    /// Starts to configure. Which authorities are trusted is up to `tls`.
    pub fn builder(tls: Arc<ClientConfig>) -> Builder {
        Builder::new(tls)
    }

    /// Where a server name leads. An answer that is known already is there at once; dropping the future abandons the lookup,
    /// unless others wait for the same name.
    ///
    /// Without a running driver the outcome is a failure of kind [`Local`](discovery_core::ErrorKind::Local): at once where it
    /// has been dropped, after [`DRIVER_PATIENCE`](discovery_driver::DRIVER_PATIENCE) where nobody runs it.
    pub fn resolve(&self, name: &ServerName) -> Resolving {
        Resolving { waiting: self.handle.resolve(name), check: None }
    }

    discovery_driver::discovery_methods!();
}

/// The outcome of one lookup, some time.
pub struct Resolving {
    waiting: Waiting,
    /// When to look whether the driver is alive.
    check: Option<Sleep>,
}

impl Future for Resolving {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        this.waiting.poll_checked(cx, &mut this.check, |patience| Some(sleep(patience)))
    }
}

/// Does what the lookups need: a future that ends when nobody can ask any more. It may be polled by any executor; all requests
/// run on its task, so their sockets close with it.
#[must_use = "nothing is resolved unless the driver runs"]
pub struct Driver {
    work: Work,
    running: Running,
    alarm: Alarm<Sleep>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            this.running.poll(cx);
            match this.work.poll(cx) {
                Poll::Ready(Todo::Start(job)) => {
                    this.running.start(job.id(), Box::pin(socket::run(job)));
                }
                Poll::Ready(Todo::Stop(id)) => this.running.stop(id),
                Poll::Ready(Todo::End) => return Poll::Ready(()),
                Poll::Pending => {
                    let left = this.work.time_left();
                    ready!(this.alarm.poll(cx, left, Instant::now(), sleep));
                    this.work.handle_timeout();
                }
            }
        }
    }
}

impl Driver {
    fn new(work: Work) -> Self {
        Self { work, running: Running::default(), alarm: Alarm::default() }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

/// A timer of async-std, whose type has no name.
type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

fn sleep(duration: Duration) -> Sleep {
    Box::pin(async_std::task::sleep(duration))
}

impl fmt::Debug for Resolving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolving").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
