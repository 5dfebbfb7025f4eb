//! A session with a resolver: steps among a few names whose worlds change, compared with the model of what may be remembered.
//!
//! Three things are compared: which questions are asked and when, which facts are used and until when they count, and that a
//! result is what the same facts give to a machine that remembers nothing (I13). Knows nothing of who chose the steps.

mod alone;
mod pair;
mod refer;
mod setup;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use alone::alone;
use discovery_core::{
    Answer, Cursor, Decision, Disposition, Effect, ErrorKind, Fact, Feedback, Instant, Outcome,
    Policy, Question, RecordType, Request, RequestId, ServerName, Ticket, TlsName,
};
use http::StatusCode;
use refer::refer;
pub use setup::{Setup, Step};
use setup::{name, span};

use crate::bench::{Bench, Happened};
use crate::cache_model::CacheModel;
use crate::fault_injector::FaultInjector;
use crate::feedback_model::FeedbackModel;
use crate::run::{START, question};
use crate::scenario::Scenario;
use crate::world::World;

/// Two resolvers, of which one is asked, in a world.
#[derive(Clone, Debug)]
pub struct Session {
    here: Half,
    there: Half,
    setup: Setup,
}

/// A resolver, and the model beside it.
#[derive(Clone, Debug)]
struct Half {
    bench: Bench,
    model: CacheModel,
    tickets: Vec<Ticket>,
    /// The name and beginning of each.
    begun: BTreeMap<Ticket, (&'static str, Instant)>,
    feedback: FeedbackModel,
    /// Where names led when they were last asked for.
    places: BTreeMap<&'static str, Vec<SocketAddr>>,
    policy: Policy,
    /// Up to where it has told the other one.
    told: Cursor,
    attacker_names: usize,
    /// Since when nobody has told it the time.
    asleep_since: Option<Instant>,
    /// Requests under way.
    open: BTreeSet<RequestId>,
    /// Those that were under way in a pause of the machine (I15).
    paused: BTreeSet<RequestId>,
}

/// Most attacker-chosen names in one step.
const CROWD: usize = 300;

impl Session {
    /// A session that begins.
    pub fn new(setup: Setup) -> Self {
        let half = Half::new(&setup);
        Self { here: half.clone(), there: half, setup }
    }

    /// Injects faults into the answers; a bogus answer is true in one of these setups.
    #[must_use]
    pub fn with_faults(mut self, seed: u64, bogus: &[Setup]) -> Self {
        let world = |setup: &Setup| {
            let text = format!("{}\nresolve unasked.example\n", setup.text());
            let scenario = Scenario::parse(&text);
            scenario.map_or_else(|_| World::default(), |scenario| scenario.world_at(Duration::ZERO))
        };
        let injector = FaultInjector::new(seed, bogus.iter().map(world).collect());
        self.here.bench = self.here.bench.with_faults(injector);
        self
    }

    /// How long it has been.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.here.bench.now().saturating_duration_since(START)
    }

    /// How many attacker-chosen names have been asked for.
    #[must_use]
    pub fn attacker_names(&self) -> u64 {
        u64::try_from(self.here.attacker_names).unwrap_or(u64::MAX)
    }

    /// The faults so far.
    #[must_use]
    pub fn fault_injector(&self) -> Option<&FaultInjector> {
        self.here.bench.fault_injector()
    }

    /// One more thing happens.
    ///
    /// # Panics
    /// If what follows is not what the model allows, or an invariant is broken.
    pub fn step(&mut self, step: Step) {
        match step {
            Step::Document(..) | Step::Zone(..) | Step::Service(_) | Step::Silent(_) => {
                self.setup.change(&step);
                for half in [&mut self.here, &mut self.there] {
                    half.bench.become_world(&self.setup.text());
                }
            }
            Step::Import(which) => self.import(which),
            Step::Swap => self.swap(),
            Step::Resolve(_)
            | Step::Ask(_)
            | Step::Abandon(_)
            | Step::Wait(_)
            | Step::Forget(_)
            | Step::Report(..)
            | Step::Sleep(_)
            | Step::Back(_)
            | Step::Crowd(_) => self.here.step(step),
        }
        self.here.hear();
    }

