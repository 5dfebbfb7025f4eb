//! One name's lookup: the facts that it has read, what it asks for, its patience and its end.
//!
//! Knows nothing of how a question is answered. Facts are kept while the lookup runs, even where they expire meanwhile: a
//! lifetime of zero must not make it ask for ever.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;

use crate::cache::{self, ReadMode};
use crate::config::Context;
use crate::fact::{CachedFact, Fact, Failure, Question};
use crate::name::ServerName;
use crate::outcome::{
    Decision, Effect, ErrorKind, Explanation, Outcome, ResolveError, Resolved, Step, Timeline,
};
use crate::policy::Policy;
use crate::query::MAX_PAUSES;
use crate::spec::{self, Demand, Draws, FactView, Facts, Found, Memory, Priority, Suspend, Trace};
use crate::util::{Draw, Instant};

/// One name's lookup.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lookup {
    pub(super) name: ServerName,
    /// The number that orders its questions.
    pub(super) number: u64,
    pub(super) facts: Facts,
    /// The trace of the last run.
    pub(super) trace: Trace,
    pub(super) began: Instant,
    /// When the first of its questions was released.
    pub(super) first_request: Option<Instant>,
    /// The GET that waits a moment for IPv6 addresses, and until when.
    pub(super) hold: Option<(Question, Instant)>,
    /// The GET that is asked for, and since when it has been open.
    pub(super) get: Option<(Question, Option<Instant>)>,
    /// The total time for which earlier GETs were open.
    pub(super) get_spent: Duration,
    /// The time since which only late addresses are missing.
    pub(super) late_since: Option<Instant>,
    /// The time since which a missing fact has a stale one.
    pub(super) fall_back_since: Option<Instant>,
    /// Whether it sends questions that other lookups found late.
    pub(super) insists: bool,
    /// Nobody waits for it: it is there for what it learns, and has all the patience.
    pub(super) background: bool,
    /// Facts learnt before this instant are invalid.
    pub(super) doubts: Option<Instant>,
    /// A question that was not asked to its end because the lookup had used up its budget of queries.
    pub(super) over_budget: Option<Arc<CachedFact>>,
    pub(super) wasted: u64,
    pub(super) timeline: Timeline,
    /// Pauses of the driver that it has outlived.
    pub(super) pauses: u8,
    /// The failure of a lookup after too many pauses.
    pub(super) interrupted: Option<Instant>,
}

impl Lookup {
    pub(crate) fn new(name: ServerName, number: u64, now: Instant) -> Self {
        Self {
            name,
            number,
            facts: Facts::default(),
            trace: Trace::default(),
            began: now,
            first_request: None,
            hold: None,
            get: None,
            get_spent: Duration::ZERO,
            late_since: None,
            fall_back_since: None,
            insists: false,
            background: false,
            doubts: None,
            over_budget: None,
            wasted: 0,
            timeline: Timeline::default(),
            pauses: 0,
            interrupted: None,
        }
    }

    /// A background lookup.
    pub(crate) fn in_background(name: ServerName, number: u64, now: Instant) -> Self {
        Self { background: true, ..Self::new(name, number, now) }
    }

    /// A background lookup that refreshes facts learnt before an instant.
    pub(crate) fn doubting(name: ServerName, number: u64, since: Instant, now: Instant) -> Self {
        Self { doubts: Some(since), ..Self::in_background(name, number, now) }
    }

    /// How fresh the facts must be that it reads.
    pub(crate) fn mode(&self) -> ReadMode {
        match (self.background, self.doubts) {
            (_, Some(since)) => ReadMode::NewerThan(since),
            (true, None) => ReadMode::Prefetch,
            (false, None) => ReadMode::Fresh,
        }
    }

    pub(crate) fn is_background(&self) -> bool {
        self.background
    }

    /// The GET that waits for the addresses of its host, if it has a stand-in.
    pub(crate) fn held_up(&self) -> Option<&Question> {
        self.trace.held_up.as_ref()
    }

    /// Tells whether something that is waited for has a last good fact.
    pub(crate) fn set_fall_back(&mut self, can: bool, now: Instant) {
        self.fall_back_since = can.then(|| self.fall_back_since.unwrap_or(now));
    }

    /// Whether a fact that it found in memory is fresh, and has lived so long that it is to be asked again ahead of its expiry.
    pub(crate) fn has_due(&self, policy: &Policy, now: Instant) -> bool {
        self.facts.iter().any(|known| {
            known.learnt < self.began
                && known.is_fresh(now)
                && cache::due(known, policy).is_some_and(|due| due <= now)
        })
    }

    /// When the first of the facts that were read is worth asking again.
    pub(crate) fn refresh_at(&self) -> Option<Instant> {
        self.trace.refresh_at
    }

