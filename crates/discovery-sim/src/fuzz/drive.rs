//! A driver that does whatever it is told to a machine, and keeps the record.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{
    Config, DnsId, Event, HttpId, Instant, Outcome, Request, RequestId, Routes, ServerName, Ticket,
};

use super::export::lesson;
use super::reply::{Table, said, server_name};
use crate::play::{places, report};
use crate::run::{Bounds, Input, Machine, START, Violation};
use crate::simulator::Simulator;

/// Steps within which a machine must have come to its end.
const MAX_STEPS: usize = 20_000;

/// One thing done to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Time passes without a call of the machine.
    Wait(Span),
    /// The open request of that rank is answered, see [`said`].
    Answer(u8, u8),
    /// A name is resolved.
    Resolve(u8),
    /// The open request of that rank, if it is a GET, is connected.
    Connected(u8),
    /// The machine's next deadline passes.
    Deadline,
    /// The machine is called with the current time.
    Timeout,
    /// A ticket is abandoned, ended or not.
    Abandon(u8),
    /// A request that has ended is answered again.
    Again(u8, u8),
    /// A request that never was is answered.
    Unknown(u8, u8),
    /// Routes change.
    Routes(bool, bool),
    /// The number of name servers changes.
    NameServers(u8),
    /// A name is forgotten.
    Forget(u8),
    /// An endpoint, of a result or not, is reported.
    Report(u8, u8),
    /// The machine is called with an earlier time than before.
    Back(Span),
    /// The machine is taught what another one has learnt.
    Import(u8),
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u8);

impl Span {
    /// From a millisecond to a year, and the end of time.
    pub fn duration(self) -> Duration {
        match self.0 {
            0 => Duration::ZERO,
            255 => Duration::MAX,
            byte => Duration::from_millis(u64::from(byte % 8).saturating_add(1) << (byte / 8)),
        }
    }
}

impl Op {
    /// Length in bytes.
    pub const BYTES: usize = 3;

    /// Reads one thing to do; what is missing is zero.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let (which, what) = (byte(1), byte(2));
        match byte(0) % 21 {
            0..=6 => Self::Answer(which, what),
            7 | 8 => Self::Resolve(which),
            9 => Self::Connected(which),
            10 | 11 => Self::Deadline,
            12 => Self::Timeout,
            13 => Self::Abandon(which),
            14 => Self::Again(which, what),
            15 => Self::Unknown(which, what),
            16 => Self::Routes(which & 1 == 0, which & 2 == 0),
            17 => Self::NameServers(which % 4),
            18 => Self::Back(Span(which)),
            19 => match what % 3 {
                0 => Self::Forget(which),
                1 => Self::Report(which, what),
                _ => Self::Import(which),
            },
            _ => Self::Wait(Span(which)),
        }
    }
}

/// The moves and the events.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Every input.
    pub inputs: Vec<Input>,
    /// Every event, with the number of inputs given by then.
    pub events: Vec<(usize, Event)>,
    /// Invariants that were broken.
    pub violations: Vec<Violation>,
}

impl Trace {
    /// The end of every ticket.
    pub fn outcomes(&self) -> BTreeMap<Ticket, Outcome> {
        let ends = self.events.iter().filter_map(|(_, event)| match event {
            Event::Finished(ticket, outcome) => Some((*ticket, outcome.clone())),
            Event::Request(_) | Event::Cancel(_) => None,
        });
        ends.collect()
    }
}

/// A machine in the hands of an adversary.
#[derive(Clone, Debug)]
pub struct Adversary<M> {
    /// Nothing is scheduled: every step is chosen.
    simulator: Simulator<M, Infallible>,
    /// Whether the machine resolves one name only.
    one: bool,
    /// How long a lookup may take; None: as long as it waits for a slot, and more.
    longest: Option<Duration>,
    /// The latest time that the machine was told.
    told: Instant,
    open: BTreeMap<RequestId, Request>,
    ended: Vec<Request>,
    tickets: Vec<Ticket>,
    unfinished: BTreeMap<Ticket, Duration>,
    /// The endpoints of results.
    places: Vec<(ServerName, SocketAddr)>,
    trace: Trace,
    late: Vec<Violation>,
}

