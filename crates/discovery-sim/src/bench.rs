//! A resolver on the bench: a world that changes under its hands, in virtual time, every invariant watched.
//!
//! Knows nothing of what must come out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{
    Answer, CacheEntry, CacheLookup, Config, Counters, Cursor, Disposition, Event, Export,
    Feedback, Instant, Outcome, Policy, Question, Request, RequestId, Resolver, ServerName, Ticket,
    UnixMillis,
};

use crate::fault_injector::{Fate, FaultInjector};
use crate::run::{Answered, Bounds, Input, START, answer, config, question};
use crate::scenario::Scenario;
use crate::simulator::{Next, Simulator};
use crate::world::World;

/// The number of steps after which a bench counts as endless.
const MAX_STEPS: usize = 1_000_000;

/// Something that happened, in order.
#[derive(Clone, Debug)]
pub enum Happened {
    /// A request was sent.
    Asked(Request),
    /// An answer was taken.
    Answered(Request, Answer),
    /// A request was cancelled.
    Cancelled(Request),
    /// A ticket ended.
    Ended(Ticket, Outcome),
}

/// A resolver and its world.
#[derive(Clone, Debug)]
pub struct Bench {
    simulator: Simulator<Resolver, Input>,
    policy: Policy,
    world: World,
    latency: Option<Duration>,
    fault_injector: Option<FaultInjector>,
    open: BTreeMap<RequestId, Request>,
    log: Vec<(Instant, Happened)>,
    ends: BTreeMap<Ticket, (Instant, Outcome)>,
}