    pub(crate) fn name(&self) -> &ServerName {
        &self.name
    }

    /// The questions of the last run that may be sent now.
    pub(crate) fn asks(&self) -> impl Iterator<Item = &Demand> {
        self.trace.asks.iter().filter(|ask| !ask.hold)
    }

    /// What the last run asks for, held back or not. They are forgotten: this is the end.
    pub(crate) fn take_asks(&mut self) -> Vec<Demand> {
        std::mem::take(&mut self.trace.asks)
    }

    /// Takes a fact in; whether it was waited for.
    pub(crate) fn learn(&mut self, known: &Arc<CachedFact>) -> bool {
        let question = &known.question;
        let waits = self.trace.asks.iter().any(|ask| ask.question == *question)
            || self.trace.held_up.as_ref() == Some(question);
        if waits {
            if known.fact == Fact::Failed(Failure::TooManyQueries) {
                self.over_budget = Some(Arc::clone(known));
            }
            self.facts.insert(Arc::clone(known));
            let mut timed = self.timeline.questions.iter_mut();
            if let Some(timed) = timed.find(|timed| timed.question == *question) {
                timed.answered = Some(known.learnt);
            }
        }
        waits
    }

    /// Runs the function over the facts; gives the end if this is it.
    pub(crate) fn evaluate(
        &mut self,
        context: &Context,
        mut memory: Option<Memory<'_>>,
        now: Instant,
    ) -> Option<Outcome> {
        let mut result = self.read(context, memory.as_mut());
        // Whatever else is known: which questions were left out depends on the order of answers.
        if let Some(known) = &self.over_budget {
            let kind = ErrorKind::TooManyQueries;
            let step = self.trace.decisions.last().map_or(Step::WellKnown, |last| last.step);
            let failed = Decision::with_fact(step, Arc::clone(known), Effect::Failed(kind));
            self.trace.decisions.push(failed);
            self.trace.asks.clear();
            self.trace.expires = None;
            result = Err(Suspend::Failed(kind));
        }
        // That another lookup did not wait for an answer is no reason to fail.
        if memory.is_some()
            && !self.insists
            && matches!(result, Err(Suspend::Failed(ErrorKind::DnsFailure)))
            && self.facts.iter().any(|known| known.fact == Fact::Late)
        {
            self.insists = true;
            self.facts.retain(|known| known.fact != Fact::Late);
            result = self.read(context, memory.as_mut());
        }
        let waits = matches!(result, Err(Suspend::Missing))
            || (result.is_ok()
                && self.trace.asks.iter().any(|ask| ask.priority == Priority::Optional));
        self.watch_get(context, now);
        self.note_need();
        if !waits {
            return Some(self.end(result));
        }
        // Patience runs only while nothing but late addresses is waited for, never for guesses.
        let only_late = result.is_ok() && !self.background;
        self.late_since = if only_late { self.late_since.or(Some(now)) } else { None };
        None
    }

    fn read(
        &mut self,
        context: &Context,
        memory: Option<&mut Memory<'_>>,
    ) -> Result<Found, Suspend> {
        let draws = Draws { lookup: draw(self.number, context), ticket: None };
        let memory = memory.map(|memory| Memory {
            cache: &mut *memory.cache,
            mode: memory.mode,
            late: !self.insists,
            now: memory.now,
        });
        let mut view = FactView::new(context, &mut self.facts, memory, &mut self.trace);
        spec::resolve(&self.name, &draws, &mut view)
    }

    /// The end for one more ticket of the same lookup: the same facts, a draw of its own.
    pub(crate) fn end_for(&mut self, ticket: u64, context: &Context) -> Option<Outcome> {
        let mut trace = Trace::default();
        let mut view = FactView::new(context, &mut self.facts, None, &mut trace);
        let draws = Draws {
            lookup: draw(self.number, context),
            ticket: Some(Draw::new(context.seed, ("ticket", ticket))),
        };
        let result = spec::resolve(&self.name, &draws, &mut view);
        match result {
            Err(Suspend::Missing) => None,
            result => Some(end(&self.name, result, trace, self.timeline.clone())),
        }
    }

    fn end(&mut self, result: Result<Found, Suspend>) -> Outcome {
        // Not taken: where targets are drawn for each ticket, `end_for` tells it again.
        let timeline = self.timeline.clone();
        let wasted = timeline.questions.iter().filter(|timed| timed.wasted).count();
        self.wasted = u64::try_from(wasted).unwrap_or(u64::MAX);
        let trace = Trace { refresh_at: self.trace.refresh_at, ..Trace::default() };
        end(&self.name, result, std::mem::replace(&mut self.trace, trace), timeline)
    }

