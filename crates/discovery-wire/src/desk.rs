//! Where callers and one driver meet: the machine behind a mutex, who waits for which ticket, and what is to be done.
//!
//! What every adapter would otherwise write again, without any runtime: wakers are the standard library's, and the clock is
//! a function that the adapter brings. Opens no socket and starts no timer.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant as StdInstant};

use discovery_core::{
    Answer, Config, Event, Failed, FailureKind, HttpId, Instant, Outcome, Request, RequestId,
    Resolver, ServerName, Ticket,
};

use crate::clock::Clock;

/// How long a driver may leave its work lying before those who wait for it give up.
pub const DRIVER_PATIENCE: Duration = Duration::from_secs(5);

/// The callers' side: cheap to clone. The driver ends when the last one is dropped.
pub struct Handle {
    shared: Arc<Shared>,
}

/// The driver's side. Whoever still waits when it is dropped gets a failure of our own side, and so does whoever comes later
/// with a question that is not answered already.
pub struct Desk {
    shared: Arc<Shared>,
}

/// What the driver is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start this; tell through a [`Report`] how it went.
    Start(Request),
    /// Nobody waits for this any more: stop it, close its socket.
    Stop(RequestId),
    /// All handles are gone: end.
    End,
}

/// The promise of one answer: dropped without one, it tells of a failure of our own side. So a request whose task panics, or
/// is dropped with its runtime, never leaves anybody waiting.
pub struct Report {
    shared: Arc<Shared>,
    id: RequestId,
    due: bool,
}

/// A future of one outcome. Dropping it abandons the lookup, unless others wait for the same name.
pub struct Waiting {
    /// None once the outcome is there.
    ticket: Option<(Arc<Shared>, Ticket)>,
    outcome: Option<Outcome>,
}

impl Desk {
    /// A machine with both its sides. `now` reads the clock that the driver's timers go by.
    pub fn new(config: Config, now: fn() -> StdInstant) -> (Handle, Self) {
        let state = State {
            resolver: Resolver::new(config, Instant::ORIGIN),
            orders: VecDeque::new(),
            unattended: None,
            waiting: BTreeMap::new(),
            driver: Driver::Busy,
            deadline: None,
            handles: 1,
            wakers: Vec::new(),
        };
        let shared = Arc::new(Shared { now, clock: Clock::start(now()), state: Mutex::new(state) });
        (Handle { shared: Arc::clone(&shared) }, Self { shared })
    }

    /// The next order. Pending where there is none: the task is woken when there is, and when the deadline has changed.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Order> {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        state.unattended = None;
        if state.handles == 0 {
            return Poll::Ready(Order::End);
        }
        if let Some(order) = state.orders.pop_front() {
            return Poll::Ready(order);
        }
        state.deadline = state.resolver.poll_timeout().map(|deadline| deadline.at);
        let old = std::mem::replace(&mut state.driver, Driver::Idle(waker));
        // What a waker drops with it may well want the lock.
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), as of the last [`poll`](Self::poll) that was pending.
    pub fn deadline(&self) -> Option<StdInstant> {
        let deadline = self.shared.lock().deadline?;
        self.shared.clock.to_std(deadline)
    }

    /// Does what is due. Early calls do nothing and are safe.
    pub fn handle_timeout(&self) {
        self.with(|resolver, now| resolver.handle_timeout(now));
    }

    /// Changes the machine otherwise: its routes, its number of name servers. The machine is locked meanwhile.
    pub fn with<T>(&self, change: impl FnOnce(&mut Resolver, Instant) -> T) -> T {
        self.shared.change(|state, now| change(&mut state.resolver, now))
    }

    /// Says that no more work will be done: whoever waits gets a failure of our own side. Dropping the desk says the same.
    pub fn close(&mut self) {
        let gone = |state: &mut State, _| std::mem::replace(&mut state.driver, Driver::Gone);
        drop(self.shared.change(gone));
    }

    /// The promise to answer a request that is being started.
    pub fn report(&self, id: RequestId) -> Report {
        Report { shared: Arc::clone(&self.shared), id, due: true }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.close();
    }
}

impl Report {
    /// TLS is up.
    pub fn connected(&self, id: HttpId) {
        // That it came too late is no news to a driver.
        let _ = self.shared.change(|state, now| state.resolver.handle_connected(id, now));
    }

    /// The request has ended, in this way.
    pub fn answer(mut self, answer: Answer) {
        self.due = false;
        self.tell(answer);
    }

    fn tell(&self, answer: Answer) {
        let _ = self.shared.change(|state, now| state.resolver.handle_answer(answer, now));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.due {
            self.tell(Answer::local_failure(self.id));
        }
    }
}