    /// Ends the session.
    ///
    /// # Panics
    /// If what is left to happen is not what the model allows, or an invariant is broken.
    pub fn finish(self) {
        for mut half in [self.here, self.there] {
            half.bench.settle();
            half.hear();
            if !self.setup.remembers {
                let kept = half.bench.counters().results;
                assert_eq!(kept, 0, "results are not to be remembered");
            }
            half.bench.finish();
        }
    }
}

impl Half {
    fn new(setup: &Setup) -> Self {
        let bench = Bench::new(&setup.text());
        let policy = bench.policy().clone();
        let model = CacheModel::new(policy.clone());
        let feedback = FeedbackModel::new(&policy);
        let (tickets, begun, places) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let (told, attacker_names) = (Cursor::START, 0);
        let asleep_since = None;
        Self {
            bench,
            model,
            tickets,
            begun,
            feedback,
            places,
            policy,
            told,
            attacker_names,
            asleep_since,
            open: BTreeSet::new(),
            paused: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Resolve(which) => {
                let ticket = self.ask(name(which));
                drop(self.bench.outcome(ticket));
            }
            Step::Ask(which) => {
                let _: Ticket = self.ask(name(which));
            }
            Step::Abandon(which) => {
                let index = which.checked_rem(self.tickets.len());
                if let Some(ticket) = index.and_then(|index| self.tickets.get(index)) {
                    self.bench.abandon(*ticket);
                }
            }
            Step::Wait(which) => {
                self.bench.wait(span(which));
            }
            Step::Forget(which) => {
                // What somebody waits for is asked for anew at once.
                self.hear();
                self.model.forget(|question| may_rest_on(name(which), question));
                self.bench.forget(name(which));
                self.hear();
                self.model.forget(|question| may_rest_on(name(which), question));
            }
            Step::Report(which, what) => self.report(name(which), what),
            Step::Sleep(which) => {
                // What failed while nobody looked failed at moments that only the machine knows.
                self.model.forget(|_| true);
                self.asleep_since = Some(self.bench.now());
                let pauses = self.bench.counters().pauses;
                self.bench.sleep(span(which));
                if self.bench.counters().pauses > pauses {
                    self.paused.extend(&self.open);
                    self.model.paused();
                }
                self.hear();
                self.asleep_since = None;
                self.model.forget(|_| true);
            }
            Step::Back(which) => {
                self.bench.go_back(span(which));
            }
            Step::Crowd(count) => {
                for _ in 0..count % CROWD {
                    self.attacker_names = self.attacker_names.saturating_add(1);
                    self.bench.ask(&format!("n{}.strangers.example", self.attacker_names));
                }
            }
            Step::Document(..)
            | Step::Zone(..)
            | Step::Service(_)
            | Step::Silent(_)
            | Step::Import(_)
            | Step::Swap => {}
        }
    }

    fn ask(&mut self, name: &'static str) -> Ticket {
        // A ticket shares the lookup of its name that is under way: what that has read, it has read.
        let shared = self
            .begun
            .iter()
            .filter(|(ticket, (other, _))| *other == name && self.bench.end(**ticket).is_none());
        let begun = shared.map(|(_, (_, begun))| *begun).min().unwrap_or(self.bench.now());
        self.feedback.used(name, self.bench.now());
        let ticket = self.bench.ask(name);
        self.tickets.push(ticket);
        self.begun.insert(ticket, (name, begun));
        ticket
    }

