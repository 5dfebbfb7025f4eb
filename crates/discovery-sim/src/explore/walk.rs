//! Ways through the states of one machine: every one of them, or a sample.
//!
//! Knows nothing of which ends are right.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use discovery_core::{
    Answer, Event, HttpId, Instant, Outcome, Request, RequestId, Resolution, Speculation, Ticket,
    UnixTime,
};

use super::judge::{End, Judge, timeless};
use super::{Coverage, Finding, Limits, Subject, Wrong};
use crate::draw::Draw;
use crate::run::{Input, Monitor, START, answer};
use crate::world::World;

/// A place on a way: the machine, what its driver knows, and how it came here.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) machine: Monitor<Resolution>,
    open: BTreeMap<RequestId, Rc<Open>>,
    told: BTreeSet<HttpId>,
    pub(super) now: Instant,
    pub(super) timers: usize,
    early: usize,
    pub(super) end: Option<Outcome>,
    way: Way,
}

/// An open request, and what the world will say to it.
struct Open {
    answer: Option<Answer>,
    /// For a GET at whose address TLS comes up.
    connects: Option<HttpId>,
}

/// A way as a list from its end, shared by all that go on from there.
type Way = Option<Rc<Step>>;

struct Step {
    input: Input,
    before: Way,
}

impl Node {
    pub(super) fn new(machine: Monitor<Resolution>) -> Self {
        Self {
            machine,
            open: BTreeMap::new(),
            told: BTreeSet::new(),
            now: START,
            timers: 0,
            early: 0,
            end: None,
            way: None,
        }
    }

    /// Gives an input without taking events: for what a driver tells before it starts to poll.
    pub(super) fn apply_first(&mut self, input: Input) {
        self.machine.apply(&input);
        self.way = Some(Rc::new(Step { input, before: self.way.take() }));
    }

    pub(super) fn apply(&mut self, input: Input, world: &World) {
        self.now = self.now.max(input.at());
        if let Input::Answer(answer, _) = &input {
            self.open.remove(&answer.id());
        }
        if let Input::Connected(id, _) = &input {
            self.told.insert(*id);
        }
        self.apply_first(input);
        for event in self.machine.drain() {
            match event {
                Event::Request(request) => {
                    let told = answer(world, &request, None);
                    let connects = match (&request, told.connected) {
                        (Request::Http(get), Some(_)) => Some(get.id),
                        (Request::Http(_) | Request::Dns(_), _) => None,
                    };
                    let open = Open { answer: told.answer, connects };
                    self.open.insert(request.id(), Rc::new(open));
                }
                Event::Cancel(id) => {
                    self.open.remove(&id);
                }
                Event::Finished(_, outcome) => self.end = Some(outcome),
            }
        }
    }

    fn with(&self, input: Input, world: &World) -> Self {
        let mut next = self.clone();
        next.apply(input, world);
        next
    }

    pub(super) fn way(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut step = &self.way;
        while let Some(this) = step {
            inputs.push(this.input.clone());
            step = &this.before;
        }
        inputs.reverse();
        inputs
    }

    /// Whether it came here without anything having been answered or having timed out: then it was there from the beginning, before
    /// the routes were told.
    pub(super) fn at_once(&self) -> bool {
        let mut step = &self.way;
        while let Some(this) = step {
            if matches!(this.input, Input::Answer(..) | Input::Timeout(_)) {
                return false;
            }
            step = &this.before;
        }
        true
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(START)
    }

    /// A fingerprint of everything that the future depends on: equal ones are taken for equal states.
    fn fingerprint(&self) -> u128 {
        let state = self.machine.machine().state(self.now);
        let mut both = Both(DefaultHasher::new(), DefaultHasher::new());
        both.1.write_u8(1);
        (&state, self.early).hash(&mut both);
        (u128::from(both.0.finish()) << 64) | u128::from(both.1.finish())
    }
}

