//! What a resolver does with an input: lookups that have news take a turn, questions that have a slot go out, what is due fires.
//!
//! Knows no caller: tickets only end here.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Detached, Resolver, Running};
use crate::cache::results::is_drawn;
use crate::config::Context;
use crate::events::Event;
use crate::fact::{CachedFact, Fact, Failure, Question};
use crate::io::HttpError;
use crate::machine::Due;
use crate::outcome::Outcome;
use crate::spec::{Memory, Priority};
use crate::util::{Few, Instant};

impl Resolver {
    /// Runs lookups with new facts after an input, then fires due timers in their order.
    pub(super) fn process_pending(&mut self) {
        self.run();
        let now = self.turn.now;
        while let Some(deadline) = self.next_due().filter(|deadline| deadline.at <= now) {
            self.turn.now = deadline.at;
            // Questions first: what they bring may be what a lookup has been waiting for.
            let question = self.in_flight.deadline(&self.turn.context.policy);
            if question.is_some_and(|question| question.at <= deadline.at) {
                let learnt = self.in_flight.handle_timeout(&mut self.turn);
                self.learn(learnt);
            } else if self.detached_timers.first().is_some_and(|(at, _)| *at <= deadline.at) {
                self.drop_detached();
            } else if let Some((_, number)) = self.timers.pop_first() {
                self.lookup_is_due(number);
            }
            self.run();
        }
        self.turn.now = now;
        let is_busy = !self.lookups.is_empty() || !self.detached.is_empty();
        self.heartbeat.beat(is_busy, now);
    }

    fn lookup_is_due(&mut self, number: u64) {
        let Some(running) = self.lookups.get_mut(&number) else { return };
        running.timer = None;
        let released = |question: &Question| self.in_flight.is_released(question);
        let due = running.lookup.handle_timeout(&self.turn.context, self.turn.now, released);
        self.dirty.insert(number);
        match due {
            Due::Turn => {}
            Due::End(failed) => self.finish(number, Err(Arc::new(failed))),
            Due::GiveUp(given_up) => {
                for (question, fact) in given_up {
                    let late = fact == Fact::Late;
                    let known = Arc::new(CachedFact::new(
                        question,
                        fact,
                        self.turn.now,
                        Some(self.turn.now),
                    ));
                    let Context { policy, seed, .. } = &self.turn.context;
                    let known = if self.in_flight.is_released(&known.question) {
                        self.cache.learn(&known, policy, *seed)
                    } else {
                        // Without a slot it is our own lateness, and nothing to remember.
                        let lent = self.cache.lend(&known.question, self.turn.now, policy);
                        lent.unwrap_or(known)
                    };
                    self.stop_waiting(number, &known, late);
                }
            }
            Due::FallBack(questions) => {
                let held_up = running.lookup.held_up().cloned();
                let mut stood_in = false;
                for question in &questions {
                    stood_in |= self.fall_back(number, question);
                }
                // With the addresses of last time it is asked for at least.
                if let Some(get) = held_up.filter(|_| !stood_in) {
                    questions.iter().for_each(|question| self.run_on(question));
                    let _ = self.fall_back(number, &get);
                }
            }
        }
    }

    /// One lookup goes on with what stands in for an answer; whether anything does. What has not been asked, for want of a slot
    /// or of an address to ask at, has not failed.
    fn fall_back(&mut self, number: u64, question: &Question) -> bool {
        let Context { policy, seed, .. } = &self.turn.context;
        let known = if self.in_flight.is_released(question) {
            self.cache.stand_in(question, self.turn.now, policy, *seed)
        } else {
            self.cache.lend(question, self.turn.now, policy)
        };
        let Some(known) = known else { return false };
        self.counters.fallbacks = self.counters.fallbacks.saturating_add(1);
        self.stop_waiting(number, &known, true);
        true
    }