    /// A caller tells of a place that a name led to, or of another.
    fn report(&mut self, name: &'static str, what: usize) {
        const SAID: [Feedback; 6] = [
            Feedback::ConnectFailed,
            Feedback::TlsFailed,
            Feedback::ConnectFailed,
            Feedback::Misdirected,
            Feedback::Connected,
            Feedback::NotMatrix,
        ];
        let Some(said) = SAID.get(what % SAID.len()).copied() else { return };
        let all = self.places.get(name).cloned().unwrap_or_default();
        let place = all.get((what / SAID.len()).checked_rem(all.len()).unwrap_or_default());
        let Some(place) = place.copied() else { return };
        // What the last outcome says is not always where the name leads now: then it is told that nothing has changed.
        let got = self.bench.report(name, place, said);
        if got == Disposition::Accepted {
            let now = self.bench.now();
            let resolver = self.bench.resolver();
            let known = resolver.results().find(|(other, _)| other.as_str() == name);
            let all = match known {
                Some((_, Ok(resolved))) => resolved.socket_addrs().collect(),
                Some((_, Err(_))) | None => vec![place],
            };
            self.feedback.told(name, place, said, &all, now);
        }
        let elsewhere = SocketAddr::new(place.ip(), 1);
        assert_ne!(self.bench.report(name, elsewhere, said), Disposition::Accepted);
    }

    /// Tells the model what happened, and compares.
    fn hear(&mut self) {
        let news = self.bench.news();
        let mut last = None;
        for (at, happened) in news {
            if let Some(before) = last.filter(|before| *before != at) {
                self.model.rest(before);
            }
            last = Some(at);
            match happened {
                Happened::Asked(request) => {
                    self.open.insert(request.id());
                    let feedback = &mut self.feedback;
                    let model = &mut self.model;
                    let allowed = about(&request, |question| {
                        model.asked(question, at, |told| {
                            feedback.may_ask(told, at, |name| may_rest_on(name, question))
                        })
                    });
                    assert_eq!(allowed, Some(Ok(())), "{at:?}");
                }
                Happened::Answered(request, answer) => {
                    self.open.remove(&request.id());
                    // I15: what may come from a pause is asked again, and says nothing.
                    let says_nothing = self.paused.remove(&request.id()) && is_doubtful(&answer);
                    about(&request, |question| match says_nothing {
                        true => self.model.cancelled(question, at),
                        false => self.model.answered(question, &answer, at),
                    });
                }
                Happened::Cancelled(request) => {
                    self.open.remove(&request.id());
                    about(&request, |question| self.model.cancelled(question, at));
                }
                Happened::Ended(ticket, outcome) => self.ended(ticket, &outcome, at),
            }
        }
        if let Some(at) = last {
            self.model.rest(at);
        }
    }

    fn ended(&mut self, ticket: Ticket, outcome: &Outcome, at: Instant) {
        let Some((name, begun)) = self.begun.get(&ticket).copied() else { return };
        let (decisions, until) = match outcome {
            Ok(resolved) => (&resolved.explanation.decisions, resolved.expires),
            Err(failed) if failed.kind == ErrorKind::Abandoned => return,
            Err(failed) => (&failed.explanation.decisions, failed.retry_after),
        };
        // A result may have been ready when it was asked for: its facts were used by the lookup that made it.
        for (index, decision) in decisions.iter().enumerate() {
            let (Some(question), Some(fact)) = (decision.question(), decision.fact()) else {
                continue;
            };
            let next = decisions.get(index + 1);
            let stale = next.is_some_and(|next| next.effect == Effect::Stale);
            let most = self.model.used(question, fact, stale, begun, at);
            let most = most.unwrap_or_else(|why| panic!("{}: {why}\n{outcome:?}", name));
            let lives = until.is_none_or(|until| until <= most);
            assert!(lives, "{question}: {until:?} > {most:?}");
        }
        self.compare(name, outcome, decisions, at);
        if let Ok(resolved) = outcome {
            self.places.insert(name, resolved.socket_addrs().collect());
        }
    }

