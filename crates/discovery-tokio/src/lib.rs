//! Matrix server discovery on tokio.
//!
//! Moves bytes and nothing more: what to ask is the core's, how it is spoken is the wire's.
//!
//! ```no_run
//! # async fn example(tls: std::sync::Arc<rustls::ClientConfig>) -> Result<(), Box<dyn std::error::Error>> {
//! use discovery_tokio::Discovery;
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

mod builder;
mod socket;

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use discovery_core::{Outcome, RequestId, ServerName};
use discovery_driver::{Alarm, Handle, Todo, Waiting, Work};
use rustls::ClientConfig;
use tokio::task::coop::unconstrained;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Sleep, sleep};

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
#[derive(Debug)]
pub struct Resolving {
    waiting: Waiting,
    /// When to look whether the driver is alive.
    check: Option<Pin<Box<Sleep>>>,
}

impl Future for Resolving {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        // On a foreign executor there is no timer to be had.
        this.waiting.poll_checked(cx, &mut this.check, |patience| {
            tokio::runtime::Handle::try_current().ok().map(|_| Box::pin(sleep(patience)))
        })
    }
}

/// Does what the lookups need: a future that ends when nobody can ask any more. It must be polled within a tokio runtime with
/// I/O and time, on whichever thread; elsewhere it ends at once.
#[must_use = "nothing is resolved unless the driver runs"]
pub struct Driver {
    work: Work,
    running: BTreeMap<RequestId, AbortHandle>,
    tasks: JoinSet<RequestId>,
    alarm: Alarm<Pin<Box<Sleep>>>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if tokio::runtime::Handle::try_current().is_err() {
            this.work.close();
            return Poll::Ready(());
        }
        loop {
            this.reap(cx);
            match this.work.poll(cx) {
                Poll::Ready(Todo::Start(job)) => {
                    let id = job.id();
                    this.running.insert(id, this.tasks.spawn(socket::run(job)));
                }
                Poll::Ready(Todo::Stop(id)) => {
                    // The task is dropped, and its socket with it.
                    if let Some(task) = this.running.remove(&id) {
                        task.abort();
                    }
                }
                Poll::Ready(Todo::End) => return Poll::Ready(()),
                Poll::Pending => {
                    let (left, now) = (this.work.time_left(), Instant::now().into_std());
                    ready!(this.alarm.poll(cx, left, now, |left| Box::pin(sleep(left))));
                    this.work.handle_timeout();
                }
            }
        }
    }
}

impl Driver {
    fn new(work: Work) -> Self {
        let (running, tasks) = (BTreeMap::new(), JoinSet::new());
        Self { work, running, tasks, alarm: Alarm::default() }
    }

    /// Forgets the tasks that have ended; a task that panicked has told so itself.
    ///
    /// Each one taken from the set counts against tokio's cooperative budget, a started one does not: within the budget the
    /// set would grow by whatever ends faster than 128 tasks a poll.
    fn reap(&mut self, cx: &mut Context<'_>) {
        let mut next = pin!(unconstrained(poll_fn(|cx| self.tasks.poll_join_next(cx))));
        while let Poll::Ready(Some(ended)) = next.as_mut().poll(cx) {
            match ended {
                Ok(id) => drop(self.running.remove(&id)),
                Err(error) if error.is_panic() => {
                    self.running.retain(|_, task| !task.is_finished());
                }
                Err(_) => {}
            }
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