    /// One lookup goes on with what it is given; the question may run on for those that come later.
    pub(super) fn stop_waiting(&mut self, number: u64, known: &Arc<CachedFact>, runs_on: bool) {
        let Some(running) = self.lookups.get_mut(&number) else { return };
        let question = &known.question;
        running.lookup.learn(known);
        running.asked.retain(|asked| asked != question);
        if runs_on {
            self.run_on(question);
        }
        self.leave(number, question);
    }

    /// A question that is being asked is asked to its end, whether anybody waits for it or not.
    fn run_on(&mut self, question: &Question) {
        if !self.in_flight.is_released(question) || self.detached.contains_key(question) {
            return;
        }
        let policy = &self.turn.context.policy;
        let limit = match question {
            Question::Dns(..) => policy.dns.timeout,
            Question::Get(_) => policy.well_known.timeout,
        };
        let until = self.turn.now + limit;
        self.detached.insert(question.clone(), Detached { until, paused: false });
        self.detached_timers.insert((until, question.clone()));
    }

    /// A question that was to run on has run for long enough.
    fn drop_detached(&mut self) {
        let Some((at, question)) = self.detached_timers.pop_first() else { return };
        let paused = self.detached.remove(&question).is_some_and(|detached| detached.paused);
        if self.waiting.contains_key(&question) {
            return;
        }
        self.in_flight.drop_question(&question, &mut self.turn);
        if matches!(question, Question::Get(_)) && !paused {
            let timeout = Fact::Failed(Failure::Http(HttpError::Timeout));
            self.learn(Some(Arc::new(CachedFact::new(question, timeout, at, Some(at)))));
        }
    }

    pub(super) fn learn(&mut self, learnt: Option<Arc<CachedFact>>) {
        let Some(known) = learnt else { return };
        let question = known.question.clone();
        if let Some(Detached { until, .. }) = self.detached.remove(&question) {
            self.detached_timers.remove(&(until, question.clone()));
        }
        let Context { policy, seed, .. } = &self.turn.context;
        let known = self.cache.learn(&known, policy, *seed);
        for number in self.waiting.remove(&question).unwrap_or_default().iter() {
            if let Some(running) = self.lookups.get_mut(&number) {
                running.asked.retain(|asked| *asked != question);
                running.lookup.learn(&known);
                self.dirty.insert(number);
            }
        }
    }

    /// Whether there is anything to run. Most inputs bring nothing, a hit least of all.
    fn has_news(&self) -> bool {
        !self.dirty.is_empty() || self.in_flight.has_waiting()
    }

    /// Runs lookups until none has news and no slot is free for what waits.
    fn run(&mut self) {
        while self.has_news() {
            if let Some(number) = self.dirty.pop_first() {
                self.evaluate(number);
                continue;
            }
            let released = self.in_flight.release_waiting(&mut self.turn);
            let Some((question, learnt)) = released else { continue };
            for number in self.waiting.get(&question).into_iter().flat_map(Few::iter) {
                if let Some(running) = self.lookups.get_mut(&number) {
                    running.lookup.released(&question, self.turn.now);
                    set_timer(&mut self.timers, number, running, &self.turn.context);
                }
            }
            self.learn(learnt);
        }
    }

    /// Runs one lookup and starts the questions that it asks for.
    fn evaluate(&mut self, number: u64) {
        self.turn.context.second = self.in_flight.families().second(self.turn.now);
        let Some(running) = self.lookups.get_mut(&number) else { return };
        let mode = running.lookup.mode();
        let memory = Memory { cache: &mut self.cache, mode, late: true, now: self.turn.now };
        if let Some(end) = running.lookup.evaluate(&self.turn.context, Some(memory), self.turn.now)
        {
            return self.finish(number, end);
        }
        running.has_asked = true;
        let asks: Vec<_> = running.lookup.asks().cloned().collect();
        let questions = asks.iter().map(|ask| ask.question.clone()).collect();
        let before = std::mem::replace(&mut running.asked, questions);
        for ask in &asks {
            self.waiting.entry(ask.question.clone()).or_default().insert(number);
        }
        for question in before {
            if asks.iter().all(|ask| ask.question != question) {
                self.leave(number, &question);
            }
        }
        let mut can_fall_back = false;
        for ask in &asks {
            let learnt = self.in_flight.ask(ask, number, &mut self.turn);
            can_fall_back |= ask.priority == Priority::Required
                && self.cache.has_stand_in(&ask.question, self.turn.now, &self.turn.context.policy);
            if self.in_flight.is_released(&ask.question)
                && let Some(running) = self.lookups.get_mut(&number)
            {
                running.lookup.released(&ask.question, self.turn.now);
            }
            self.learn(learnt);
        }
        if let Some(running) = self.lookups.get_mut(&number) {
            can_fall_back |= running.lookup.held_up().is_some();
            running.lookup.set_fall_back(can_fall_back, self.turn.now);
            set_timer(&mut self.timers, number, running, &self.turn.context);
        }
    }

