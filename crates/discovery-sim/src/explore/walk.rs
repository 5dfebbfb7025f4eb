//! Ways through the states of one machine: every one of them, or a sample.
//!
//! Knows nothing of which ends are right.
//!
//! Late and duplicate answers are no branches: they must change nothing, so they are tried in every state and the state
//! is compared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use discovery_core::{
    Answer, DeadlineKind, Event, HttpId, Instant, Outcome, Request, RequestId, Resolution,
    Speculation, Ticket, UnixTime,
};

use super::faults::{Fault, Gone, asked};
use super::judge::{End, Judge, timeless};
use super::places::Places;
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
    /// The faults on the path.
    pub(super) gone: Gone,
    /// Answers to requests that have ended: given once more they change nothing.
    stale: VecDeque<Answer>,
    pub(super) end: Option<Outcome>,
    way: Way,
}

/// Answers to ended requests that are kept.
const MAX_STALE: usize = 4;

/// An open request, and what the world will say to it.
pub(super) struct Open {
    pub(super) request: Request,
    pub(super) answer: Option<Answer>,
    /// For a GET at whose address TLS comes up.
    pub(super) connects: Option<HttpId>,
}

impl Open {
    pub(super) fn new(world: &World, request: Request) -> Self {
        let told = answer(world, &request, None);
        let connects = match (&request, told.connected) {
            (Request::Http(get), Some(_)) => Some(get.id),
            (Request::Http(_) | Request::Dns(_), _) => None,
        };
        Self { request, answer: told.answer, connects }
    }
}

/// A way as a list from its end, shared by all that go on from there.
type Way = Option<Rc<Step>>;

