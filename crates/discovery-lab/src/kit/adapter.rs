//! What an adapter shows to the kit: how a client is started, asked, and ended.
//!
//! Knows nothing of runtimes, nor of what is tried.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Instant;

use discovery_core::{Counters, Disposition, Feedback, Outcome, Routes, ServerName};
use discovery_driver::Handle;
use discovery_sim::Scenario;

use super::setup::Setup;

/// Something that resolves names by `discovery-core`, on whichever runtime, or on none.
pub trait Adapter: Send + Sync {
    /// What reports call it.
    fn name(&self) -> &'static str;

    /// Starts a client with everything that it needs to do its work by itself: a thread, a task. It is called within a tokio
    /// runtime of one thread, which adapters for tokio use; all others leave it alone.
    ///
    /// # Errors
    /// When there can't be one: no randomness, no thread.
    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble>;

    /// By which clock its timers go.
    fn timers(&self) -> Timers {
        Timers::Given
    }

    /// How it stops what nobody waits for any more.
    fn stops(&self) -> Stops {
        Stops::AtOnce
    }

    /// What this scenario needs that it can't do, because others carry its requests out; None: it can do all of it.
    fn declines(&self, _scenario: &Scenario) -> Option<&'static str> {
        None
    }
}

/// Why something can't be had.
pub type Trouble = Box<dyn Error + Send + Sync>;

/// An outcome, some time. Dropping it abandons the lookup.
pub type Lookup = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One machine with its driver, at work until this is dropped. That is its shutdown: threads and tasks end, sockets are closed, and
/// whoever still waits is told, by a failure of our own side.
pub trait Client: Send + Sync {
    /// Asks for a name, at once, whether or not the future is polled.
    fn resolve(&self, name: &ServerName) -> Lookup;

    /// The clock may have moved: the driver looks at it, and does what is due.
    fn poke(&self);

    /// The machine's next deadline, by the clock of the [`Setup`]; None where it has none, and then nothing is under way.
    fn deadline(&self) -> Option<Instant>;

    /// From now on these families have a route.
    fn set_routes(&self, routes: Routes);

    /// A caller tells of a place that a name led to.
    fn report(&self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition;

    /// What the machine has done and holds; None where the adapter can't tell.
    fn counters(&self) -> Option<Counters> {
        None
    }
}

/// By which clock an adapter's timers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timers {
    /// By tokio's, on the runtime that it is started within.
    Tokio,
    /// By the system's. In virtual time the kit pokes it at its deadlines.
    Given,
}

/// How an adapter stops what nobody waits for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stops {
    /// Its socket is closed at once.
    AtOnce,
    /// A thread that blocks can't be interrupted: its socket is closed when the request's own time is up.
    ByItsDeadline,
}

/// A client that stands on a [`Handle`] of the wire, which knows all that the kit asks but one thing: how it is ended.
pub struct OnHandle<R, E: FnOnce()> {
    handle: Handle,
    resolve: R,
    end: Option<E>,
}

impl<R, F, E> OnHandle<R, E>
where
    R: Fn(&ServerName) -> F,
    F: Future<Output = Outcome> + Send + 'static,
    E: FnOnce(),
{
    /// A client that asks by `resolve`, the adapter's own. `end` ends its driver.
    pub fn new(handle: Handle, resolve: R, end: E) -> Self {
        Self { handle, resolve, end: Some(end) }
    }
}

impl<R, F, E> Client for OnHandle<R, E>
where
    R: Fn(&ServerName) -> F + Send + Sync,
    F: Future<Output = Outcome> + Send + 'static,
    E: FnOnce() + Send + Sync,
{
    fn resolve(&self, name: &ServerName) -> Lookup {
        Box::pin((self.resolve)(name))
    }

    fn poke(&self) {
        self.handle.handle_timeout();
    }

    fn deadline(&self) -> Option<Instant> {
        self.handle.clock().to_std(self.handle.deadline()?)
    }

    fn set_routes(&self, routes: Routes) {
        self.handle.set_routes(routes);
    }

    fn report(&self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition {
        self.handle.report(name, place, said)
    }

    fn counters(&self) -> Option<Counters> {
        Some(self.handle.counters())
    }
}

impl<R, E: FnOnce()> Drop for OnHandle<R, E> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}

impl<R, E: FnOnce()> std::fmt::Debug for OnHandle<R, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnHandle").field("handle", &self.handle).finish_non_exhaustive()
    }
}
