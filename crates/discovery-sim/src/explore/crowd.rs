//! Several names at one resolver, asked for at once: every order of answers, faults and abandoned tickets among them.
//!
//! A resolver does not tell its state. Two places count as one where a driver sees no difference: the same answers have been given,
//! the same requests are open, the same ends have come out, the same deadline is next. That the order of the answers makes no such
//! difference is an invariant of its own (I13), which the ends are held against.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use discovery_core::{
    Answer, Config, Event, Instant, Outcome, RequestId, Resolver, ServerName, Speculation, Ticket,
};

use super::faults::{Fault, Gone, asked};
use super::judge::{End, Judge, timeless};
use super::places::Places;
use super::walk::Open;
use super::{Coverage, Explored, Finding, Limits, Subject, Wrong};
use crate::run::{Bounds, Input, Monitor, START, config};
use crate::scenario::Scenario;
use crate::world::World;

/// Explores all names of a scenario at one resolver, each asked for at the start in the world of that time. None where none of them is
/// a name.
pub fn explore_crowd(scenario: &Scenario, limits: &Limits) -> Option<Explored> {
    let names: Vec<ServerName> =
        scenario.resolves().iter().filter_map(|resolve| resolve.name.parse().ok()).collect();
    let subject = |name: &ServerName| Subject {
        name: name.clone(),
        world: scenario.world_at(std::time::Duration::ZERO),
        config: config(scenario),
        routes: scenario.routes_at(std::time::Duration::ZERO),
        clock: scenario.clock(),
    };
    let subjects: Vec<Subject> = names.iter().map(subject).collect();
    let first = subjects.first()?;
    let mut judges: Vec<Judge<'_>> = subjects.iter().map(Judge::new).collect();
    let (mut states, mut coverage) = (0_usize, Coverage::Complete);
    for (index, speculation) in limits.speculation.iter().enumerate() {
        let modes = limits.speculation.len().saturating_sub(index).max(1);
        let most = limits.states.saturating_sub(states) / modes;
        let mut crowd = Crowd {
            names: &names,
            world: &first.world,
            limits,
            speculation: *speculation,
            most,
            visited: BTreeSet::new(),
            judges: &mut judges,
        };
        coverage = coverage.lesser(crowd.run(first));
        states = states.saturating_add(crowd.visited.len());
    }
    let explored = judges.into_iter().map(|judge| judge.explored(coverage, states));
    explored.reduce(|mut all, one| {
        all.ends = all.ends.saturating_add(one.ends);
        all.outcomes.extend(one.outcomes);
        all.findings.extend(one.findings);
        all
    })
}

/// A state on a path.
#[derive(Clone)]
struct Place {
    machine: Monitor<Resolver>,
    open: BTreeMap<RequestId, Rc<Open>>,
    tickets: Vec<Ticket>,
    ends: BTreeMap<Ticket, Outcome>,
    /// What has been given, in no order: answers as requests in words, with what was said.
    given: BTreeSet<String>,
    now: Instant,
    timers: usize,
    early: usize,
    gone: Gone,
    way: Vec<(Option<Input>, String)>,
}

struct Crowd<'a, 'j> {
    names: &'a [ServerName],
    world: &'a World,
    limits: &'a Limits,
    speculation: Speculation,
    most: usize,
    visited: BTreeSet<String>,
    judges: &'j mut [Judge<'a>],
}

impl Crowd<'_, '_> {
    fn run(&mut self, subject: &Subject) -> Coverage {
        let mut places = Places::new(self.begin(subject), self.limits.shortest);
        loop {
            let Some((faults, place)) = places.next() else { return Coverage::Complete };
            let found = self.judges.iter().any(Judge::has_found);
            if self.visited.len() >= self.most || self.limits.shortest && found {
                return places.left_at(faults);
            }
            if self.arrive(&place) || !self.visited.insert(place.fingerprint()) {
                continue;
            }
            let more = self.next(&place);
            if more.is_empty() {
                self.find(&place, Wrong::NeverEnds);
            }
            for place in more {
                places.add(place.gone.count, place);
            }
        }
    }

    fn begin(&self, subject: &Subject) -> Place {
        let mut config: Config = subject.config.clone();
        config.policy.spec.speculation = self.speculation;
        config.routes = subject.routes;
        let bounds = Bounds::of(&config.policy);
        let mut place = Place {
            machine: Monitor::new(Resolver::new(config, START), bounds),
            open: BTreeMap::new(),
            tickets: Vec::new(),
            ends: BTreeMap::new(),
            given: BTreeSet::new(),
            now: START,
            timers: 0,
            early: 0,
            gone: Gone::default(),
            way: Vec::new(),
        };
        for name in self.names {
            let told = format!("asked for {name}");
            place.apply(Input::Resolve(name.clone(), START), told, self.world);
        }
        place
    }

