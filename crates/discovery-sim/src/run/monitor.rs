//! The machine's invariants, checked as it runs.
//!
//! Knows nothing of the world; it sees what goes in and what comes out, as a driver does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{
    Answer, Deadline, Disposition, Event, Feedback, HttpId, Instant, Policy, Request, RequestId,
    ResolveError, Resolved, ServerName, Ticket,
};

use super::machine::{Input, Machine};

/// An invariant that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

/// What a machine may have at most (I10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Open DNS requests.
    pub dns: usize,
    /// Open HTTP requests.
    pub http: usize,
    /// Events from one input.
    pub events: usize,
    /// Targets of a result.
    pub targets: usize,
    /// Addresses of a target.
    pub addresses: usize,
    /// Decisions of an explanation.
    pub decisions: usize,
    /// How long a lookup may take (I14); None: for ever.
    pub patience: Option<Duration>,
}

/// How much later than it was to call a driver may do so without having been away (I15).
const TOLERANCE: Duration = Duration::from_secs(1);
/// Broken invariants that are kept; more say nothing new.
const MAX_VIOLATIONS: usize = 100;
/// Addresses of one GET that may be open at once.
const MAX_ATTEMPTS: usize = 4;

impl Bounds {
    /// The bounds that a policy sets a machine for one name: it has no slots, asks for the addresses of all targets at once, and
    /// has one GET open.
    pub fn of_one(policy: &Policy) -> Self {
        let attempts = usize::from(policy.dns.attempts.max(1));
        let questions =
            usize::from(policy.spec.max_srv_targets).saturating_add(2).saturating_mul(2);
        Self { dns: questions.saturating_mul(attempts), http: MAX_ATTEMPTS, ..Self::of(policy) }
    }

    /// The bounds that a policy sets.
    pub fn of(policy: &Policy) -> Self {
        let attempts = usize::from(policy.dns.attempts.max(1));
        let targets = usize::from(policy.spec.max_srv_targets);
        // A literal is an address even where the policy allows none.
        let addresses = usize::from(policy.addresses.max_per_family).saturating_mul(2).max(1);
        let redirects = usize::from(policy.well_known.max_redirects).saturating_add(1);
        let aliases = usize::from(policy.dns.max_aliases).saturating_add(1);
        // Addresses of targets, of the host and of every hop of a redirect, by family, down every alias; the services.
        let questions = targets.saturating_add(redirects).saturating_add(2);
        let decisions =
            questions.saturating_mul(2).saturating_mul(aliases.saturating_add(addresses));
        Self {
            // A question holds one slot whatever its attempts.
            dns: policy.limits.dns_slots.max(1).saturating_mul(attempts),
            http: policy.limits.http_slots.max(1).saturating_mul(MAX_ATTEMPTS),
            events: 100_000,
            targets,
            addresses,
            // And places that were moved back.
            decisions: decisions
                .saturating_add(targets)
                .saturating_add(targets.saturating_mul(addresses))
                .saturating_add(100),
            patience: policy
                .limits
                .queue_deadline
                .map(|queue| queue.saturating_add(policy.limits.lookup_deadline)),
        }
    }
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    Ended,
}

/// A machine, and a record of what it has promised so far.
#[derive(Clone, Debug)]
pub struct Monitor<M> {
    machine: M,
    bounds: Bounds,
    now: Instant,
    /// Since the beginning, how long the driver has been away: later than it was to call, by more than a second.
    away: Duration,
    /// Open requests; ids of DNS requests come first.
    open: BTreeSet<RequestId>,
    open_dns: usize,
    /// The last ids minted, of DNS and HTTP requests.
    minted: (Option<RequestId>, Option<RequestId>),
    /// The last ticket given out.
    last_ticket: Option<Ticket>,
    /// Tickets without an end, with the moment they were given out, the time away not counted.
    waiting: BTreeMap<Ticket, Duration>,
    broken: Vec<Violation>,
}

