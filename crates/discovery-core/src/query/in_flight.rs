//! All questions in flight: requests and their ids, name servers in turn, addresses in a race, timers, slots.
//!
//! Knows nothing of what a fact is for: no step of the specification is named here.
//!
//! A query that a lookup has given up as late continues without it until its own timeout. A later lookup then finds its
//! answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue, USER_AGENT};

use crate::events::{Deadline, DeadlineKind, Event};
use crate::fact::{CachedFact, Question};
use crate::io::RequestId;
use crate::policy::{DnsTransport, Policy};
use crate::query::{
    FamilyMemory, Get, NameServer, NameServers, OwnClock, Query, QueryState, Slots, Turn,
};
use crate::spec::Demand;
use crate::util::{Instant, few_more};

/// A budget of queries from which on explored states are not told apart by what is left of it: more than a usual name needs.
const GENEROUS: u32 = 64;

/// All questions in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InFlight {
    pub(super) name_servers: NameServers,
    pub(super) families: FamilyMemory,
    pub(super) own_clock: OwnClock,
    pub(super) open: BTreeMap<Question, Box<Query>>,
    pub(super) ids: BTreeMap<RequestId, Question>,
    pub(super) timers: BTreeSet<(Instant, u64, Question)>,
    pub(super) dns: Slots,
    pub(super) http: Slots,
    pub(super) next_number: u64,
    pub(super) next_dns: u64,
    pub(super) next_http: u64,
    /// Queries that one lookup may cause.
    pub(super) budget: u32,
    /// The queries of each lookup, by its number.
    pub(super) accounts: BTreeMap<u64, Account>,
    /// Sent with every GET.
    pub(super) headers: Arc<Headers>,
}

/// The DNS queries that one lookup has caused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Account {
    queries: u32,
    /// Open questions that count against it.
    questions: u32,
    /// The lookup has ended: the account goes with its last question.
    ended: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Headers(pub(super) HeaderMap);

