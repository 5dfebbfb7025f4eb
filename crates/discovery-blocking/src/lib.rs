//! Matrix server discovery by blocking calls: threads and blocking sockets, no runtime.
//!
//! Moves bytes and nothing more: what to ask is the core's, how it is spoken is the wire's.
//!
//! ```no_run
//! # fn example(tls: std::sync::Arc<rustls::ClientConfig>) -> Result<(), Box<dyn std::error::Error>> {
//! use discovery_blocking::Discovery;
//!
//! let discovery = Discovery::builder(tls).spawn()?;
//! match &*discovery.resolve(&"matrix.org".parse()?) {
//!     Ok(resolved) => println!("{:?}", resolved.socket_addrs().collect::<Vec<_>>()),
//!     Err(failed) => println!("{failed}"),
//! }
//! # Ok(())
//! # }
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an adapter reads the clocks, opens the sockets and starts the threads that the others must not"
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod builder;
mod driver;
mod pool;
mod socket;

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use discovery_core::{Outcome, ServerName};
use discovery_driver::{DRIVER_PATIENCE, Handle, Waiting};
use rustls::ClientConfig;

pub use builder::Builder;
pub use discovery_core;
pub use discovery_driver;
pub use discovery_driver::BuildError;
pub use discovery_wire;
pub use driver::Driver;

/// Asks for server names, from as many threads as need be. Cheap to clone; the [`Driver`] ends when the last clone, and the last
/// [`Resolving`], is dropped.
#[derive(Clone, Debug)]
pub struct Discovery {
    handle: Handle,
}

impl Discovery {
    /// Starts to configure. Which authorities are trusted is up to `tls`.
    pub fn builder(tls: Arc<ClientConfig>) -> Builder {
        Builder::new(tls)
    }

    /// Where a server name leads. An answer that is known already is there at once; otherwise this thread waits for it, at the
    /// longest until the deadlines of the policy.
    ///
    /// Without a running driver the outcome is a failure of kind [`Local`](discovery_core::ErrorKind::Local): at once where it
    /// has been dropped, after [`DRIVER_PATIENCE`] where nobody runs it.
    pub fn resolve(&self, name: &ServerName) -> Outcome {
        self.begin(name).wait()
    }

    /// Begins to resolve a server name, to wait for it later, or for many at once.
    pub fn begin(&self, name: &ServerName) -> Resolving {
        Resolving { waiting: self.handle.resolve(name) }
    }

    discovery_driver::discovery_methods!();
}

/// The outcome of one lookup, some time. Dropping it abandons the lookup, unless others wait for the same name.
#[derive(Debug)]
pub struct Resolving {
    waiting: Waiting,
}

impl Resolving {
    /// Waits until it is there.
    pub fn wait(mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.wait_for(DRIVER_PATIENCE) {
                return outcome;
            }
        }
    }

    /// Waits until it is there, at most for so long. None where it is not there yet: the lookup goes on.
    pub fn wait_for(&mut self, patience: Duration) -> Option<Outcome> {
        // Most often it is there at once, and nobody needs to be woken.
        if let Poll::Ready(outcome) = self.waiting.poll_outcome(&Context::from_waker(Waker::noop()))
        {
            return Some(outcome);
        }
        let waker = unpark();
        let start = Instant::now();
        let mut check = self.waiting.next_check();
        loop {
            if let Poll::Ready(outcome) = self.waiting.poll_outcome(&Context::from_waker(&waker)) {
                return Some(outcome);
            }
            let waited = start.elapsed();
            if waited >= check {
                self.waiting.check_driver();
                check = waited.saturating_add(self.waiting.next_check());
                continue;
            }
            let left = patience.checked_sub(waited).filter(|left| !left.is_zero())?;
            thread::park_timeout(left.min(check.saturating_sub(waited)));
        }
    }
}

/// What wakes this thread.
fn unpark() -> Waker {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
        fn wake_by_ref(self: &Arc<Self>) {
            self.0.unpark();
        }
    }
    Waker::from(Arc::new(Unpark(thread::current())))
}