impl<M: Machine> Adversary<M> {
    /// Takes a machine for many names.
    pub fn new(machine: M, config: &Config) -> Self {
        Self::within(machine, Bounds::of(&config.policy))
    }

    /// Takes a machine that was made for one name.
    pub fn of_one(machine: M, config: &Config, name: &ServerName) -> Self {
        let mut adversary = Self::within(machine, Bounds::of_one(&config.policy));
        adversary.resolve(name);
        adversary.one = true;
        adversary
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        self.simulator.monitor().machine()
    }

    /// The time, as the driver sees it.
    pub fn now(&self) -> Instant {
        self.simulator.now()
    }

    /// The requests that are open.
    pub fn open(&self) -> impl Iterator<Item = &Request> {
        self.open.values()
    }

    /// Whether every ticket has ended.
    pub fn is_done(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// The events so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Does all of this.
    pub fn all(&mut self, ops: &[Op]) {
        for op in ops {
            self.act(*op);
        }
    }

    /// Asks for a name.
    pub fn resolve(&mut self, name: &ServerName) -> Option<Ticket> {
        self.input(Input::Resolve(name.clone(), self.now()))
    }

    /// Does one thing; what makes no sense is left out.
    pub fn act(&mut self, op: Op) {
        let now = self.now();
        let input = match op {
            Op::Wait(span) => {
                self.simulator.pass(span.duration());
                return;
            }
            Op::Answer(which, what) => {
                self.nth_open(which).map(|request| Input::Answer(said(request, what), now))
            }
            Op::Resolve(_) if self.one => None,
            Op::Resolve(which) => Some(Input::Resolve(server_name(which), now)),
            Op::Connected(which) => match self.nth_open(which) {
                Some(Request::Http(get)) => Some(Input::Connected(get.id, now)),
                Some(Request::Dns(_)) | None => None,
            },
            Op::Deadline => {
                self.pass_deadline();
                return;
            }
            Op::Timeout => Some(Input::Timeout(now)),
            Op::Abandon(which) => {
                let ticket = nth(&self.tickets, which).copied();
                Some(Input::Abandon(ticket.unwrap_or(Ticket::from_number(9)), now))
            }
            Op::Again(which, what) => {
                nth(&self.ended, which).map(|request| Input::Answer(said(request, what), now))
            }
            Op::Unknown(which, what) => self.nth_open(which).cloned().map(|mut request| {
                let number = u64::MAX - u64::from(what);
                match &mut request {
                    Request::Dns(dns) => dns.id = DnsId::from_number(number),
                    Request::Http(get) => get.id = HttpId::from_number(number),
                }
                Input::Answer(said(&request, what), now)
            }),
            Op::Routes(v4, v6) => Some(Input::Routes(Routes { v4, v6 }, now)),
            Op::NameServers(count) => Some(Input::NameServers(count, now)),
            Op::Forget(which) => Some(Input::Forget(server_name(which), now)),
            Op::Report(which, what) => {
                nth(&self.places, which).map(|(name, place)| report(name, *place, what.into(), now))
            }
            Op::Import(which) => {
                let (export, wall) = lesson(which);
                Some(Input::Import(export, wall, now))
            }
            Op::Back(span) => {
                let nanos = u64::try_from(span.duration().as_nanos()).unwrap_or(u64::MAX);
                let before = now.as_nanos().saturating_sub(nanos);
                Some(Input::Timeout(Instant::from_nanos(before)))
            }
        };
        if let Some(input) = input {
            self.input(input);
        }
    }

    /// Answers every request, in the order that the bytes say, as the table has it, until all is done or nothing is open.
    pub fn settle(&mut self, table: &Table, order: &[u8]) {
        let mut order = order.iter().copied().cycle();
        for _ in 0..MAX_STEPS {
            let Some(request) = self.nth_open(order.next().unwrap_or(0)) else { return };
            let answer = table.said(request);
            self.input(Input::Answer(answer, self.now()));
        }
        self.violate("I6", format!("still asking after {MAX_STEPS} answers"));
    }

    /// Answers nothing any more, fires every deadline in time, and sees that all comes to its end.
    pub fn finish(mut self) -> Trace {
        for _ in 0..MAX_STEPS {
            if !self.pass_deadline() {
                break;
            }
        }
        if let Some(deadline) = self.simulator.monitor().poll_timeout() {
            self.violate("I5", format!("still busy after {MAX_STEPS} deadlines: {deadline:?}"));
        }
        let mut trace = self.trace;
        trace.violations = self.simulator.into_monitor().finish();
        trace.violations.append(&mut self.late);
        trace
    }

    /// Takes a machine that must stay within bounds.
    pub(crate) fn within(machine: M, bounds: Bounds) -> Self {
        Self {
            longest: bounds.patience,
            simulator: Simulator::new(machine, bounds, START),
            one: false,
            told: START,
            open: BTreeMap::new(),
            ended: Vec::new(),
            tickets: Vec::new(),
            unfinished: BTreeMap::new(),
            places: Vec::new(),
            trace: Trace::default(),
            late: Vec::new(),
        }
    }

    /// Lets time pass without telling the machine.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.simulator.pass(time);
    }