    /// I13: the same facts give the same result to a machine that remembers nothing.
    fn compare(&self, name: &str, outcome: &Outcome, decisions: &[Decision], at: Instant) {
        let facts: BTreeMap<_, _> = decisions
            .iter()
            .filter_map(|decision| Some((decision.question()?.clone(), decision.fact()?.clone())))
            .collect();
        // A document outlives its host's addresses: who comes new could not ask for it.
        let of_document = |(question, fact): (&Question, &Fact)| match question {
            Question::Dns(host, RecordType::A) => {
                let gets = facts.keys().any(|known| is_get_of(known, host));
                gets && !matches!(fact, Fact::Addresses { .. })
            }
            Question::Dns(..) | Question::Get(_) => false,
        };
        if facts.iter().any(of_document) {
            return;
        }
        let Ok(parsed) = name.parse::<ServerName>() else { return };
        // The text knows nothing of what callers have told.
        if !decisions.iter().any(|decision| matches!(decision.effect, Effect::MovedBack(_))) {
            refer(&parsed, facts.clone(), outcome, &self.policy);
        }
        // Who is told at once that a document failed waits for what was late meanwhile.
        let late = facts.iter().any(|(question, fact)| match question {
            Question::Dns(host, RecordType::Aaaa | RecordType::A) => {
                *fact == Fact::Late && facts.keys().any(|known| is_get_of(known, host))
            }
            Question::Dns(_, RecordType::Srv) | Question::Get(_) => false,
        });
        if late {
            return;
        }
        let alone = alone(&parsed, &facts, &self.policy);
        let plain = |outcome: &Outcome| match outcome {
            Ok(done) => {
                let tls = done.tls_name.clone();
                Ok((done.socket_addrs().collect(), done.host_header.clone(), tls, done.step))
            }
            Err(failed) => Err(failed.kind),
        };
        // What fails comes last, in its order, and is told.
        let told = decisions.iter().filter_map(|decision| {
            let Effect::MovedBack(moved) = &decision.effect else { return None };
            Some((moved.place, moved.said))
        });
        let told: Vec<(SocketAddr, Feedback)> = told.collect();
        let mut wanted = plain(&alone);
        let mut moved = Vec::new();
        if let Ok((places, ..)) = &mut wanted {
            let all: Vec<SocketAddr> = std::mem::take(places);
            let rests = |at| move |place: &SocketAddr| self.feedback.rests(name, *place, at);
            let moved_at = |at| {
                let moved = all.iter().filter_map(|place| Some((*place, rests(at)(place)?)));
                moved.collect::<Vec<_>>()
            };
            // Whatever ends in a sleep ends as it was right at a moment of it.
            let moments = self.feedback.moments(self.asleep_since.unwrap_or(at), at);
            let at = moments.into_iter().find(|at| moved_at(*at) == told).unwrap_or(at);
            places.extend(all.iter().filter(|place| rests(at)(place).is_none()));
            places.extend(all.iter().filter(|place| rests(at)(place).is_some()));
            moved = moved_at(at);
        }
        assert_eq!(plain(outcome), wanted, "{name}: {decisions:#?}");
        assert_eq!(told, moved, "{name}");
        let mut decisions = decisions.to_vec();
        decisions
            .retain(|decision| !matches!(decision.effect, Effect::Stale | Effect::MovedBack(_)));
        let explained = match &alone {
            Ok(done) => &done.explanation.decisions,
            Err(failed) => &failed.explanation.decisions,
        };
        assert_eq!(*decisions, **explained, "{name}");
    }
}

/// Whether a name may rest on a question, in any of these worlds.
fn may_rest_on(name: &str, question: &Question) -> bool {
    let host = name.split(':').next().unwrap_or(name);
    let text = question.to_string();
    let delegates = ["a.example", "b.example", "c.example"].contains(&name);
    text.contains(host) || (delegates && text.contains("fed.example.net"))
}

/// Tells of the question of a request.
/// Whether the other side may have given up on a machine that was away: an error, or a response that says so.
fn is_doubtful(answer: &Answer) -> bool {
    match answer {
        Answer::Dns(_, said) => said.is_err(),
        Answer::Http(_, Ok(response)) => {
            response.status == StatusCode::REQUEST_TIMEOUT || response.status.is_server_error()
        }
        Answer::Http(_, Err(_)) => true,
    }
}

fn about<T>(request: &Request, tell: impl FnOnce(&Question) -> T) -> Option<T> {
    question(request).as_ref().map(tell)
}

fn is_get_of(question: &Question, host: &discovery_core::DnsName) -> bool {
    matches!(question, Question::Get(url) if url.host() == TlsName::Dns(host.clone()))
}