/// An input, or nothing where something does not happen; and what that was, in words.
struct Step {
    input: Option<Input>,
    told: String,
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
            gone: Gone::default(),
            stale: VecDeque::new(),
            end: None,
            way: None,
        }
    }

    /// Gives an input without taking events: for what a driver tells before it starts to poll.
    pub(super) fn apply_first(&mut self, input: Input) {
        self.machine.apply(&input);
        let told = self.told(&input);
        self.note(Some(input), told);
    }

    fn note(&mut self, input: Option<Input>, told: String) {
        self.way = Some(Rc::new(Step { input, told, before: self.way.take() }));
    }

    /// An input in words.
    fn told(&self, input: &Input) -> String {
        let about = |id: &RequestId| {
            self.open.get(id).map_or_else(|| format!("{id:?}"), |open| asked(&open.request))
        };
        match input {
            Input::Answer(answer, _) => format!("answered: {}", about(&answer.id())),
            Input::Connected(id, _) => format!("connected: {}", about(&RequestId::Http(*id))),
            Input::Timeout(at) => {
                format!("{:?} after the start", at.saturating_duration_since(START))
            }
            Input::Resolve(name, _) => format!("asked for {name}"),
            Input::Abandon(..) => "abandoned".to_owned(),
            Input::Routes(..)
            | Input::NameServers(..)
            | Input::Forget(..)
            | Input::Report(..)
            | Input::Import(..) => format!("{input:?}"),
        }
    }

    pub(super) fn apply(&mut self, input: Input, world: &World) {
        self.now = self.now.max(input.at());
        let answered =
            if let Input::Answer(answer, _) = &input { Some(answer.clone()) } else { None };
        if let Input::Connected(id, _) = &input {
            self.told.insert(*id);
        }
        self.apply_first(input);
        if let Some(answer) = answered {
            self.open.remove(&answer.id());
            self.ended(answer);
        }
        for event in self.machine.drain() {
            match event {
                Event::Request(request) => {
                    self.open.insert(request.id(), Rc::new(Open::new(world, request)));
                }
                Event::Cancel(id) => {
                    let open = self.open.remove(&id);
                    if let Some(answer) = open.and_then(|open| open.answer.clone()) {
                        self.ended(answer);
                    }
                }
                Event::Finished(_, outcome) => self.end = Some(outcome),
            }
        }
    }

    fn ended(&mut self, answer: Answer) {
        if self.stale.len() >= MAX_STALE {
            self.stale.pop_front();
        }
        self.stale.push_back(answer);
    }

    /// Something goes wrong with an open request.
    fn go_wrong(&self, open: &Open, fault: &Fault, world: &World) -> Self {
        let mut next = self.clone();
        next.gone.wrong(&open.request, fault);
        let told = format!("{fault}: {}", asked(&open.request));
        match fault {
            Fault::Lost => {
                let lost = Open { request: open.request.clone(), answer: None, connects: None };
                next.open.insert(open.request.id(), Rc::new(lost));
                next.note(None, told);
            }
            Fault::Wrong(answer) | Fault::GivenUp(answer) => {
                next.apply(Input::Answer(answer.clone(), self.now), world);
                if let Some(step) = next.way.as_mut().and_then(Rc::get_mut) {
                    step.told = told;
                }
            }
        }
        next
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
            inputs.extend(this.input.clone());
            step = &this.before;
        }
        inputs.reverse();
        inputs
    }

    /// The way in words.
    pub(super) fn moves(&self) -> Vec<String> {
        let mut moves = Vec::new();
        let mut step = &self.way;
        while let Some(this) = step {
            moves.push(this.told.clone());
            step = &this.before;
        }
        moves.reverse();
        moves
    }

    /// Whether it came here without anything having been answered or having timed out: then it was there from the beginning, before
    /// the routes were told.
    pub(super) fn at_once(&self) -> bool {
        let mut step = &self.way;
        while let Some(this) = step {
            if matches!(this.input, Some(Input::Answer(..) | Input::Timeout(_))) {
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
        if self.gone.count > 0 {
            let lost: Vec<bool> = self.open.keys().map(|id| self.gone.lost.contains(id)).collect();
            (self.gone.count, &self.gone.lied, lost).hash(&mut both);
        }
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
        let mut places = Places::new(self.subject.begin(self.speculation), self.limits.shortest);
        while let Some((faults, node)) = places.next() {
            if self.arrive(&node) {
                continue;
            }
            if self.visited.len() >= self.most || self.limits.shortest && self.judge.has_found() {
                return places.left_at(faults);
            }
            if !self.visited.insert(node.fingerprint()) {
                continue;
            }
            let answers = self.answers(&node);
            if answers.len() > self.limits.open {
                return self.sample();
            }
            if self.limits.faults > 0 {
                self.repeat(&node);
                self.away(&node);
            }
            for input in self.next(&node, answers) {
                places.add(faults, self.go(&node, input));
            }
            for gone_wrong in self.faults(&node) {
                places.add(gone_wrong.gone.count, gone_wrong);
            }
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
            let way = || (node.way(), node.moves());
            self.judge.end(&End {
                outcome,
                speculation: self.speculation,
                timers: node.timers,
                gone: &node.gone,
                now: node.now,
                at_once: node.at_once(),
                way: &way,
            });
        }
        stop || node.end.is_some()
    }

    fn find(&mut self, node: &Node, why: Wrong) {
        let (speculation, way, moves) = (self.speculation, node.way(), node.moves());
        self.judge.find(Finding { why, speculation, way, moves });
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

    /// Every place to which one more fault leads.
    fn faults(&self, node: &Node) -> Vec<Node> {
        if node.gone.count >= self.limits.faults {
            return Vec::new();
        }
        let world = &self.subject.world;
        let open = node.open.values().filter(|open| !node.gone.lost.contains(&open.request.id()));
        let mut next: Vec<Node> = open
            .flat_map(|open| Fault::of(&open.request).into_iter().map(move |fault| (open, fault)))
            .map(|(open, fault)| node.go_wrong(open, &fault, world))
            .collect();
        // The machine was away, and all that is open may have suffered from that.
        if let Some(deadline) = node.machine.poll_timeout() {
            let mut asleep = node.with(Input::Timeout(deadline.at + ASLEEP), world);
            asleep.timers = asleep.timers.saturating_add(1);
            asleep.gone.count = asleep.gone.count.saturating_add(1);
            next.push(asleep);
        }
        next
    }

    /// I3, I8: answers once more and time that goes back change nothing, in no state.
    fn repeat(&mut self, node: &Node) {
        let before = node.machine.machine().state(node.now);
        let back = Instant::from_nanos(node.now.as_nanos().saturating_sub(1_000_000_000));
        let again = node.stale.iter().map(|answer| Input::Answer(answer.clone(), node.now));
        for input in again.chain([Input::Timeout(back)]) {
            let mut next = node.clone();
            next.apply_first(input.clone());
            let events = next.machine.drain();
            for violation in next.machine.violations().to_vec() {
                self.find(&next, Wrong::Broken(violation));
            }
            if !events.is_empty() || next.machine.machine().state(node.now) != before {
                self.find(&next, Wrong::Stirred(format!("{input:?}")));
            }
        }
    }

    /// I15: a machine that comes back from a pause decides nothing by that, and waits for as long as it would have before.
    fn away(&mut self, node: &Node) {
        let Some(deadline) = node.machine.poll_timeout() else { return };
        let back = deadline.at + ASLEEP;
        let mut next = node.clone();
        next.now = back;
        next.apply_first(Input::Timeout(back));
        let events = next.machine.drain();
        for violation in next.machine.violations().to_vec() {
            self.find(&next, Wrong::Broken(violation));
        }
        let left =
            next.machine.poll_timeout().map(|deadline| deadline.at.saturating_duration_since(back));
        // The time of a heartbeat is nobody's patience: it is a whole interval again.
        let waits = deadline.kind != DeadlineKind::Heartbeat;
        let same = left == Some(deadline.at.saturating_duration_since(node.now));
        if !events.is_empty() || (waits && !same) {
            self.find(&next, Wrong::Stirred(format!("a pause of {ASLEEP:?}")));
        }
    }

    fn abandon(&mut self, node: &Node) {
        let next = node.with(Input::Abandon(Ticket::from_number(0), node.now), &self.subject.world);
        for violation in next.machine.violations().to_vec() {
            self.find(&next, Wrong::Broken(violation));
        }
        let abandoned = next.end.as_ref().and_then(|end| end.as_ref().err());
        let kind = abandoned.map(|failed| failed.kind);
        if kind != Some(discovery_core::ErrorKind::Abandoned) || !next.open.is_empty() {
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
                let mut faults = self.faults(&node);
                if !faults.is_empty() && draw.below(4) == 0 {
                    node = faults.swap_remove(draw.below(faults.len()));
                    continue;
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

/// For how long the machine sleeps where its clock jumps: less than any lookup may take, more than most waits.
const ASLEEP: Duration = Duration::from_secs(3600);

/// Steps to an end at most.
const MAX_STEPS: usize = 10_000;

/// Pairs tried in one state, and in all.
const PAIRS_PER_STATE: usize = 8;
const MAX_PAIRS: usize = 2_000;
