//! The resolver behind a mutex, shared between callers and one driver: who waits for which ticket, and what is to be done.
//!
//! Its law: while the lock is held, no waker is woken and nothing is dropped that a waker may own; and no caller waits for a
//! driver that is gone.
//!
//! Callers lock the resolver instead of sending messages to a task. A cached result is returned under the lock without
//! waking the driver.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant as StdInstant;

use discovery_core::{
    Config, ErrorKind, Event, HttpGet, Instant, Outcome, Request, RequestId, ResolveError,
    Resolver, Ticket,
};
use discovery_wire::Transport;
use rustls::ClientConfig;

use crate::clock::Clock;
use crate::environment::Environment;

/// Replaces the address of a connection.
pub(crate) type ConnectTo = dyn Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync;
/// Replaces the address from which a document is fetched.
pub(crate) type FetchFrom = dyn Fn(&HttpGet) -> SocketAddr + Send + Sync;
/// Reads the machine's clock.
pub(crate) type Now = dyn Fn() -> StdInstant + Send + Sync;

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    state: Mutex<State>,
}

/// What does not change while a discovery is in use.
pub(crate) struct Settings {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) connect_to: Option<Box<ConnectTo>>,
    pub(crate) fetch_from: Option<Box<FetchFrom>>,
    pub(crate) environment: Box<dyn Environment>,
    /// The clock, if it is not the environment's.
    pub(crate) clock: Option<Box<Now>>,
}

pub(crate) struct State {
    pub(crate) resolver: Resolver,
    pub(crate) queue: VecDeque<Queued>,
    pub(crate) waiting: BTreeMap<Ticket, Waiter>,
    pub(crate) driver: DriverState,
    /// The deadline that the driver has seen.
    pub(crate) deadline: Option<Instant>,
    /// Clones of the discovery, and futures that wait.
    pub(crate) handles: usize,
    /// Name servers that the driver does not use yet.
    pub(crate) name_servers: Option<Vec<SocketAddr>>,
    /// Whom to wake once the lock is free.
    wakers: Vec<Waker>,
}

/// Something for the driver to do.
pub(crate) enum Queued {
    Start(Request),
    Stop(RequestId),
}

pub(crate) enum DriverState {
    /// It has been woken, or has not asked for work yet.
    Busy,
    /// It waits for work.
    Idle(Waker),
    /// It was dropped, or the discovery was closed.
    Gone,
}

#[derive(Default)]
pub(crate) struct Waiter {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) waker: Option<Waker>,
}

impl Settings {
    /// The current time of the machine's clock.
    pub(crate) fn now(&self) -> StdInstant {
        self.clock.as_ref().map_or_else(|| self.environment.now(), |clock| clock())
    }
}

impl Shared {
    pub(crate) fn new(config: Config, settings: Settings) -> Self {
        let state = State {
            resolver: Resolver::new(config, Instant::ORIGIN),
            queue: VecDeque::new(),
            waiting: BTreeMap::new(),
            driver: DriverState::Busy,
            deadline: None,
            handles: 1,
            name_servers: None,
            wakers: Vec::new(),
        };
        let clock = Clock::start(settings.now());
        Self { settings, clock, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No input leaves the resolver half changed, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, processes the resolver's events, and wakes the tasks concerned once the lock is free.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        // Read under the lock, so that inputs come in the order of their instants.
        let now = self.clock.to_core(self.settings.now());
        let value = change(&mut state, now);
        let wakers = state.settle(now);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        value
    }

    /// As [`change`](Self::change), for the resolver alone.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Resolver, Instant) -> T) -> T {
        self.change(|state, now| change(&mut state.resolver, now))
    }

    /// Ends the driver's work: every waiter gets a local error.
    pub(crate) fn close(&self) {
        let gone = DriverState::Gone;
        let old = self.change(|state, _now| std::mem::replace(&mut state.driver, gone));
        if let DriverState::Idle(waker) = old {
            waker.wake();
        }
    }
}

impl State {
    fn settle(&mut self, now: Instant) -> Vec<Waker> {
        self.drain();
        if matches!(self.driver, DriverState::Gone) {
            let left =
                |(ticket, waiter): (&Ticket, &Waiter)| waiter.outcome.is_none().then_some(*ticket);
            for ticket in self.waiting.iter().filter_map(left).collect::<Vec<_>>() {
                self.fail(ticket, now);
            }
            self.drain();
            self.queue.clear();
        }
        if matches!(self.driver, DriverState::Idle(_))
            && self.is_news()
            && let DriverState::Idle(waker) = std::mem::replace(&mut self.driver, DriverState::Busy)
        {
            self.wakers.push(waker);
        }
        std::mem::take(&mut self.wakers)
    }

    /// Whether there is something that an idle driver does not know of.
    fn is_news(&self) -> bool {
        let deadline = || self.resolver.poll_timeout().map(|deadline| deadline.at);
        !self.queue.is_empty() || self.handles == 0 || deadline() != self.deadline
    }

    /// Takes all events out of the resolver.
    pub(crate) fn drain(&mut self) {
        while let Some(event) = self.resolver.poll() {
            match event {
                Event::Request(request) => self.queue.push_back(Queued::Start(request)),
                Event::Cancel(id) => {
                    let start = |it: &Queued| matches!(it, Queued::Start(r) if r.id() == id);
                    match self.queue.iter().position(start) {
                        // A request that was never started need not be stopped.
                        Some(index) => drop(self.queue.remove(index)),
                        None => self.queue.push_back(Queued::Stop(id)),
                    }
                }
                Event::Finished(ticket, outcome) => {
                    if let Some(waiter) = self.waiting.get_mut(&ticket) {
                        // A failure of the driver came first, and stands.
                        waiter.outcome.get_or_insert(outcome);
                        self.wakers.extend(waiter.waker.take());
                    }
                }
            }
        }
    }

    /// Ends a ticket with a local error. The resolver's word that it was abandoned wakes the waiter.
    fn fail(&mut self, ticket: Ticket, now: Instant) {
        if let Some(waiter) = self.waiting.get_mut(&ticket) {
            waiter
                .outcome
                .get_or_insert_with(|| Err(Arc::new(ResolveError::bare(ErrorKind::Local))));
            let _ = self.resolver.abandon(ticket, now);
        }
    }
}
