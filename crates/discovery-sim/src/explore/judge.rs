//! Which ends are right: the same for the same facts, and what the reference model says.
//!
//! Knows nothing of how an end was reached, but whether a timer fired on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use discovery_core::{
    ErrorKind, Explanation, Fact, Instant, Outcome, Question, Routes, Speculation,
};

use super::faults::Gone;
use super::{Coverage, Explored, Finding, Subject, Wrong};
use crate::reference::{Given, Reference};
use crate::run::{Input, START};

/// The number of faults that are kept.
const MAX_FINDINGS: usize = 20;

/// An end and the way there.
pub(super) struct End<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) speculation: Speculation,
    /// Timers that have fired.
    pub(super) timers: usize,
    /// The faults.
    pub(super) gone: &'a Gone,
    /// When it came out.
    pub(super) now: Instant,
    /// Whether it was there from the beginning.
    pub(super) at_once: bool,
    /// The way, as inputs and in words.
    pub(super) way: &'a dyn Fn() -> (Vec<Input>, Vec<String>),
}

/// All events so far.
pub(super) struct Judge<'a> {
    subject: &'a Subject,
    /// The first end for each set of facts that the world alone does not decide.
    seen: BTreeMap<String, Outcome>,
    /// Those facts on ways on which no timer fired.
    untimed: Option<String>,
    /// Ends that the reference model has been asked about: their facts, whether a timer fired, whether they came at once.
    referred: BTreeSet<(String, bool, bool)>,
    /// Whether addresses of one host may answer differently.
    pub(super) may_disagree: bool,
    /// Whether name servers say different things, so that which reply comes first is a fact of its own.
    servers_disagree: bool,
    /// Whether first queries get no reply: then one that is sent again after a pause may get one.
    loses_queries: bool,
    ends: usize,
    findings: Vec<Finding>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        let world = &subject.world;
        let may_disagree = world.pages().any(|(_, address, _)| address.is_some());
        Self {
            subject,
            seen: BTreeMap::new(),
            untimed: None,
            referred: BTreeSet::new(),
            may_disagree,
            servers_disagree: world.servers_disagree(),
            loses_queries: world.loses_queries(),
            ends: 0,
            findings: Vec::new(),
        }
    }

    pub(super) fn has_found(&self) -> bool {
        !self.findings.is_empty()
    }

    pub(super) fn find(&mut self, finding: Finding) {
        let known = self.findings.iter().any(|known| known.why == finding.why);
        if !known && self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    pub(super) fn end(&mut self, end: &End<'_>) {
        self.ends = self.ends.saturating_add(1);
        let explanation = match end.outcome {
            Ok(done) => &done.explanation,
            Err(failed) => &failed.explanation,
        };
        let given = self.undecided(explanation, &end.gone.lied);
        let key = format!("{given:?}");
        // Which queries a used-up budget left out depends on the order of answers.
        let over_budget = end
            .outcome
            .as_ref()
            .as_ref()
            .is_err_and(|failed| failed.kind == ErrorKind::TooManyQueries);
        let decided = !self.may_disagree && !self.servers_disagree && !over_budget;
        if end.timers == 0 && end.gone.count == 0 && decided {
            let first = self.untimed.get_or_insert_with(|| key.clone());
            if *first != key {
                let why = Wrong::FactsDiffer { first: first.clone(), here: key.clone() };
                self.judged(end, why);
            }
        }
        let timed_out = end.outcome.as_ref().is_err_and(|failed| {
            failed.kind == ErrorKind::TimedOut
                && end.now.saturating_duration_since(START)
                    >= self.subject.config.policy.limits.lookup_deadline
        });
        // A lookup that ran out of time ends as that, whatever facts are there (I14).
        let key = if timed_out { format!("timed out {key}") } else { key };
        let here = timeless(end.outcome);
        match self.seen.get(&key) {
            Some(first) if *first != here && !timed_out => {
                let (first, here) = (told(first), told(&here));
                return self.judged(end, Wrong::OrderMatters { first, here });
            }
            Some(_) => {}
            None => {
                self.seen.insert(key.clone(), here);
            }
        }
        let timed = end.timers > 0 || end.gone.count > 0;
        let new = self.referred.insert((key, timed, end.at_once));
        let sent_again = self.loses_queries && end.gone.count > 0;
        if new && !timed_out && !self.servers_disagree && !sent_again {
            self.refer(end, if timed { given } else { self.answered(given) });
        }
    }

    fn judged(&mut self, end: &End<'_>, why: Wrong) {
        let (way, moves) = (end.way)();
        self.find(Finding { why, speculation: end.speculation, way, moves });
    }

    fn refer(&mut self, end: &End<'_>, given: Given) {
        let subject = self.subject;
        let routes = if end.at_once { Routes::default() } else { subject.routes };
        let reference = Reference::new(&subject.world, &subject.config.policy)
            .name_servers(subject.config.name_servers)
            .routes(routes)
            .given(given);
        let verdict = reference.resolve(&subject.name);
        if let Err(disagreement) = verdict.expected.check(end.outcome) {
            self.judged(end, Wrong::NotTheReference(disagreement.to_string()));
        }
        if let (Ok(done), 0, 0) = (end.outcome, end.timers, end.gone.count) {
            let life = done.expires.map(|until| until.saturating_duration_since(end.now));
            let right = match (life, verdict.fresh) {
                (Some(life), Some(fresh)) => fresh.allows(life),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !right {
                let how = format!("fresh for {life:?}, must be {:?}", verdict.fresh);
                self.judged(end, Wrong::NotTheReference(how));
            }
        }
    }

    /// The facts that the world alone does not decide: what was late or failed, and which HTTP answer came first where
    /// addresses disagree, and whatever was not true.
    fn undecided(&self, explanation: &Explanation, lied: &BTreeSet<Question>) -> Given {
        let facts = explanation.decisions.iter().filter_map(|decision| {
            let (question, fact) = (decision.question()?, decision.fact()?);
            let missing = matches!(fact, Fact::Late | Fact::Failed(_));
            let first = self.may_disagree && matches!(question, Question::Get(_));
            (missing || first || self.servers_disagree || lied.contains(question))
                .then(|| (question.clone(), fact.clone()))
        });
        facts.collect()
    }

    /// Of these, the HTTP answers: where no timer fired, the world decides all else.
    fn answered(&self, given: Given) -> Given {
        let answers = given.into_iter().filter(|(question, fact)| {
            matches!(question, Question::Get(_)) && !matches!(fact, Fact::Late | Fact::Failed(_))
        });
        answers.collect()
    }

    pub(super) fn explored(self, coverage: Coverage, states: usize) -> Explored {
        Explored {
            coverage,
            states,
            ends: self.ends,
            outcomes: self.seen.into_values().collect(),
            findings: self.findings,
        }
    }
}

/// An end without the instants in it: they differ with the moment at which answers come.
pub(super) fn timeless(outcome: &Outcome) -> Outcome {
    let mut plain = outcome.clone();
    match &mut plain {
        Ok(done) => Arc::make_mut(done).expires = None,
        Err(failed) => Arc::make_mut(failed).retry_after = None,
    }
    plain
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Ok(done) => {
            let places: Vec<String> = done.socket_addrs().map(|place| place.to_string()).collect();
            format!("step {} {} ({})", done.step, places.join(" "), done.explanation)
        }
        Err(failed) => format!("{failed} ({})", failed.explanation),
    }
}
