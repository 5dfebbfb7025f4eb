//! What a lookup waits for, and for how long: its deadlines, and what follows when one is reached.
//!
//! `well_known.timeout` covers the whole chain of redirects and runs while a GET of the lookup is open. Single addresses
//! have no timeout: an address that stays silent gets competition instead.
//!
//! A stale document replaces a silent one after `cache.serve_stale_after`, also when the name servers of its host are the
//! silent part. If stale addresses exist they go first, because the document can still be requested there. Once that time
//! has passed in a lookup, every later question falls back to its stale fact at once, so that a caller waits for it once,
//! not once a question.
//!
//! A question that found no slot has not been asked, so it has not failed. Its stale fact serves this lookup alone, no
//! back-off starts, and the next lookup asks.

use crate::config::Context;
use crate::events::{Deadline, DeadlineKind};
use crate::fact::{Fact, Failure, Question};
use crate::io::HttpError;
use crate::machine::Lookup;
use crate::outcome::{Decision, Effect, ErrorKind, Explanation, ResolveError, Step, Timed};
use crate::spec::{Demand, Priority};
use crate::util::{Instant, few_more};

/// The action of a lookup's timer.
pub(crate) enum Due {
    /// A turn.
    Turn,
    /// These questions are not waited for any longer: the lookup goes on with these facts, or better ones.
    GiveUp(Vec<(Question, Fact)>),
    /// These have been waited for long enough, where there is a last good fact.
    FallBack(Vec<Question>),
    /// The end.
    End(ResolveError),
}

impl Lookup {
    /// Follows which GET is asked for: whether it is held back, and how long GETs have been open.
    pub(super) fn watch_get(&mut self, context: &Context, now: Instant) {
        let asked = self.trace.asks.iter_mut().find(|ask| {
            matches!(ask.question, Question::Get(_)) && ask.priority == Priority::Required
        });
        let Some(ask) = asked else {
            self.hold = None;
            self.close_get(now);
            return;
        };
        // What has been asked stays asked, should the other family's route come back meanwhile.
        let open = matches!(&self.get, Some((get, Some(_))) if *get == ask.question);
        ask.hold &= !open;
        if ask.hold {
            let until = match self.hold.take() {
                Some((question, until)) if question == ask.question => until,
                _ => now + context.policy.addresses.resolution_delay,
            };
            ask.hold = until > now;
            self.hold = Some((ask.question.clone(), until));
        } else {
            self.hold = None;
        }
        if self.get.as_ref().is_none_or(|(question, _)| *question != ask.question) {
            let question = ask.question.clone();
            self.close_get(now);
            self.get = Some((question, None));
        }
    }

    pub(super) fn close_get(&mut self, now: Instant) {
        if let Some((_, Some(since))) = self.get.take() {
            self.get_spent = self.get_spent.saturating_add(now.saturating_duration_since(since));
        }
    }

    /// Notes that all of its questions have been released, as they are where there are no slots.
    pub(crate) fn all_released(&mut self, now: Instant) {
        let asks = std::mem::take(&mut self.trace.asks);
        for ask in asks.iter().filter(|ask| !ask.hold) {
            self.released(&ask.question, now);
        }
        self.trace.asks = asks;
    }

    /// Notes that one of its questions has been released: clocks start with that, not while it waits for a slot.
    pub(crate) fn released(&mut self, question: &Question, now: Instant) {
        self.first_request = self.first_request.or(Some(now));
        if self.timeline.questions.iter().all(|timed| timed.question != *question) {
            let question = question.clone();
            let guess =
                |ask: &&Demand| ask.question == question && ask.priority == Priority::Speculative;
            let wasted = self.trace.asks.iter().any(|ask| guess(&ask));
            few_more(&mut self.timeline.questions);
            self.timeline.questions.push(Timed { question, asked: now, answered: None, wasted });
        }
        if let Some((get, since)) = &mut self.get
            && get == question
        {
            *since = since.or(Some(now));
        }
    }