impl Bench {
    /// A resolver with an empty cache, in the world of a scenario, with its policy, seed and name servers.
    ///
    /// # Panics
    /// If the text is no scenario.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let scenario = parse(text);
        Self::with(config(&scenario), scenario.world_at(Duration::ZERO))
    }

    /// A resolver made with a configuration.
    #[must_use]
    pub fn with(config: Config, world: World) -> Self {
        let bounds = Bounds::of(&config.policy);
        Self {
            policy: config.policy.clone(),
            simulator: Simulator::new(Resolver::new(config, START), bounds, START),
            world,
            latency: None,
            fault_injector: None,
            open: BTreeMap::new(),
            log: Vec::new(),
            ends: BTreeMap::new(),
        }
    }

    /// Sets the delay of every reply.
    #[must_use]
    pub fn replying_after(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Injects faults into the answers of the world.
    #[must_use]
    pub fn with_faults(mut self, fault_injector: FaultInjector) -> Self {
        self.fault_injector = Some(fault_injector);
        self
    }

    /// The faults so far; None: none are injected.
    #[must_use]
    pub fn fault_injector(&self) -> Option<&FaultInjector> {
        self.fault_injector.as_ref()
    }

    /// Lets time pass without calling the resolver, as while a machine sleeps: answers that arrive meanwhile are passed in afterwards.
    pub fn sleep(&mut self, time: Duration) {
        self.simulator.pass(time);
        self.input(Input::Timeout(self.now()));
    }

    /// Passes a past time to the resolver.
    pub fn go_back(&mut self, time: Duration) {
        let back = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let before = Instant::from_nanos(self.now().as_nanos().saturating_sub(back));
        self.input(Input::Timeout(before));
    }

    /// Changes the world for requests to come.
    pub fn become_world(&mut self, text: &str) {
        self.world = parse(text).world_at(Duration::ZERO);
    }

    /// Changes the world for requests to come.
    pub fn set_world(&mut self, world: World) {
        self.world = world;
    }

    /// The configuration of the resolver.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.simulator.now()
    }

    /// The counters of the resolver.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.resolver().counters()
    }

    /// The resolver.
    #[must_use]
    pub fn resolver(&self) -> &Resolver {
        self.simulator.monitor().machine()
    }

    /// Asks for a name.
    ///
    /// # Panics
    /// If the text is no server name.
    pub fn ask(&mut self, name: &str) -> Ticket {
        let name = server_name(name);
        let Some(ticket) = self.input(Input::Resolve(name, self.now())) else {
            unreachable!("a name that is asked for has a ticket")
        };
        ticket
    }

    /// Asks for a name and waits for its end.
    ///
    /// # Panics
    /// If it never ends.
    pub fn resolve(&mut self, name: &str) -> Outcome {
        let ticket = self.ask(name);
        self.outcome(ticket)
    }

    /// Waits for the end of a ticket.
    ///
    /// # Panics
    /// If it never ends.
    pub fn outcome(&mut self, ticket: Ticket) -> Outcome {
        for _ in 0..MAX_STEPS {
            if let Some((_, outcome)) = self.ends.get(&ticket) {
                return outcome.clone();
            }
            assert!(self.step(Instant::FAR_FUTURE), "{ticket:?} never ends");
        }
        panic!("{ticket:?}: still busy after {MAX_STEPS} steps");
    }

    /// When and how a ticket ended, if it has.
    #[must_use]
    pub fn end(&self, ticket: Ticket) -> Option<&(Instant, Outcome)> {
        self.ends.get(&ticket)
    }

    /// Gives a ticket up.
    pub fn abandon(&mut self, ticket: Ticket) {
        self.input(Input::Abandon(ticket, self.now()));
    }

    /// Drops a name from the cache.
    pub fn forget(&mut self, name: &str) {
        self.input(Input::Forget(server_name(name), self.now()));
    }

    /// Reports the state of an endpoint of a name.
    ///
    /// # Panics
    /// If the text is no server name.
    pub fn report(&mut self, name: &str, place: SocketAddr, said: Feedback) -> Disposition {
        let now = self.now();
        let got = self.simulator.monitor_mut().report(&server_name(name), place, said, now);
        self.simulator.drain();
        self.take_events();
        let violations = self.simulator.monitor().violations();
        assert_eq!(violations, [], "after {said} of {place} for {name}");
        got
    }

    /// Exports the facts learnt since a cursor, at this wall-clock time.
    pub fn export_since(&mut self, cursor: Cursor, wall: UnixMillis) -> Export {
        let now = self.now();
        self.simulator.monitor_mut().machine_mut().export_since(cursor, now, wall)
    }

    /// Tells what another resolver has learnt, with a wall clock that shows this.
    pub fn import(&mut self, export: Export, wall: UnixMillis) {
        self.input(Input::Import(export, wall, self.now()));
    }

    /// The resolver's result from the cache.
    pub fn explain(&mut self, name: &str) -> CacheLookup {
        let now = self.now();
        self.simulator.monitor_mut().machine_mut().explain(&server_name(name), now)
    }

    /// The cache entries of names.
    pub fn entries(&mut self) -> Vec<CacheEntry> {
        let now = self.now();
        self.simulator.monitor_mut().machine_mut().entries(now)
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now() + time;
        for _ in 0..MAX_STEPS {
            if !self.step(until) {
                self.simulator.pass_until(until);
                return;
            }
        }
        panic!("still busy after {MAX_STEPS} steps");
    }

    /// Lets time pass until nothing is left to happen.
    pub fn settle(&mut self) {
        for _ in 0..MAX_STEPS {
            if !self.step(Instant::FAR_FUTURE) {
                return;
            }
        }
        panic!("still busy after {MAX_STEPS} steps");
    }

    /// Lets time pass until something happens, and does that alone; just before it the resolver is told the time, so that
    /// whoever looks sees what time alone has done. False once that time has come with nothing left to do.
    pub fn tick(&mut self, until: Instant) -> bool {
        let before = |at: Instant| Instant::from_nanos(at.as_nanos().saturating_sub(1));
        let next = self.simulator.next_at().filter(|next| *next <= until);
        match next {
            Some(next) if before(next) <= self.now() => return self.step(until),
            Some(next) => self.simulator.pass_until(before(next)),
            None => self.simulator.pass_until(until),
        }
        self.input(Input::Timeout(self.now()));
        next.is_some()
    }

    /// The events since the last call.
    pub fn news(&mut self) -> Vec<(Instant, Happened)> {
        std::mem::take(&mut self.log)
    }

    /// The questions asked since [`Self::news`] or this was asked for the last time, each once, in order.
    pub fn asked(&mut self) -> Vec<Question> {
        let mut seen = BTreeSet::new();
        let asked = |(_, happened)| match happened {
            Happened::Asked(request) => question(&request),
            Happened::Answered(..) | Happened::Cancelled(_) | Happened::Ended(..) => None,
        };
        let mut questions: Vec<_> = self.news().into_iter().filter_map(asked).collect();
        questions.retain(|question| seen.insert(question.clone()));
        questions
    }

    /// Checks what must hold at the end: everything asked for has ended, nothing was broken on the way.
    ///
    /// # Panics
    /// If an invariant was broken.
    pub fn finish(mut self) {
        self.settle();
        // I7: what is remembered is no reason to wake up.
        let monitor = self.simulator.into_monitor();
        assert_eq!(monitor.poll_timeout(), None);
        assert_eq!(monitor.finish(), []);
    }

    /// Does the next thing that happens until then; false if there is none.
    fn step(&mut self, until: Instant) -> bool {
        match self.simulator.step(until) {
            Some(Next::Due(input)) => self.reply(input),
            Some(Next::Timeout) => self.after(&Input::Timeout(self.now())),
            None => return false,
        }
        true
    }

    fn reply(&mut self, input: Input) {
        let Some(request) = input.replies_to().and_then(|id| self.open.get(&id)) else {
            // A datagram that is on its way arrives all the same, and must change nothing (I3).
            if self.fault_injector.is_some() {
                self.input(input);
            }
            return;
        };
        if let Input::Answer(answer, _) = &input {
            let happened = Happened::Answered(request.clone(), answer.clone());
            self.log.push((self.now(), happened));
            self.open.remove(&answer.id());
        }
        self.input(input);
    }

    fn input(&mut self, input: Input) -> Option<Ticket> {
        let ticket = self.simulator.input(&input);
        self.after(&input);
        ticket
    }

    /// Takes what comes of an input.
    fn after(&mut self, input: &Input) {
        self.take_events();
        assert_eq!(self.simulator.monitor().violations(), [], "after {input:?}");
    }

    fn take_events(&mut self) {
        while let Some(event) = self.simulator.event() {
            let happened = match event {
                Event::Request(request) => {
                    self.plan(&request);
                    self.open.insert(request.id(), request.clone());
                    Happened::Asked(request)
                }
                Event::Cancel(id) => match self.open.remove(&id) {
                    Some(request) => Happened::Cancelled(request),
                    None => continue,
                },
                Event::Finished(ticket, outcome) => {
                    self.ends.insert(ticket, (self.now(), outcome.clone()));
                    Happened::Ended(ticket, outcome)
                }
            };
            self.log.push((self.now(), happened));
        }
    }

    fn plan(&mut self, request: &Request) {
        let fate = self.fault_injector.as_mut().map_or_else(Fate::default, FaultInjector::next);
        if fate.lost {
            return;
        }
        let world = fate.bogus.as_ref().unwrap_or(&self.world);
        let Answered { connected, after, answer } = answer(world, request, None);
        let now = self.now();
        if let (Some(connected), Request::Http(get)) = (connected, request) {
            let at = now + self.latency.unwrap_or(connected);
            self.simulator.schedule(at, Input::Connected(get.id, at));
        }
        if let Some(answer) = answer {
            let at = now + self.latency.unwrap_or(after) + fate.late;
            for at in [Some(at), fate.again.map(|again| at + again)].into_iter().flatten() {
                self.simulator.schedule(at, Input::Answer(answer.clone(), at));
            }
        }
    }
}

fn parse(text: &str) -> Scenario {
    // A scenario has to ask for something.
    let text = format!("{text}\nresolve unasked.example\n");
    match Scenario::parse(&text) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn server_name(text: &str) -> ServerName {
    match text.parse() {
        Ok(name) => name,
        Err(error) => panic!("{text}: {error}"),
    }
}