    /// Judges a place; whether the way ends there.
    fn arrive(&mut self, place: &Place) -> bool {
        let broken = place.machine.violations().to_vec();
        let stop = !broken.is_empty();
        for violation in broken {
            self.find(place, Wrong::Broken(violation));
        }
        let done = place.ends.len() == place.tickets.len();
        if done {
            for (ticket, judge) in place.tickets.iter().zip(self.judges.iter_mut()) {
                let Some(outcome) = place.ends.get(ticket) else { continue };
                // A ticket that was given up ends as that, whatever is known.
                if abandoned(outcome) {
                    continue;
                }
                judge.end(&End {
                    outcome,
                    speculation: self.speculation,
                    timers: place.timers,
                    gone: &place.gone,
                    now: place.now,
                    at_once: place.given.is_empty() && place.timers == 0,
                    way: &|| place.way(),
                });
            }
        }
        stop || done
    }

    fn find(&mut self, place: &Place, why: Wrong) {
        let (way, moves) = place.way();
        if let Some(judge) = self.judges.first_mut() {
            judge.find(Finding { why, speculation: self.speculation, way, moves });
        }
    }

    /// Every place to which one thing more leads.
    fn next(&self, place: &Place) -> Vec<Place> {
        let mut next = Vec::new();
        let mut waiting = false;
        for open in place.open.values() {
            let what = asked(&open.request);
            if let Some(answer) = &open.answer {
                waiting = true;
                let mut after = place.clone();
                let told = format!("answered: {what}");
                after.apply(Input::Answer(answer.clone(), place.now), told, self.world);
                next.push(after);
            }
            if place.gone.count >= self.limits.faults
                || place.gone.lost.contains(&open.request.id())
            {
                continue;
            }
            for fault in Fault::of(&open.request) {
                let mut after = place.clone();
                after.gone.wrong(&open.request, &fault);
                let told = format!("{fault}: {what}");
                match fault {
                    Fault::Lost => {
                        let request = open.request.clone();
                        let lost = Open { request, answer: None, connects: None };
                        after.open.insert(open.request.id(), Rc::new(lost));
                        after.way.push((None, told));
                    }
                    Fault::Wrong(answer) | Fault::GivenUp(answer) => {
                        after.apply(Input::Answer(answer, place.now), told, self.world);
                    }
                }
                next.push(after);
            }
        }
        if place.gone.count < self.limits.faults && self.limits.abandon {
            let running = place.tickets.iter().filter(|ticket| !place.ends.contains_key(ticket));
            for ticket in running {
                let mut after = place.clone();
                after.gone.count = after.gone.count.saturating_add(1);
                let told = format!("abandoned: {ticket:?}");
                after.apply(Input::Abandon(*ticket, place.now), told, self.world);
                next.push(after);
            }
        }
        let timers = !waiting || place.early < self.limits.early_timers;
        if let Some(deadline) = place.machine.poll_timeout().filter(|_| timers) {
            let mut after = place.clone();
            after.timers = after.timers.saturating_add(1);
            after.early = after.early.saturating_add(usize::from(waiting));
            let told =
                format!("{:?} after the start", deadline.at.saturating_duration_since(START));
            after.apply(Input::Timeout(deadline.at), told, self.world);
            next.push(after);
        }
        next
    }
}

impl Place {
    fn apply(&mut self, input: Input, told: String, world: &World) {
        self.now = self.now.max(input.at());
        if let Input::Answer(answer, _) = &input {
            self.answered(answer);
        } else if let Input::Abandon(ticket, _) = &input {
            self.given.insert(format!("{ticket:?}"));
        }
        self.tickets.extend(self.machine.apply(&input));
        self.way.push((Some(input), told));
        for event in self.machine.drain() {
            match event {
                Event::Request(request) => {
                    self.open.insert(request.id(), Rc::new(Open::new(world, request)));
                }
                Event::Cancel(id) => drop(self.open.remove(&id)),
                Event::Finished(ticket, outcome) => drop(self.ends.insert(ticket, outcome)),
            }
        }
    }

    fn answered(&mut self, answer: &Answer) {
        let Some(open) = self.open.remove(&answer.id()) else { return };
        let said = match answer {
            Answer::Dns(_, said) => format!("{said:?}"),
            Answer::Http(_, Ok(response)) => format!("{} {:?}", response.status, response.body),
            Answer::Http(_, Err(error)) => format!("{error:?}"),
        };
        self.given.insert(format!("{} {said}", asked(&open.request)));
    }

    /// All that a driver sees.
    fn fingerprint(&self) -> String {
        let open: BTreeSet<(String, bool)> = self
            .open
            .values()
            .map(|open| (asked(&open.request), self.gone.lost.contains(&open.request.id())))
            .collect();
        let ends: Vec<_> = self.ends.iter().map(|(ticket, end)| (ticket, timeless(end))).collect();
        let at = self.machine.poll_timeout().map(|deadline| deadline.at);
        let (given, gone) = (&self.given, (self.gone.count, &self.gone.lied));
        format!("{:?} {given:?} {open:?} {ends:?} {at:?} {} {gone:?}", self.now, self.early)
    }

    fn way(&self) -> (Vec<Input>, Vec<String>) {
        let inputs = self.way.iter().filter_map(|(input, _)| input.clone()).collect();
        (inputs, self.way.iter().map(|(_, told)| told.clone()).collect())
    }
}

fn abandoned(outcome: &Outcome) -> bool {
    let failed = outcome.as_ref().err();
    failed.is_some_and(|failed| failed.kind == discovery_core::ErrorKind::Abandoned)
}
