//! Explains cached names without sending a request or marking anything as used.
//!
//! Knows no step of the specification.
//!
//! Names with a cached result or document are listed. A name with an explicit port leaves addresses alone, which do not contain its name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Resolver;
use crate::cache::ReadMode;
use crate::fact::{Fact, Question};
use crate::io::RecordType;
use crate::machine::Lookup;
use crate::name::{DnsName, Host, ServerName, Url};
use crate::outcome::{Decision, Effect, ErrorKind, Outcome, Step, Target};
use crate::spec::{Memory, Priority};
use crate::util::Instant;

/// The result that the cache alone gives for a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheLookup {
    /// The cached outcome.
    Known(Outcome),
    /// The cache does not suffice: these questions would be sent first, and others may follow.
    Missing(Vec<Missing>),
}

/// A question whose answer is not in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Missing {
    /// The question.
    pub question: Question,
    /// The time since its cached fact expired; `None` if there is none.
    pub expired: Option<Duration>,
}

/// How current the entry of a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// Fresh: it would be returned at once.
    Fresh,
    /// Stale: an expired fact would be used at once, because its refresh failed.
    Stale,
    /// Expired: it would be resolved again.
    Expired,
    /// Some facts are not in the cache.
    Incomplete,
}

/// The content of a `.well-known` document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Delegation {
    /// The server that the document delegates to: the value of `m.server`.
    pub server: ServerName,
    /// When the document, or the first redirect to it, expires.
    pub expires: Instant,
}

/// The cache entry of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CacheEntry {
    /// The name.
    pub name: ServerName,
    /// How current the entry is.
    pub standing: Standing,
    /// The step of the specification that decided, if the name resolves.
    pub step: Option<Step>,
    /// The targets, if the name resolves; SRV targets of one priority are in no particular order.
    pub targets: Box<[Target]>,
    /// The kind of error, if it does not resolve.
    pub failure: Option<ErrorKind>,
    /// The age of its oldest fact; `None` if there is none.
    pub age: Option<Duration>,
    /// The remaining lifetime, zero if it has expired; `None` if it never expires or the lifetime is unknown.
    pub left: Option<Duration>,
    /// The decisive facts, in one line.
    pub reason: String,
    /// The last failure of one of its questions, if there has been no answer since.
    pub last_failure: Option<LastFailure>,
}

/// A question whose last request failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LastFailure {
    /// The question.
    pub question: Question,
    /// The failure.
    pub fact: Fact,
    /// The time since the failure.
    pub age: Duration,
    /// The remaining back-off before it is sent again.
    pub left: Duration,
    /// The number of consecutive failures.
    pub times: u8,
}

impl Resolver {
    /// The result that the cache gives for a name, with its reasons, or the questions that are missing. It sends no request, and counts
    /// neither as a use nor in [`counters`](Self::counters).
    pub fn explain(&mut self, name: &ServerName, now: Instant) -> CacheLookup {
        self.advance(now);
        let explained = self.look_up(name);
        self.process_pending();
        explained
    }

    /// The delegation of a name by its cached `.well-known` document, redirects followed; `None` where none is cached and fresh, or where
    /// the document is invalid or missing. It sends no request; [`resolve`](Self::resolve) fetches the document.
    pub fn document(&mut self, name: &ServerName, now: Instant) -> Option<Delegation> {
        self.advance(now);
        let Host::Name(host) = name.host() else { return None };
        let policy = Arc::clone(&self.turn.context.policy);
        let mut url = Url::well_known(&DnsName::host(host).ok()?);
        let mut expires: Option<Instant> = None;
        for _ in 0..=policy.well_known.max_redirects {
            let known =
                self.cache.get(&Question::Get(url), ReadMode::Peek, self.turn.now, &policy)?;
            expires = expires.into_iter().chain(known.expires).min();
            if let Fact::Document(server) = &known.fact {
                return Some(Delegation { server: server.clone(), expires: expires? });
            }
            let Fact::Redirect(next) = &known.fact else { return None };
            url = next.clone();
        }
        None
    }

    /// The entries of all names in the cache, sorted by name: names with a result, and names whose document is cached. Like
    /// [`explain`](Self::explain) it sends no request. It costs a few microseconds per name.
    pub fn entries(&mut self, now: Instant) -> Vec<CacheEntry> {
        self.advance(now);
        let mut names: BTreeSet<ServerName> =
            self.results.iter().map(|result| result.name.clone()).collect();
        names.extend(self.cache.iter().filter_map(|(question, _)| match question {
            Question::Get(url) => url.well_known_host().and_then(|host| host.as_str().parse().ok()),
            Question::Dns(..) => None,
        }));
        let rows = names.iter().map(|name| self.row(name)).collect();
        self.process_pending();
        rows
    }