/// Two hashers that are fed the same behind different beginnings: 64 bits would be few for millions of states.
struct Both(DefaultHasher, DefaultHasher);

impl Hasher for Both {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
        self.1.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// One exploration in one mode of speculation.
pub(super) struct Walk<'a, 'j> {
    subject: &'a Subject,
    limits: &'a Limits,
    speculation: Speculation,
    most: usize,
    visited: BTreeSet<u128>,
    judge: &'j mut Judge<'a>,
}

impl<'a, 'j> Walk<'a, 'j> {
    pub(super) fn new(
        subject: &'a Subject,
        limits: &'a Limits,
        speculation: Speculation,
        most: usize,
        judge: &'j mut Judge<'a>,
    ) -> Self {
        Self { subject, limits, speculation, most, visited: BTreeSet::new(), judge }
    }

    pub(super) fn visited(&self) -> usize {
        self.visited.len()
    }

    pub(super) fn run(&mut self) -> Coverage {
        let mut stack = vec![self.subject.begin(self.speculation)];
        while let Some(node) = stack.pop() {
            if self.arrive(&node) {
                continue;
            }
            if self.visited.len() >= self.most {
                return Coverage::CutShort { left: stack.len().saturating_add(1) };
            }
            if !self.visited.insert(node.fingerprint()) {
                continue;
            }
            let answers = self.answers(&node);
            if answers.len() > self.limits.open {
                return self.sample();
            }
            stack.extend(self.next(&node, answers).into_iter().map(|input| self.go(&node, input)));
        }
        Coverage::Complete
    }

    /// Judges a place; whether the way ends there.
    fn arrive(&mut self, node: &Node) -> bool {
        let broken = node.machine.violations().to_vec();
        let stop = !broken.is_empty();
        for violation in broken {
            self.find(node, Wrong::Broken(violation));
        }
        if let Some(outcome) = &node.end {
            let end = End { outcome, node, speculation: self.speculation };
            self.judge.end(&end);
        }
        stop || node.end.is_some()
    }

    fn find(&mut self, node: &Node, why: Wrong) {
        self.judge.find(Finding { why, speculation: self.speculation, way: node.way() });
    }

    /// The answers that could come now.
    fn answers(&self, node: &Node) -> Vec<Answer> {
        let elapsed = node.elapsed().as_secs();
        let clock = |clock: UnixTime| UnixTime(clock.0.saturating_add(elapsed));
        let received = self.subject.clock.map(clock);
        let mut answers: Vec<Answer> =
            node.open.values().filter_map(|open| open.answer.clone()).collect();
        for answer in &mut answers {
            if let Answer::Http(_, Ok(response)) = answer {
                response.received = received;
            }
        }
        answers
    }

    /// Everything that could happen now.
    fn next(&mut self, node: &Node, answers: Vec<Answer>) -> Vec<Input> {
        let now = node.now;
        let waiting = !answers.is_empty();
        let mut inputs: Vec<Input> =
            answers.into_iter().map(|answer| Input::Answer(answer, now)).collect();
        if self.limits.connected {
            let up = node.open.values().filter_map(|open| open.connects);
            let news = up.filter(|id| !node.told.contains(id));
            inputs.extend(news.map(|id| Input::Connected(id, now)));
        }
        if self.limits.abandon {
            self.abandon(node);
        }
        let timers = !waiting || node.early < self.limits.early_timers;
        match node.machine.poll_timeout().filter(|_| timers) {
            Some(deadline) => inputs.push(Input::Timeout(deadline.at)),
            None if inputs.is_empty() => self.find(node, Wrong::NeverEnds),
            None => {}
        }
        inputs
    }

    fn go(&self, node: &Node, input: Input) -> Node {
        let timer = matches!(input, Input::Timeout(_));
        let early = timer && node.open.values().any(|open| open.answer.is_some());
        let mut next = node.with(input, &self.subject.world);
        next.timers = next.timers.saturating_add(usize::from(timer));
        next.early = next.early.saturating_add(usize::from(early));
        next
    }