    /// Lets time pass until the machine's next deadline; false: there is none.
    pub(crate) fn pass_deadline(&mut self) -> bool {
        let Some(deadline) = self.simulator.monitor().poll_timeout() else { return false };
        self.simulator.pass_until(deadline.at);
        self.input(Input::Timeout(self.now()));
        true
    }

    /// The requests that have ended, the tickets, and where names led.
    pub(crate) fn past(&self) -> (&[Request], &[Ticket], &[(ServerName, SocketAddr)]) {
        (&self.ended, &self.tickets, &self.places)
    }

    pub(crate) fn nth_open(&self, which: u8) -> Option<&Request> {
        let rank = usize::from(which).checked_rem(self.open.len())?;
        self.open.values().nth(rank)
    }

    fn violate(&mut self, invariant: &'static str, what: String) {
        self.late.push(Violation { invariant, what });
    }

    /// Gives one input and takes what comes of it.
    pub fn input(&mut self, input: Input) -> Option<Ticket> {
        self.told = self.told.max(input.at());
        if let Input::Answer(answer, _) = &input
            && let Some(request) = self.open.remove(&answer.id())
        {
            self.ended.push(request);
        }
        let ticket = self.simulator.input(&input);
        self.trace.inputs.push(input);
        if let Some(ticket) = ticket {
            self.tickets.push(ticket);
            self.unfinished.insert(ticket, self.simulator.monitor().attended());
        }
        let inputs = self.trace.inputs.len();
        while let Some(event) = self.simulator.event() {
            match &event {
                Event::Request(request) => {
                    self.open.insert(request.id(), request.clone());
                }
                Event::Cancel(id) => self.ended.extend(self.open.remove(id)),
                Event::Finished(ticket, outcome) => {
                    self.places.extend(places(outcome));
                    self.unfinished.remove(ticket);
                }
            }
            self.trace.events.push((inputs, event));
        }
        self.check_in_time();
        ticket
    }

    /// I14: what is unfinished still has time, and will be told when it has none.
    fn check_in_time(&mut self) {
        let Some(longest) = self.longest else { return };
        let Some(asked) = self.unfinished.values().min() else { return };
        // I15: time in which the driver was away does not count.
        let left =
            asked.saturating_add(longest).saturating_sub(self.simulator.monitor().attended());
        if left.is_zero() {
            self.violate("I14", format!("unfinished at {:?}, should have ended", self.told));
        }
        let end = self.told + left;
        let next = self.simulator.monitor().poll_timeout();
        if next.is_none_or(|next| next.at > end) {
            self.violate("I14", format!("the next deadline is {next:?}, the end {end:?}"));
        }
    }
}

pub(crate) fn nth<T>(list: &[T], which: u8) -> Option<&T> {
    list.get(usize::from(which).checked_rem(list.len())?)
}
