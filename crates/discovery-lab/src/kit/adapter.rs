//! The interface of an adapter for the kit: how a client is started, used and stopped.
//!
//! Knows nothing of runtimes, nor of what is tried.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Instant;

use discovery_core::{Counters, Disposition, Feedback, Outcome, Routes, ServerName};
use discovery_driver::Discovery;
use discovery_sim::Scenario;

use super::setup::Setup;

/// Something that resolves names by `discovery-core`, on whichever runtime, or on none.
pub trait Adapter: Send + Sync {
    /// Its name in reports.
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

    /// How it stops requests that are no longer needed.
    fn stops(&self) -> Stops {
        Stops::AtOnce
    }

    /// The feature of a scenario that it lacks, because a library carries out its requests; `None` if it can run the scenario.
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

    /// The machine's next deadline, by the clock of the [`Setup`]; `None` if no timer runs.
    fn deadline(&self) -> Option<Instant>;

    /// From now on these families have a route.
    fn set_routes(&self, routes: Routes);

    /// Passes in a caller's report about an endpoint of a name.
    fn report(&self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition;

    /// The machine's counters; `None` if the adapter has no access to them.
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

/// How an adapter stops requests that are no longer needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stops {
    /// Its socket is closed at once.
    AtOnce,
    /// A thread that blocks can't be interrupted: its socket is closed when the request's own time is up.
    ByItsDeadline,
}

/// A client on a [`Discovery`], which does everything that the kit needs but one thing: ending its driver.
pub struct OnDiscovery<E: FnOnce()> {
    discovery: Discovery,
    end: Option<E>,
}

impl<E: FnOnce()> OnDiscovery<E> {
    /// A client whose driver is ended by `end`. `routes` are those of the [`Setup`].
    pub fn new(discovery: Discovery, routes: Routes, end: E) -> Self {
        discovery.set_routes(routes);
        Self { discovery, end: Some(end) }
    }
}

impl<E: FnOnce() + Send + Sync> Client for OnDiscovery<E> {
    fn resolve(&self, name: &ServerName) -> Lookup {
        Box::pin(self.discovery.resolve(name))
    }

    fn poke(&self) {
        self.discovery.handle_timeout();
    }

    fn deadline(&self) -> Option<Instant> {
        self.discovery.clock().to_std(self.discovery.deadline()?)
    }

    fn set_routes(&self, routes: Routes) {
        self.discovery.set_routes(routes);
    }

    fn report(&self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition {
        self.discovery.report(name, place, said)
    }

    fn counters(&self) -> Option<Counters> {
        Some(self.discovery.counters())
    }
}

impl<E: FnOnce()> Drop for OnDiscovery<E> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}

impl<E: FnOnce()> std::fmt::Debug for OnDiscovery<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnDiscovery").field("discovery", &self.discovery).finish_non_exhaustive()
    }
}