    fn abandon(&mut self, node: &Node) {
        let next = node.with(Input::Abandon(Ticket::from_number(0), node.now), &self.subject.world);
        for violation in next.machine.violations().to_vec() {
            self.find(&next, Wrong::Broken(violation));
        }
        let abandoned = next.end.as_ref().and_then(|end| end.as_ref().as_ref().err());
        let kind = abandoned.map(|failed| failed.kind);
        if kind != Some(discovery_core::FailureKind::Abandoned) || !next.open.is_empty() {
            self.find(&next, Wrong::NeverEnds);
        }
    }

    /// Sampled orders: too many answers are open at once for all of them.
    fn sample(&mut self) -> Coverage {
        self.visited.clear();
        let mut draw = Draw::new(self.limits.seed);
        let (mut orders, mut pairs) = (0, 0);
        while orders < self.limits.samples && self.visited.len() < self.most {
            orders += 1;
            let mut node = self.subject.begin(self.speculation);
            while !self.arrive(&node) {
                let answers = self.answers(&node);
                if self.visited.insert(node.fingerprint()) && pairs < MAX_PAIRS {
                    pairs += self.pairs(&node, &answers, &mut draw);
                }
                let mut inputs = self.next(&node, answers);
                if inputs.is_empty() {
                    break;
                }
                let input = inputs.swap_remove(draw.below(inputs.len()));
                node = self.go(&node, input);
            }
        }
        Coverage::Sampled { orders, pairs }
    }

    /// Tries pairs of answers both ways; they must lead to one state, or to states that come to one end.
    fn pairs(&mut self, node: &Node, answers: &[Answer], draw: &mut Draw) -> usize {
        let mut tried = 0;
        for _ in 0..PAIRS_PER_STATE.min(answers.len()) {
            let (one, two) = (draw.below(answers.len()), draw.below(answers.len()));
            let (Some(a), Some(b)) = (answers.get(one), answers.get(two)) else { continue };
            // Where addresses disagree, the first HTTP answer is the fact: that order may matter.
            let race = matches!((a, b), (Answer::Http(..), Answer::Http(..)));
            if one == two || race && self.judge.may_disagree {
                continue;
            }
            tried += 1;
            let (ab, ba) = (self.both(node, a, b), self.both(node, b, a));
            // Two states may differ in what is of no consequence: which request went out first, or a fact that the other way
            // no longer asks for. Then the ends tell.
            let ended = ab.end.is_some() || ba.end.is_some();
            if (ended || ab.fingerprint() != ba.fingerprint())
                && self.settle(ab) != self.settle(ba.clone())
            {
                let which = format!("{:?} and {:?}", a.id(), b.id());
                self.find(&ba, Wrong::PairMatters(which));
            }
        }
        tried
    }

    /// Two answers one after the other; the first may make the second needless.
    fn both(&self, node: &Node, first: &Answer, then: &Answer) -> Node {
        let world = &self.subject.world;
        let mut next = node.with(Input::Answer(first.clone(), node.now), world);
        next.apply(Input::Answer(then.clone(), node.now), world);
        next
    }

    /// The end, if from here the oldest request is always answered first.
    fn settle(&self, mut node: Node) -> Option<Outcome> {
        for _ in 0..MAX_STEPS {
            if let Some(end) = &node.end {
                return Some(timeless(end));
            }
            let answer = self.answers(&node).into_iter().next();
            let timer = || node.machine.poll_timeout().map(|deadline| Input::Timeout(deadline.at));
            let input = answer.map(|answer| Input::Answer(answer, node.now)).or_else(timer)?;
            node = self.go(&node, input);
        }
        None
    }
}

/// Steps to an end at most.
const MAX_STEPS: usize = 10_000;

/// Pairs tried in one state, and in all.
const PAIRS_PER_STATE: usize = 8;
const MAX_PAIRS: usize = 2_000;