impl<M: Machine> Monitor<M> {
    /// Watches a machine from its beginning.
    pub fn new(machine: M, bounds: Bounds) -> Self {
        Self {
            machine,
            bounds,
            now: Instant::ORIGIN,
            away: Duration::ZERO,
            open: BTreeSet::new(),
            open_dns: 0,
            minted: (None, None),
            last_ticket: None,
            waiting: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, for what is no input.
    pub(crate) fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Whether a request is neither answered nor cancelled.
    pub fn is_open(&self, id: RequestId) -> bool {
        self.open.contains(&id)
    }

    /// Requests that are neither answered nor cancelled.
    pub fn open(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.open.iter().copied()
    }

    /// Whether every ticket has had its end.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Broken invariants so far.
    pub fn violations(&self) -> &[Violation] {
        &self.broken
    }

    /// Broken invariants, the machine being at its end: everything that was asked for has ended (I11), nothing is open for
    /// ever without a deadline (I2, I6).
    pub fn finish(mut self) -> Vec<Violation> {
        let unfinished = self.waiting.len();
        if unfinished > 0 {
            self.violate("I11", format!("{unfinished} tickets without an end"));
        }
        let open = self.open.len();
        if unfinished == 0 && open > 0 && self.machine.poll_timeout().is_none() {
            self.violate("I2", format!("{open} requests are neither answered nor cancelled"));
        }
        self.broken
    }

    pub(crate) fn violate(&mut self, invariant: &'static str, what: String) {
        if self.broken.len() < MAX_VIOLATIONS {
            self.broken.push(Violation { invariant, what });
        }
    }

    /// When the machine wants to be called.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.machine.poll_timeout()
    }

    /// Gives an input; returns the ticket of a name that is asked for.
    pub fn apply(&mut self, input: &Input) -> Option<Ticket> {
        self.advance(input.at());
        match input {
            Input::Answer(answer, now) => {
                self.answer(answer, *now);
                None
            }
            Input::Connected(id, now) => {
                self.connected(*id, *now);
                None
            }
            Input::Abandon(ticket, now) => {
                let expected = disposition(self.life_of_ticket(*ticket));
                let got = self.machine.abandon(*ticket, *now);
                self.expect_disposition(expected, got, input);
                None
            }
            Input::Resolve(name, now) => {
                let ticket = self.machine.resolve(name, *now);
                if self.last_ticket.is_some_and(|last| last >= ticket) {
                    self.violate("I11", format!("{ticket:?} was given out out of order or twice"));
                }
                self.last_ticket = Some(ticket);
                self.waiting.insert(ticket, self.attended());
                Some(ticket)
            }
            Input::Report(name, place, said, now) => {
                let _: Disposition = self.report(name, *place, *said, *now);
                None
            }
            Input::Timeout(_)
            | Input::Routes(..)
            | Input::NameServers(..)
            | Input::Forget(..)
            | Input::Import(..) => self.machine.apply(input),
        }
    }

    /// Reports the state of an endpoint of a name.
    pub fn report(
        &mut self,
        name: &ServerName,
        place: SocketAddr,
        said: Feedback,
        now: Instant,
    ) -> Disposition {
        self.advance(now);
        let quiet = self.is_quiet();
        let got = self.machine.report(name, place, said, now);
        // I3: what is not known to lead there changes nothing.
        if got != Disposition::Accepted {
            self.check_unchanged(quiet);
        }
        got
    }

    /// I8: a machine never goes back in time, whatever it is told. I15: where it comes later than it was to call, it was away.
    fn advance(&mut self, now: Instant) {
        let last = self.now;
        self.now = last.max(now);
        let due = self.machine.poll_timeout().map(|deadline| deadline.at);
        if due.is_some_and(|due| self.now > due + TOLERANCE) {
            self.away = self.away.saturating_add(self.now.saturating_duration_since(last));
        }
    }

    /// For how long somebody has been there to act.
    pub(crate) fn attended(&self) -> Duration {
        self.now.saturating_duration_since(Instant::ORIGIN).saturating_sub(self.away)
    }

    /// What became of a request; None: it was never handed out.
    fn life(&self, id: RequestId) -> Option<Life> {
        if self.open.contains(&id) {
            return Some(Life::Open);
        }
        self.last_minted(id).filter(|last| *last >= id).map(|_| Life::Ended)
    }

    /// What became of a ticket; None: it was never given out.
    fn life_of_ticket(&self, ticket: Ticket) -> Option<Life> {
        if self.waiting.contains_key(&ticket) {
            return Some(Life::Open);
        }
        self.last_ticket.filter(|last| *last >= ticket).map(|_| Life::Ended)
    }

    /// Takes a request that has ended from those that are open.
    fn close(&mut self, id: RequestId) {
        if self.open.remove(&id) && matches!(id, RequestId::Dns(_)) {
            self.open_dns = self.open_dns.saturating_sub(1);
        }
    }

    fn last_minted(&self, like: RequestId) -> Option<RequestId> {
        match like {
            RequestId::Dns(_) => self.minted.0,
            RequestId::Http(_) => self.minted.1,
        }
    }

    fn answer(&mut self, answer: &Answer, now: Instant) {
        let id = answer.id();
        let expected = disposition(self.life(id));
        let quiet = self.is_quiet();
        let got = self.machine.handle_answer(answer.clone(), now);
        match expected {
            Disposition::Accepted => self.close(id),
            Disposition::Stale | Disposition::Unknown => self.check_unchanged(quiet),
        }
        self.expect_disposition(expected, got, &Input::Answer(answer.clone(), now));
    }

    fn connected(&mut self, id: HttpId, now: Instant) {
        let expected = disposition(self.life(RequestId::Http(id)));
        let quiet = self.is_quiet();
        let got = self.machine.handle_connected(id, now);
        if expected != Disposition::Accepted {
            self.check_unchanged(quiet);
        }
        // Saying it twice is late news.
        if !(expected == Disposition::Accepted && got == Disposition::Stale) {
            self.expect_disposition(expected, got, &Input::Connected(id, now));
        }
    }

    /// What the machine shows where no timer is due, for comparison; None where one is.
    fn is_quiet(&self) -> Option<Option<Deadline>> {
        let deadline = self.machine.poll_timeout();
        deadline.is_none_or(|deadline| deadline.at > self.now).then_some(deadline)
    }

    /// I3: what nobody waits for changes nothing.
    fn check_unchanged(&mut self, quiet: Option<Option<Deadline>>) {
        let Some(deadline) = quiet else { return };
        if self.machine.poll_timeout() != deadline {
            self.violate("I3", "a stale input moved the deadline".to_owned());
        }
        if let Some(event) = self.machine.poll() {
            self.violate("I3", format!("a stale input led to {event:?}"));
        }
    }

    fn expect_disposition(&mut self, expected: Disposition, got: Disposition, input: &Input) {
        if expected != got {
            self.violate("I3", format!("{got:?} instead of {expected:?} for {input:?}"));
        }
    }

    /// Takes every event, and checks the invariants that hold between two inputs.
    pub fn drain(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.machine.poll() {
            self.event(&event);
            events.push(event);
            if events.len() > self.bounds.events {
                self.violate("I10", format!("more than {} events", self.bounds.events));
                break;
            }
        }
        self.check_rest();
        events
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Request(request) => {
                let id = request.id();
                if self.last_minted(id).is_some_and(|last| last >= id) {
                    self.violate("I2", format!("{id:?} was minted out of order or twice"));
                }
                match id {
                    RequestId::Dns(_) => self.minted.0 = Some(id),
                    RequestId::Http(_) => self.minted.1 = Some(id),
                }
                if self.open.insert(id) && matches!(id, RequestId::Dns(_)) {
                    self.open_dns = self.open_dns.saturating_add(1);
                }
                self.check_request(request);
            }
            Event::Cancel(id) => {
                match self.life(*id) {
                    Some(Life::Open) => {}
                    Some(Life::Ended) => {
                        self.violate("I2", format!("{id:?} was cancelled after its end"));
                    }
                    None => self.violate("I2", format!("{id:?} was cancelled before its request")),
                }
                self.close(*id);
            }
            Event::Finished(ticket, outcome) => {
                let life = self.life_of_ticket(*ticket);
                self.waiting.remove(ticket);
                match life {
                    Some(Life::Open) => {}
                    Some(Life::Ended) => self.violate("I11", format!("{ticket:?} ended twice")),
                    None => self.violate("I11", format!("{ticket:?} was never given out")),
                }
                match outcome {
                    Ok(done) => self.check_resolved(done),
                    Err(failed) => self.check_failed(failed),
                }
            }
        }
    }