impl Handle {
    /// Asks for a name. What is known already is there at once, without the driver.
    pub fn resolve(&self, name: &ServerName) -> Waiting {
        self.shared.change(|state, now| {
            let ticket = state.resolver.resolve(name, now);
            state.waiting.insert(ticket, Waiter::default());
            state.drain();
            let known = state.waiting.get_mut(&ticket).and_then(|waiter| waiter.outcome.take());
            if known.is_some() {
                state.waiting.remove(&ticket);
                return Waiting { ticket: None, outcome: known };
            }
            // Who waits wants the driver to go on, too.
            state.handles = state.handles.saturating_add(1);
            Waiting { ticket: Some((Arc::clone(&self.shared), ticket)), outcome: None }
        })
    }

    /// Looks at the machine, or changes it: its routes, its number of name servers. The machine is locked meanwhile.
    pub fn with<T>(&self, change: impl FnOnce(&mut Resolver, Instant) -> T) -> T {
        self.shared.change(|state, now| change(&mut state.resolver, now))
    }

    /// The clock by which the instants of outcomes go.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        let mut state = self.shared.lock();
        state.handles = state.handles.saturating_add(1);
        drop(state);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.change(|state, _now| state.handles = state.handles.saturating_sub(1));
    }
}

impl Waiting {
    /// The outcome if it is there; otherwise the task is woken when it is.
    pub fn poll_outcome(&mut self, cx: &Context<'_>) -> Poll<Outcome> {
        if let Some(outcome) = &self.outcome {
            return Poll::Ready(Arc::clone(outcome));
        }
        // Without outcome there is a ticket, and it waits for as long as this lives.
        let Some((shared, ticket)) = &self.ticket else { return Poll::Pending };
        let waker = cx.waker().clone();
        let mut state = shared.lock();
        let Some(waiter) = state.waiting.get_mut(ticket) else { return Poll::Pending };
        if let Some(outcome) = waiter.outcome.take() {
            drop(state);
            self.leave();
            self.outcome = Some(Arc::clone(&outcome));
            return Poll::Ready(outcome);
        }
        let old = waiter.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Gives up where the driver has left its work lying for [`DRIVER_PATIENCE`]: it was never run, or is stuck. The outcome
    /// is then a failure of our own side. Whoever has a timer calls this from time to time.
    pub fn check_driver(&mut self) {
        if let Some((shared, ticket)) = &self.ticket {
            shared.change(|state, now| {
                if state.is_stalled((shared.now)(), now) {
                    state.fail(*ticket, now);
                }
            });
        }
    }

    fn leave(&mut self) {
        let Some((shared, ticket)) = self.ticket.take() else { return };
        let waiter = shared.change(|state, now| {
            state.handles = state.handles.saturating_sub(1);
            // Of a ticket that has ended this says nothing new, and nobody hears the rest.
            let _ = state.resolver.abandon(ticket, now);
            state.waiting.remove(&ticket)
        });
        drop(waiter);
    }
}

impl Future for Waiting {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.poll_outcome(cx)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticket = self.ticket.as_ref().map(|(_, ticket)| ticket);
        f.debug_struct("Waiting").field("ticket", &ticket).field("outcome", &self.outcome).finish()
    }
}

struct Shared {
    now: fn() -> StdInstant,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    resolver: Resolver,
    orders: VecDeque<Order>,
    /// Since when orders lie there without the driver having looked.
    unattended: Option<StdInstant>,
    waiting: BTreeMap<Ticket, Waiter>,
    driver: Driver,
    /// The deadline that the driver knows of.
    deadline: Option<Instant>,
    /// Handles, and those who wait.
    handles: usize,
    /// Whom to wake once the lock is free.
    wakers: Vec<Waker>,
}

enum Driver {
    /// It has been woken, or has not asked for work yet.
    Busy,
    /// It waits for work.
    Idle(Waker),
    /// It will never ask again.
    Gone,
}

#[derive(Default)]
struct Waiter {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No input leaves the machine half changed, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, follows what the machine says to that, and wakes whom it concerns once the lock is free.
    fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
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
    fn drain(&mut self) {
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
    fn fail(&mut self, ticket: Ticket, now: Instant) {
        if let Some(waiter) = self.waiting.get_mut(&ticket) {
            waiter.outcome.get_or_insert_with(|| Arc::new(Err(Failed::bare(FailureKind::Local))));
            let _ = self.resolver.abandon(ticket, now);
        }
    }

    fn is_stalled(&self, moment: StdInstant, now: Instant) -> bool {
        let waited = |since: StdInstant| moment.saturating_duration_since(since) >= DRIVER_PATIENCE;
        let overdue = |at: Instant| now.saturating_duration_since(at) >= DRIVER_PATIENCE;
        self.unattended.is_some_and(waited)
            || self.resolver.poll_timeout().is_some_and(|deadline| overdue(deadline.at))
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