    /// One lookup does not wait for a question any longer.
    fn leave(&mut self, number: u64, question: &Question) {
        let Some(waiting) = self.waiting.get_mut(question) else { return };
        waiting.remove(number);
        let deserted = waiting.is_empty();
        if deserted {
            self.waiting.remove(question);
        }
        if deserted && !self.detached.contains_key(question) {
            self.in_flight.drop_question(question, &mut self.turn);
        } else {
            let learnt = self.in_flight.no_more_from(question, number, &mut self.turn);
            self.learn(learnt);
        }
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Box<Running>> {
        let mut running = self.lookups.remove(&number)?;
        self.in_flight.end_account(number);
        let name = running.lookup.name();
        if running.lookup.is_background() {
            self.refreshing.remove(name);
        } else {
            self.names.remove(name);
        }
        self.dirty.remove(&number);
        if let Some(at) = running.timer {
            self.timers.remove(&(at, number));
        }
        for question in std::mem::take(&mut running.asked) {
            self.leave(number, &question);
        }
        Some(running)
    }

    /// Hands the end to every ticket: shared, unless a draw of its own makes a difference.
    fn finish(&mut self, number: u64, outcome: Outcome) {
        let Some(mut running) = self.remove(number) else { return };
        let drawn = outcome.as_ref().is_ok_and(|resolved| is_drawn(resolved));
        let tickets = u64::try_from(running.tickets.len()).unwrap_or(u64::MAX);
        let count =
            if running.has_asked { &mut self.counters.misses } else { &mut self.counters.hits };
        *count = count.saturating_add(tickets.min(1));
        let wasted = running.lookup.asked_in_vain();
        self.counters.speculated_in_vain = self.counters.speculated_in_vain.saturating_add(wasted);
        let refresh_at = running.lookup.refresh_at();
        let name = running.lookup.name().clone();
        self.results.remember(&name, &outcome, self.turn.context.second, refresh_at, self.turn.now);
        for ticket in running.tickets.iter() {
            self.tickets.remove(&ticket);
            let own =
                if drawn { running.lookup.end_for(ticket.0, &self.turn.context) } else { None };
            let own =
                self.reports.arrange(own.unwrap_or_else(|| outcome.clone()), false, self.turn.now);
            self.turn.events.push_back(Event::Finished(ticket, own));
        }
        // A fact from memory that is near its expiry has been used: a reason to ask again, also where the lookup had to ask for
        // other facts of the name, which expire earlier.
        let due = if running.has_asked {
            running.lookup.has_due(&self.turn.context.policy, self.turn.now)
        } else {
            refresh_at.is_some_and(|at| at <= self.turn.now)
        };
        if !running.has_asked && self.reports.is_due(&name, self.turn.now) {
            self.recheck(&name);
        } else if due && outcome.is_ok() && !running.lookup.is_background() {
            self.refresh(&name);
        }
    }
}

pub(super) fn set_timer(
    timers: &mut BTreeSet<(Instant, u64)>,
    number: u64,
    running: &mut Running,
    context: &Context,
) {
    let at = running.lookup.deadline(context).map(|deadline| deadline.at);
    if at != running.timer {
        if let Some(old) = running.timer {
            timers.remove(&(old, number));
        }
        timers.extend(at.map(|at| (at, number)));
        running.timer = at;
    }
}
