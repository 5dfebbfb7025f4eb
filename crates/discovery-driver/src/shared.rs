//! One machine behind a mutex: who waits for which ticket, what is to be done, and whom to wake.
//!
//! Its law: nobody is woken, and nothing that a waker may own is dropped, while the lock is held; and nobody waits in silence
//! for a driver that is gone.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant as StdInstant};

use discovery_core::{ErrorKind, Event, Instant, Outcome, ResolveError, Resolver, Ticket};

use crate::clock::Clock;
use crate::desk::Order;

/// How long a driver may leave its work lying before those who wait for it give up.
pub const DRIVER_PATIENCE: Duration = Duration::from_secs(5);

/// Reads the clock that everything here goes by.
pub(crate) type Now = dyn Fn() -> StdInstant + Send + Sync;

pub(crate) struct Shared {
    pub(crate) now: Box<Now>,
    pub(crate) clock: Clock,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) resolver: Resolver,
    pub(crate) orders: VecDeque<Order>,
    /// Since when orders lie there without the driver having looked.
    pub(crate) unattended: Option<StdInstant>,
    pub(crate) waiting: BTreeMap<Ticket, Waiter>,
    pub(crate) driver: Driver,
    /// The deadline that the driver knows of.
    pub(crate) deadline: Option<Instant>,
    /// Handles, and those who wait.
    pub(crate) handles: usize,
    /// Name servers that the driver has not heard of yet.
    pub(crate) name_servers: Option<Vec<SocketAddr>>,
    /// Whom to wake once the lock is free.
    wakers: Vec<Waker>,
}

pub(crate) enum Driver {
    /// It has been woken, or has not asked for work yet.
    Busy,
    /// It waits for work.
    Idle(Waker),
    /// It will never ask again.
    Gone,
}

#[derive(Default)]
pub(crate) struct Waiter {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) waker: Option<Waker>,
}

impl Shared {
    pub(crate) fn new(resolver: Resolver, now: Box<Now>) -> Self {
        let state = State {
            resolver,
            orders: VecDeque::new(),
            unattended: None,
            waiting: BTreeMap::new(),
            driver: Driver::Busy,
            deadline: None,
            handles: 1,
            name_servers: None,
            wakers: Vec::new(),
        };
        let clock = Clock::start(now());
        Self { now, clock, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No input leaves the machine half changed, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, follows what the machine says to that, and wakes whom it concerns once the lock is free.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        // Read under the lock: inputs then come in the order of their instants.
        let moment = (self.now)();
        let now = self.clock.to_core(moment);
        let value = change(&mut state, now);
        let wakers = state.settle(moment, now);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        value
    }

    /// No more work is done.
    pub(crate) fn close(&self) {
        let old = self.change(|state, _now| std::mem::replace(&mut state.driver, Driver::Gone));
        if let Driver::Idle(waker) = old {
            waker.wake();
        }
    }
}

impl State {
    fn settle(&mut self, moment: StdInstant, now: Instant) -> Vec<Waker> {
        self.drain();
        if matches!(self.driver, Driver::Gone) {
            let left =
                |(ticket, waiter): (&Ticket, &Waiter)| waiter.outcome.is_none().then_some(*ticket);
            for ticket in self.waiting.iter().filter_map(left).collect::<Vec<_>>() {
                self.fail(ticket, now);
            }
            self.drain();
            self.orders.clear();
        } else if !self.orders.is_empty() {
            self.unattended.get_or_insert(moment);
        }
        if matches!(self.driver, Driver::Idle(_))
            && self.is_news()
            && let Driver::Idle(waker) = std::mem::replace(&mut self.driver, Driver::Busy)
        {
            self.wakers.push(waker);
        }
        std::mem::take(&mut self.wakers)
    }

    /// Whether there is something that a waiting driver does not know of.
    fn is_news(&self) -> bool {
        let deadline = || self.resolver.poll_timeout().map(|deadline| deadline.at);
        !self.orders.is_empty() || self.handles == 0 || deadline() != self.deadline
    }

    /// Takes all events out of the machine.
    pub(crate) fn drain(&mut self) {
        while let Some(event) = self.resolver.poll() {
            match event {
                Event::Request(request) => self.orders.push_back(Order::Start(request)),
                Event::Cancel(id) => {
                    let start = |order: &Order| matches!(order, Order::Start(r) if r.id() == id);
                    match self.orders.iter().position(start) {
                        // What was never started need not be stopped.
                        Some(index) => drop(self.orders.remove(index)),
                        None => self.orders.push_back(Order::Stop(id)),
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

    /// Ends a ticket for a reason of our own side. The machine's word that it was abandoned wakes who waits.
    pub(crate) fn fail(&mut self, ticket: Ticket, now: Instant) {
        if let Some(waiter) = self.waiting.get_mut(&ticket) {
            waiter
                .outcome
                .get_or_insert_with(|| Err(Arc::new(ResolveError::bare(ErrorKind::Local))));
            let _ = self.resolver.abandon(ticket, now);
        }
    }

    pub(crate) fn is_stalled(&self, moment: StdInstant, now: Instant) -> bool {
        let waited = |since: StdInstant| moment.saturating_duration_since(since) >= DRIVER_PATIENCE;
        let overdue = |at: Instant| now.saturating_duration_since(at) >= DRIVER_PATIENCE;
        self.unattended.is_some_and(waited)
            || self.resolver.poll_timeout().is_some_and(|deadline| overdue(deadline.at))
    }
}