    fn look_up(&mut self, name: &ServerName) -> CacheLookup {
        self.turn.context.second = self.in_flight.families().second(self.turn.now);
        let second = self.turn.context.second;
        if let Some(outcome) = self.results.peek(name, second, self.turn.now).cloned() {
            return CacheLookup::Known(self.reports.arrange(outcome, false, self.turn.now));
        }
        let (mut lookup, end) = self.read_memory(name, ReadMode::Peek);
        if let Some(end) = end {
            return CacheLookup::Known(self.reports.arrange(end, false, self.turn.now));
        }
        let asks =
            lookup.take_asks().into_iter().filter(|ask| ask.priority != Priority::Speculative);
        let missing = |question: Question| {
            let known = self.cache.peek(&question);
            let until = known.and_then(|known| known.expires);
            let expired = until.map(|until| self.turn.now.saturating_duration_since(until));
            Missing { question, expired }
        };
        CacheLookup::Missing(asks.map(|ask| missing(ask.question)).collect())
    }

    fn read_memory(&mut self, name: &ServerName, mode: ReadMode) -> (Lookup, Option<Outcome>) {
        let mut lookup = Lookup::in_background(name.clone(), self.next_lookup, self.turn.now);
        let memory = Memory { cache: &mut self.cache, mode, late: true, now: self.turn.now };
        let end = lookup.evaluate(&self.turn.context, Some(memory), self.turn.now);
        (lookup, end)
    }

    fn row(&mut self, name: &ServerName) -> CacheEntry {
        let explained = self.look_up(name);
        let (outcome, is_fresh) = match explained {
            CacheLookup::Known(outcome) => (Some(outcome), true),
            CacheLookup::Missing(_) => {
                (self.read_memory(name, ReadMode::IncludingExpired).1, false)
            }
        };
        let mut row = CacheEntry {
            name: name.clone(),
            standing: Standing::Incomplete,
            step: None,
            targets: Box::default(),
            failure: None,
            age: None,
            left: None,
            reason: String::new(),
            last_failure: None,
        };
        let mut questions = BTreeSet::new();
        if let Some(outcome) = outcome {
            let decisions = match &outcome {
                Ok(resolved) => {
                    row.step = Some(resolved.step);
                    row.targets.clone_from(&resolved.targets);
                    row.reason = resolved.explanation.summary();
                    row.left = resolved.expires.map(|until| self.left(until));
                    &resolved.explanation.decisions
                }
                Err(failed) => {
                    row.failure = Some(failed.kind);
                    row.reason = failed.explanation.summary();
                    row.left = failed.retry_after.map(|until| self.left(until));
                    &failed.explanation.decisions
                }
            };
            let stale = |decision: &Decision| decision.effect == Effect::Stale;
            row.standing = match is_fresh {
                true if decisions.iter().any(stale) => Standing::Stale,
                true => Standing::Fresh,
                false => Standing::Expired,
            };
            let learnt = decisions.iter().filter_map(Decision::known);
            // What was given for ever was not learnt.
            let learnt = learnt.filter(|known| known.expires.is_some()).map(|known| known.learnt);
            row.age = learnt.min().map(|learnt| self.turn.now.saturating_duration_since(learnt));
            questions.extend(decisions.iter().filter_map(Decision::question).cloned());
        } else {
            let (mut lookup, _) = self.read_memory(name, ReadMode::IncludingExpired);
            questions.extend(lookup.questions_read().cloned());
            questions.extend(lookup.take_asks().into_iter().map(|ask| ask.question));
        }
        let hosts: Vec<_> =
            questions.iter().filter_map(crate::machine::forget::host_of_document).collect();
        for host in hosts {
            questions.extend(
                [RecordType::Aaaa, RecordType::A].map(|kind| Question::Dns(host.clone(), kind)),
            );
        }
        let failures = questions.iter().filter_map(|question| self.last_failure(question));
        row.last_failure = failures.min_by_key(|failure| failure.age);
        row
    }

    fn left(&self, until: Instant) -> Duration {
        until.saturating_duration_since(self.turn.now)
    }

    fn last_failure(&self, question: &Question) -> Option<LastFailure> {
        let (known, times) = self.cache.failure(question)?;
        Some(LastFailure {
            question: question.clone(),
            fact: known.fact.clone(),
            age: self.turn.now.saturating_duration_since(known.learnt),
            left: known.expires.map(|until| self.left(until)).unwrap_or_default(),
            times,
        })
    }
}