impl std::hash::Hash for Headers {
    /// They never change: a machine's state does not depend on them.
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl InFlight {
    pub(crate) fn new(
        policy: &Policy,
        name_servers: NameServers,
        families: FamilyMemory,
        dns: Slots,
        http: Slots,
    ) -> Self {
        Self {
            name_servers,
            families,
            own_clock: OwnClock::default(),
            open: BTreeMap::new(),
            ids: BTreeMap::new(),
            timers: BTreeSet::new(),
            dns,
            http,
            next_number: 0,
            next_dns: 0,
            next_http: 0,
            budget: policy.limits.max_queries_per_lookup,
            accounts: BTreeMap::new(),
            headers: headers(policy),
        }
    }

    /// Takes the bounds and headers of another policy.
    pub(crate) fn set_policy(&mut self, policy: &Policy) {
        self.dns.set_limits(policy.limits.dns_slots, usize::MAX);
        self.http.set_limits(policy.limits.http_slots, policy.limits.http_slots_per_host);
        self.budget = policy.limits.max_queries_per_lookup;
        self.headers = headers(policy);
    }

    /// DNS questions and GETs that have a slot, and how many wait for one.
    pub(crate) fn in_flight(&self) -> (usize, usize, usize) {
        let queued = self.dns.waiting().saturating_add(self.http.waiting());
        (self.dns.in_use(), self.http.in_use(), queued)
    }

    /// DNS questions that got a slot so far.
    pub(crate) fn dns_asked(&self) -> u64 {
        self.dns.taken()
    }

    /// GETs that got a slot so far.
    pub(crate) fn gets_asked(&self) -> u64 {
        self.http.taken()
    }

    pub(crate) fn set_name_servers(&mut self, count: u8) {
        self.name_servers.set_count(count);
    }

    /// The state of the name servers.
    pub(crate) fn name_servers(&self) -> impl Iterator<Item = &NameServer> {
        self.name_servers.iter()
    }

    /// The measured state of the address families.
    pub(crate) fn families(&self) -> &FamilyMemory {
        &self.families
    }

    pub(crate) fn families_mut(&mut self) -> &mut FamilyMemory {
        &mut self.families
    }

    pub(crate) fn is_released(&self, question: &Question) -> bool {
        self.open.get(question).is_some_and(|query| query.released.is_some())
    }

    pub(crate) fn questions(&self) -> impl Iterator<Item = &Question> {
        self.open.keys()
    }

    fn slots(&mut self, question: &Question) -> &mut Slots {
        match question {
            Question::Dns(..) => &mut self.dns,
            Question::Get(_) => &mut self.http,
        }
    }

    /// Starts a question, or adds addresses to one in flight. Returns the fact if that completes it.
    pub(crate) fn ask(
        &mut self,
        ask: &Demand,
        lookup: u64,
        turn: &mut Turn,
    ) -> Option<Arc<CachedFact>> {
        if let Some(mut query) = self.open.remove(&ask.question) {
            self.pays(lookup, &ask.question, &mut query);
            let settled = self.extend(&mut query, ask, lookup, turn);
            return self.put_back(ask.question.clone(), query, settled, turn);
        }
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        let (attempts, get) = match &ask.question {
            Question::Dns(..) => (0..turn.context.policy.dns.attempts.max(1), None),
            Question::Get(_) => {
                let left = ask.via.iter().copied().collect();
                let more = if ask.more { vec![lookup] } else { Vec::new() };
                (0..0, Some(Box::new(Get { left, via: ask.via.clone(), more, yielded: 0 })))
            }
        };
        let place = (lookup, number);
        let mut query = Box::new(Query {
            number,
            place,
            attempts,
            asked: Vec::new(),
            payers: Vec::new(),
            over_budget: false,
            open: Vec::new(),
            errors: Vec::new(),
            get,
            released: None,
            next_at: None,
            last_start: turn.now,
            timer: None,
        });
        self.pays(lookup, &ask.question, &mut query);
        if !self.slots(&ask.question).take_or_wait(place, &ask.question) {
            self.open.insert(ask.question.clone(), query);
            return None;
        }
        self.release(ask.question.clone(), query, turn)
    }

    fn release(
        &mut self,
        question: Question,
        mut query: Box<Query>,
        turn: &mut Turn,
    ) -> Option<Arc<CachedFact>> {
        query.released = Some(turn.now);
        let settled = self.start(&question, &mut query, turn);
        self.put_back(question, query, settled, turn)
    }

    /// Stores an query and its timer, or ends it with its fact.
    pub(super) fn put_back(
        &mut self,
        question: Question,
        mut query: Box<Query>,
        settled: Option<CachedFact>,
        turn: &mut Turn,
    ) -> Option<Arc<CachedFact>> {
        if let Some(known) = settled {
            self.close(&question, &mut query, turn);
            return Some(Arc::new(known));
        }
        let at = query.deadline(&question, &turn.context.policy).map(|deadline| deadline.at);
        if at != query.timer {
            self.clear_timer(&question, &mut query);
            query.timer = at;
            self.timers.extend(at.map(|at| (at, query.number, question.clone())));
        }
        self.open.insert(question, query);
        None
    }

    fn clear_timer(&mut self, question: &Question, query: &mut Query) {
        if let Some(at) = query.timer.take() {
            self.timers.remove(&(at, query.number, question.clone()));
        }
    }

    /// From now on the queries of a DNS question count against a lookup's budget, too.
    fn pays(&mut self, lookup: u64, question: &Question, query: &mut Query) {
        if matches!(question, Question::Dns(..)) && !query.payers.contains(&lookup) {
            few_more(&mut query.payers);
            query.payers.push(lookup);
            let account = self.accounts.entry(lookup).or_default();
            account.questions = account.questions.saturating_add(1);
        }
    }

    /// Counts one more query of a question, unless every lookup that waits for it has used up its budget.
    pub(super) fn may_query(&mut self, query: &Query) -> bool {
        let accounts = &self.accounts;
        let has_some =
            |payer: &u64| accounts.get(payer).is_none_or(|own| own.queries < self.budget);
        if !query.payers.iter().any(has_some) {
            return false;
        }
        for payer in &query.payers {
            if let Some(account) = self.accounts.get_mut(payer) {
                account.queries = account.queries.saturating_add(1);
            }
        }
        true
    }

    /// A lookup has ended.
    pub(crate) fn end_account(&mut self, lookup: u64) {
        if let Some(account) = self.accounts.get_mut(&lookup) {
            account.ended = true;
            if account.questions == 0 {
                self.accounts.remove(&lookup);
            }
        }
    }

    /// Cancels what is open and gives the slot back.
    fn close(&mut self, question: &Question, query: &mut Query, turn: &mut Turn) {
        for payer in query.payers.drain(..) {
            if let Some(account) = self.accounts.get_mut(&payer) {
                account.questions = account.questions.saturating_sub(1);
                if account.ended && account.questions == 0 {
                    self.accounts.remove(&payer);
                }
            }
        }
        self.clear_timer(question, query);
        for open in &query.open {
            self.ids.remove(&open.id);
            turn.events.push_back(Event::Cancel(open.id));
        }
        let place = query.place;
        let slots = self.slots(question);
        if query.released.is_some() {
            slots.give_back(question);
        } else {
            slots.leave(place, question);
        }
    }

    /// Whether [`Self::release_waiting`] has anything to do.
    pub(crate) fn has_waiting(&self) -> bool {
        self.dns.has_next() || self.http.has_next()
    }

    /// Gives a free slot to the next question that waits for one. Gives the question, and the fact if that settled it.
    pub(crate) fn release_waiting(
        &mut self,
        turn: &mut Turn,
    ) -> Option<(Question, Option<Arc<CachedFact>>)> {
        let question = self.dns.next().or_else(|| self.http.next())?;
        let query = self.open.remove(&question)?;
        let settled = self.release(question.clone(), query, turn);
        Some((question, settled))
    }

    /// Cancels a question that no lookup waits for.
    pub(crate) fn drop_question(&mut self, question: &Question, turn: &mut Turn) {
        if let Some(mut query) = self.open.remove(question) {
            self.close(question, &mut query, turn);
        }
    }

    /// One lookup has gone, or has no more addresses to bring, while others still wait.
    pub(crate) fn no_more_from(
        &mut self,
        question: &Question,
        lookup: u64,
        turn: &mut Turn,
    ) -> Option<Arc<CachedFact>> {
        let mut query = self.open.remove(question)?;
        if let Some(get) = &mut query.get {
            get.more.retain(|other| *other != lookup);
        }
        let settled = query.exhausted(question, turn);
        self.put_back(question.clone(), query, settled, turn)
    }

    /// The driver was away for so long: none of that counts as waiting (I15).
    pub(crate) fn resume(&mut self, away: Duration, policy: &Policy) {
        self.timers.clear();
        for (question, query) in &mut self.open {
            query.resume(away);
            query.timer = query.deadline(question, policy).map(|deadline| deadline.at);
            self.timers.extend(query.timer.map(|at| (at, query.number, question.clone())));
        }
    }

    /// When the first thing is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.timers.first().map(|(at, ..)| *at)
    }