    fn check_request(&mut self, request: &Request) {
        let dns = self.open_dns;
        let http = self.open.len().saturating_sub(dns);
        if dns > self.bounds.dns || http > self.bounds.http {
            self.violate("I10", format!("{dns} DNS and {http} HTTP requests are open"));
        }
        if let Request::Http(get) = request
            && get.url.scheme_str() != Some("https")
        {
            self.violate("R14", format!("{} is not https", get.url));
        }
    }

    fn check_resolved(&mut self, done: &Resolved) {
        let most = done.targets.iter().map(|target| target.addresses.len()).max().unwrap_or(0);
        let empty = done.targets.iter().any(|target| target.addresses.is_empty());
        if done.targets.is_empty() || empty {
            self.violate("§1", "a result without addresses".to_owned());
        }
        // A target of which some places were moved back is told twice.
        if done.targets.len() > self.bounds.targets.max(1).saturating_mul(2)
            || most > self.bounds.addresses
        {
            self.violate("I10", format!("{} targets, {most} addresses", done.targets.len()));
        }
        self.check_decisions(done.explanation.decisions.len());
    }

    fn check_failed(&mut self, failed: &ResolveError) {
        self.check_decisions(failed.explanation.decisions.len());
    }

    fn check_decisions(&mut self, count: usize) {
        if count > self.bounds.decisions {
            self.violate("I10", format!("{count} decisions"));
        }
    }

