//! The driver of a machine in virtual time: what happens next, in the order in which a real driver would see it.
//!
//! Runs, benches, populations, random runs and the wire in memory use it; each decides for itself how requests are answered.
//! The explorer does not: it takes every order, not one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use discovery_core::{Event, Instant, Ticket};

use crate::run::{Bounds, Input, Machine, Monitor};

/// A machine, its clock, and everything that is scheduled to happen.
#[derive(Clone, Debug)]
pub struct Simulator<M, E> {
    monitor: Monitor<M>,
    now: Instant,
    events: VecDeque<Event>,
    /// By time, then in the order in which it was scheduled.
    scheduled: BTreeMap<(Instant, u64), E>,
    count: u64,
    /// When the machine is not driven: from when, and until when.
    pauses: Vec<(Instant, Instant)>,
}

/// One step of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<E> {
    /// Something that was scheduled has come due.
    Due(E),
    /// A deadline has passed, and the machine has been told.
    Timeout,
}

impl<M: Machine, E> Simulator<M, E> {
    /// Takes a machine whose time is `now`, and watches its invariants.
    pub fn new(machine: M, bounds: Bounds, now: Instant) -> Self {
        Self {
            monitor: Monitor::new(machine, bounds),
            now,
            events: VecDeque::new(),
            scheduled: BTreeMap::new(),
            count: 0,
            pauses: Vec::new(),
        }
    }

    /// Leaves the machine alone during these stretches of time: what happens within them reaches it at their end.
    #[must_use]
    pub fn paused(mut self, pauses: Vec<(Instant, Instant)>) -> Self {
        self.pauses = pauses;
        self
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The machine, and what it has promised so far.
    pub fn monitor(&self) -> &Monitor<M> {
        &self.monitor
    }

    /// The same, to be changed.
    pub fn monitor_mut(&mut self) -> &mut Monitor<M> {
        &mut self.monitor
    }

    /// Ends the simulation; gives the monitor for its verdict.
    pub fn into_monitor(self) -> Monitor<M> {
        self.monitor
    }

    /// Lets time pass without telling the machine.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Lets time pass until then without telling the machine; time never goes back.
    pub fn pass_until(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }

    /// Schedules something; at the same moment, what was scheduled first happens first.
    pub fn schedule(&mut self, at: Instant, event: E) {
        self.count = self.count.saturating_add(1);
        self.scheduled.insert((at, self.count), event);
    }

    /// Gives the machine an input; returns the ticket of a name that is asked for. What the machine makes of it is taken with
    /// [`Self::event`].
    pub fn input(&mut self, input: &Input) -> Option<Ticket> {
        let ticket = self.monitor.apply(input);
        self.drain();
        ticket
    }

    /// Takes the events of a machine that has been given something in another way than by [`Self::input`].
    pub(crate) fn drain(&mut self) {
        self.events.extend(self.monitor.drain());
    }

    /// The next event that the machine has handed out.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When the next thing happens; None: nothing ever will.
    pub fn next_at(&self) -> Option<Instant> {
        let (scheduled, _, deadline) = self.pending();
        [scheduled, deadline].into_iter().flatten().min()
    }

    /// Lets time pass until the next thing happens, at most until then. None: nothing does.
    pub fn step(&mut self, until: Instant) -> Option<Next<E>> {
        let (scheduled, due, deadline) = self.pending();
        let at = [scheduled, deadline].into_iter().flatten().min().filter(|at| *at <= until)?;
        self.now = self.now.max(at);
        // Back from a pause, a driver looks at the clock before it reads what has arrived.
        let back = due < deadline && deadline == Some(at);
        // I9: what comes in at the very moment of a deadline beats it.
        if scheduled == Some(at) && !back {
            return self.scheduled.pop_first().map(|(_, event)| Next::Due(event));
        }
        self.input(&Input::Timeout(self.now));
        Some(Next::Timeout)
    }

    /// When what is scheduled reaches the machine, when its deadline is, and when that reaches it.
    fn pending(&self) -> (Option<Instant>, Option<Instant>, Option<Instant>) {
        let scheduled = self.scheduled.first_key_value().map(|((at, _), _)| self.reaches_at(*at));
        let due = self.monitor.poll_timeout().map(|deadline| deadline.at);
        (scheduled, due, due.map(|at| self.reaches_at(at)))
    }

    fn reaches_at(&self, at: Instant) -> Instant {
        let within = |at, (from, until): &(Instant, Instant)| {
            if *from < at && at < *until { *until } else { at }
        };
        self.pauses.iter().fold(at, within)
    }
}