    /// When this lookup wants to be called, and why.
    pub(crate) fn deadline(&self, context: &Context) -> Option<Deadline> {
        if let Some(at) = self.interrupted {
            return Some(Deadline { at, kind: DeadlineKind::LookupDeadline });
        }
        let policy = &context.policy;
        let held = self.trace.asks.iter().any(|ask| ask.hold);
        let hold = self.hold.as_ref().filter(|_| held).map(|(_, until)| *until);
        let left = policy.well_known.timeout.saturating_sub(self.get_spent);
        let well_known = match &self.get {
            Some((_, Some(since))) => Some(*since + left),
            Some((_, None)) | None => None,
        };
        let late = match (self.late_since, policy.addresses.wait) {
            (Some(since), Some(patience)) => Some(since + patience),
            _ => None,
        };
        let (end, why) = match (self.first_request, policy.limits.queue_deadline) {
            (Some(first), queue) => {
                let end = first + policy.limits.lookup_deadline;
                // I14: what a driver brings late does not make it longer, unless it was away (I15).
                let longest = queue.map(|limit| self.began + limit + policy.limits.lookup_deadline);
                (
                    Some(longest.map_or(end, |longest| end.min(longest))),
                    DeadlineKind::LookupDeadline,
                )
            }
            (None, Some(limit)) => (Some(self.began + limit), DeadlineKind::QueueDeadline),
            (None, None) => (None, DeadlineKind::QueueDeadline),
        };
        let since = self.fall_back_since.filter(|_| !self.background);
        let fall_back = match (self.first_request, policy.cache.serve_stale_after, since) {
            // Never in the past: what is asked from there on would start in the past, too.
            (Some(first), Some(after), Some(since)) => Some((first + after).max(since)),
            _ => None,
        };
        [
            (fall_back, DeadlineKind::Stale),
            (hold, DeadlineKind::ResolutionDelay),
            (late, DeadlineKind::LateAddresses),
            (well_known, DeadlineKind::WellKnownTimeout),
            (end, why),
        ]
        .into_iter()
        .filter_map(|(at, why)| at.map(|at| Deadline { at, kind: why }))
        .min_by_key(|deadline| (deadline.at, deadline.kind))
    }

    /// Says what is due. `is_released` tells which questions have a slot.
    pub(crate) fn handle_timeout(
        &mut self,
        context: &Context,
        now: Instant,
        is_released: impl Fn(&Question) -> bool,
    ) -> Due {
        let needed = |ask: &&Demand| ask.priority == Priority::Required && !ask.hold;
        let due = self.deadline(context).filter(|deadline| deadline.at <= now);
        match due.map(|deadline| deadline.kind) {
            Some(DeadlineKind::LateAddresses) => {
                let late = self.trace.asks.iter().filter(|ask| ask.priority == Priority::Optional);
                Due::GiveUp(late.map(|ask| (ask.question.clone(), Fact::Late)).collect())
            }
            Some(DeadlineKind::WellKnownTimeout) => {
                let timeout = || Fact::Failed(Failure::Http(HttpError::Timeout));
                let get = self.get.iter().map(|(question, _)| (question.clone(), timeout()));
                Due::GiveUp(get.collect())
            }
            Some(DeadlineKind::Stale) => {
                let asks = self.trace.asks.iter().filter(needed);
                Due::FallBack(asks.map(|ask| ask.question.clone()).collect())
            }
            Some(DeadlineKind::LookupDeadline) if self.interrupted.is_some() => {
                Due::End(self.give_up(ErrorKind::Local))
            }
            // A question that never got a slot says nothing about the world.
            Some(DeadlineKind::LookupDeadline) => {
                let mut asks = self.trace.asks.iter().filter(needed);
                let queued = asks.any(|ask| !is_released(&ask.question));
                let kind = if queued { ErrorKind::Overloaded } else { ErrorKind::TimedOut };
                Due::End(self.give_up(kind))
            }
            Some(DeadlineKind::QueueDeadline) => Due::End(self.give_up(ErrorKind::Overloaded)),
            Some(
                DeadlineKind::ResolutionDelay
                | DeadlineKind::NextAttempt
                | DeadlineKind::QuestionTimeout
                | DeadlineKind::Heartbeat,
            )
            | None => Due::Turn,
        }
    }

    /// The end of a lookup that is not waited for any longer: never a decision from what happens to be there.
    pub(super) fn give_up(&mut self, kind: ErrorKind) -> ResolveError {
        let mut decisions = std::mem::take(&mut self.trace.decisions);
        let asked = self.trace.asks.iter().find(|ask| ask.priority == Priority::Required);
        let step = decisions.last().map_or(Step::WellKnown, |last| last.step);
        let question = asked.map(|ask| ask.question.clone());
        decisions.push(Decision::without_fact(step, question, Effect::Failed(kind)));
        self.trace.asks.clear();
        let timeline = std::mem::take(&mut self.timeline);
        ResolveError::new(kind, None, Explanation { decisions: decisions.into() }, timeline)
    }
}