    /// The earliest deadline, and why.
    pub(crate) fn deadline(&self, policy: &Policy) -> Option<Deadline> {
        let (_, _, question) = self.timers.first()?;
        self.open.get(question)?.deadline(question, policy)
    }

    /// Does the first thing that is due, at its own instant. Gives the fact if that settles a question.
    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn) -> Option<Arc<CachedFact>> {
        if self.timers.first().is_none_or(|(at, ..)| *at > turn.now) {
            return None;
        }
        let (_, _, question) = self.timers.pop_first()?;
        let mut query = self.open.remove(&question)?;
        query.timer = None;
        let due = query.deadline(&question, &turn.context.policy);
        let settled = match due.map(|deadline| deadline.kind) {
            Some(DeadlineKind::QuestionTimeout) => {
                for asked in query.open.iter().filter_map(|open| open.asked) {
                    self.name_servers.failed(asked.server, turn.now);
                    if asked.transport == DnsTransport::Tcp {
                        self.name_servers.tcp_failed(asked.server);
                    }
                }
                Some(query.timed_out(&question, turn))
            }
            _ => {
                query.next_at = None;
                self.start(&question, &mut query, turn)
            }
        };
        self.put_back(question, query, settled, turn)
    }

    /// Everything that its future depends on, with ids by rank and instants relative to `now`.
    pub(crate) fn state(&self, now: Instant) -> InFlightState {
        let ranks: BTreeMap<RequestId, usize> =
            self.ids.keys().enumerate().map(|(rank, id)| (*id, rank)).collect();
        let mut in_flight: Vec<_> = self.open.iter().collect();
        in_flight.sort_by_key(|(_, query)| query.number);
        InFlightState {
            name_servers: self.name_servers.clone(),
            own_clock: self.own_clock.clone(),
            // A budget that is generous makes no difference, and would only tell apart states that behave alike.
            accounts: if self.budget < GENEROUS { self.accounts.clone() } else { BTreeMap::new() },
            in_flight: in_flight
                .into_iter()
                .map(|(question, query)| query.state(question, &ranks, now))
                .collect(),
        }
    }
}

/// The state that the future of all questions in flight depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InFlightState {
    name_servers: NameServers,
    own_clock: OwnClock,
    accounts: BTreeMap<u64, Account>,
    in_flight: Vec<QueryState>,
}

/// The headers of every GET.
fn headers(policy: &Policy) -> Arc<Headers> {
    let mut headers = HeaderMap::with_capacity(3);
    // A text that no header can hold is left out rather than mangled.
    if let Ok(agent) = HeaderValue::from_str(&policy.well_known.user_agent) {
        headers.insert(USER_AGENT, agent);
    }
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Arc::new(Headers(headers))
}