    fn check_rest(&mut self) {
        let deadline = self.machine.poll_timeout();
        if let Some(event) = self.machine.poll() {
            self.violate("I4", format!("poll gave nothing, and then {event:?}"));
        }
        if self.machine.poll_timeout() != deadline {
            self.violate("I4", "the deadline moved without an input".to_owned());
        }
        if let Some(deadline) = deadline
            && deadline.at <= self.now
        {
            self.violate("I5", format!("at {:?} the next deadline is {deadline:?}", self.now));
        }
        // Tickets are given out in order, so the first has waited longest.
        if let (Some((ticket, asked)), Some(patience)) =
            (self.waiting.first_key_value(), self.bounds.patience)
            && self.attended().saturating_sub(*asked) > patience
        {
            let what =
                format!("{ticket:?} has been waiting since {asked:?}, it is {:?}", self.attended());
            self.violate("I14", what);
        }
        let open = self.open().next().is_some();
        if !self.is_done() && !open && deadline.is_none() {
            self.violate("I6", "unfinished, and nothing is waited for".to_owned());
        }
        if self.is_done()
            && !open
            && let Some(deadline) = deadline
        {
            self.violate("I7", format!("nothing is in flight, and yet {deadline:?}"));
        }
    }
}

fn disposition(life: Option<Life>) -> Disposition {
    match life {
        Some(Life::Open) => Disposition::Accepted,
        Some(Life::Ended) => Disposition::Stale,
        None => Disposition::Unknown,
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}