    /// Notes which of the questions that were asked ahead of need have come to be needed.
    fn note_need(&mut self) {
        for timed in self.timeline.questions.iter_mut().filter(|timed| timed.wasted) {
            let asked = self.trace.asks.iter().find(|ask| ask.question == timed.question);
            let decided = || {
                let mut decisions = self.trace.decisions.iter();
                decisions.any(|decision| decision.question() == Some(&timed.question))
            };
            timed.wasted = match asked {
                Some(ask) => ask.priority == Priority::Speculative,
                None => !decided(),
            };
        }
    }

    /// How many questions were asked ahead of need and never came to be needed.
    pub(crate) fn asked_in_vain(&self) -> u64 {
        self.wasted
    }

    /// The questions whose facts have been read, and those that are asked for.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &Question> {
        let asked = self.trace.asks.iter().map(|ask| &ask.question);
        self.questions_read().chain(asked)
    }

    /// Forgets all that it has read, though not how long it has been waited for.
    pub(crate) fn restart(&mut self) {
        let (first_request, pauses) = (self.first_request, self.pauses);
        *self =
            Self { first_request, pauses, ..Self::new(self.name.clone(), self.number, self.began) };
    }

    /// The driver was away for so long: none of that counts as waiting (I15), and too many pauses end it as a local failure.
    pub(crate) fn resume(&mut self, away: Duration, now: Instant) {
        self.pauses = self.pauses.saturating_add(1);
        if self.pauses > MAX_PAUSES {
            self.interrupted = self.interrupted.or(Some(now));
        }
        let moved = |at: &mut Instant| *at = *at + away;
        moved(&mut self.began);
        let since = [&mut self.first_request, &mut self.late_since, &mut self.fall_back_since];
        since.into_iter().flatten().for_each(moved);
        self.hold.iter_mut().for_each(|(_, until)| moved(until));
        self.get.iter_mut().filter_map(|(_, since)| since.as_mut()).for_each(moved);
    }

    /// The questions whose facts have been read.
    pub(crate) fn questions_read(&self) -> impl Iterator<Item = &Question> {
        self.facts.iter().map(|known| &known.question)
    }

    /// Everything that its future depends on, with instants relative to `now`.
    pub(crate) fn state(&self, now: Instant) -> LookupState {
        let relative = |at: Instant| at.saturating_duration_since(now);
        let ago = |at: Instant| now.saturating_duration_since(at);
        let fact = |known: &Arc<CachedFact>| {
            (known.question.clone(), known.fact.clone(), known.expires.map(relative))
        };
        LookupState {
            name: self.name.clone(),
            facts: self.facts.iter().map(fact).collect(),
            asks: self.trace.asks.clone(),
            began: ago(self.began),
            first_request: self.first_request.map(ago),
            hold: self.hold.as_ref().map(|(q, until)| (q.clone(), relative(*until))),
            get: self.get.as_ref().map(|(q, since)| (q.clone(), since.map(ago))),
            get_spent: self.get_spent,
            late_since: self.late_since.map(ago),
        }
    }
}

/// The state that a lookup's future depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LookupState {
    name: ServerName,
    facts: Vec<(Question, Fact, Option<Duration>)>,
    asks: Vec<Demand>,
    began: Duration,
    first_request: Option<Duration>,
    hold: Option<(Question, Duration)>,
    get: Option<(Question, Option<Duration>)>,
    get_spent: Duration,
    late_since: Option<Duration>,
}

fn draw(number: u64, context: &Context) -> Draw {
    Draw::new(context.seed, ("lookup", number))
}

fn end(
    name: &ServerName,
    result: Result<Found, Suspend>,
    trace: Trace,
    timeline: Timeline,
) -> Outcome {
    let explanation = Explanation { decisions: trace.decisions.into() };
    match result {
        Ok(found) => Ok(Arc::new(Resolved {
            server_name: name.clone(),
            targets: found.targets,
            // Never fails: hosts and ports consist of visible ASCII characters.
            host_header: HeaderValue::from_str(&found.host_header)
                .unwrap_or_else(|_| HeaderValue::from_static("")),
            tls_name: found.tls_name,
            step: found.step,
            expires: trace.expires,
            explanation,
            timeline,
            route: OnceLock::new(),
        })),
        Err(Suspend::Failed(kind)) => {
            Err(Arc::new(ResolveError::new(kind, trace.expires, explanation, timeline)))
        }
        // Callers come here with an end only.
        Err(Suspend::Missing) => {
            Err(Arc::new(ResolveError::new(ErrorKind::Local, None, explanation, timeline)))
        }
    }
}
