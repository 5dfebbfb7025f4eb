//! All questions under way: requests and their ids, name servers in turn, addresses in a race, timers, slots.
//!
//! Knows nothing of what a fact is for: no step of the specification is named here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue, USER_AGENT};

use crate::board::Ask;
use crate::freshness::{self, Freshness};
use crate::inquiry::{Error, Inquiry, InquiryState, Open, Place, life};
use crate::lookup::Context;
use crate::policy::Policy;
use crate::question::{Fact, Known, Question, Standing};
use crate::reply;
use crate::request::{
    Answer, Deadline, Disposition, DnsError, DnsId, DnsRequest, Event, HttpError, HttpGet, HttpId,
    Request, RequestId, Why,
};
use crate::slots::Slots;
use crate::time::Instant;
use crate::well_known;

/// Addresses of one GET that are open at once, at most (I10).
const MAX_OPEN: usize = 4;

/// All questions under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Inquiries {
    name_servers: u8,
    open: BTreeMap<Question, Inquiry>,
    ids: BTreeMap<RequestId, Question>,
    timers: BTreeSet<(Instant, u64, Question)>,
    dns: Slots,
    http: Slots,
    next_number: u64,
    next_dns: u64,
    next_http: u64,
    /// Sent with every GET.
    headers: Arc<Headers>,
}

#[derive(Debug, PartialEq, Eq)]
struct Headers(HeaderMap);

impl std::hash::Hash for Headers {
    /// They never change: a machine's state does not depend on them.
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

/// A fact, and to which question.
pub(crate) type Learnt = (Question, Arc<Known>);

impl Inquiries {
    pub(crate) fn new(policy: &Policy, name_servers: u8, dns: Slots, http: Slots) -> Self {
        let mut headers = HeaderMap::with_capacity(3);
        // A text that no header can hold is left out rather than mangled.
        if let Ok(agent) = HeaderValue::from_str(&policy.user_agent) {
            headers.insert(USER_AGENT, agent);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Self {
            name_servers,
            open: BTreeMap::new(),
            ids: BTreeMap::new(),
            timers: BTreeSet::new(),
            dns,
            http,
            next_number: 0,
            next_dns: 0,
            next_http: 0,
            headers: Arc::new(Headers(headers)),
        }
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
        self.name_servers = count;
    }

    pub(crate) fn is_released(&self, question: &Question) -> bool {
        self.open.get(question).is_some_and(|inquiry| inquiry.released.is_some())
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

    /// Asks a question, or brings more addresses to one that is under way. Gives the fact if that settles it.
    pub(crate) fn ask(
        &mut self,
        ask: &Ask,
        lookup: u64,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> Option<Learnt> {
        if let Some(mut inquiry) = self.open.remove(&ask.question) {
            let settled = self.extend(&mut inquiry, ask, lookup, context, now, out);
            return self.put_back(ask.question.clone(), inquiry, settled, context, out);
        }
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        let left = match &ask.question {
            Question::Dns(..) => {
                (0..context.policy.dns_attempts.max(1)).map(Place::Attempt).collect()
            }
            Question::Get(_) => ask.via.iter().copied().map(Place::Address).collect(),
        };
        let place = (lookup, number);
        let inquiry = Inquiry {
            number,
            place,
            left,
            open: Vec::new(),
            errors: Vec::new(),
            yielded: 0,
            via: ask.via.clone(),
            more: if ask.more { vec![lookup] } else { Vec::new() },
            released: None,
            next_at: None,
            last_start: now,
            timer: None,
        };
        if !self.slots(&ask.question).take_or_wait(place, &ask.question) {
            self.open.insert(ask.question.clone(), inquiry);
            return None;
        }
        self.release(ask.question.clone(), inquiry, context, now, out)
    }

    fn release(
        &mut self,
        question: Question,
        mut inquiry: Inquiry,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> Option<Learnt> {
        inquiry.released = Some(now);
        let settled = self.start(&question, &mut inquiry, context, now, out);
        self.put_back(question, inquiry, settled, context, out)
    }

    /// Stores an inquiry and its timer, or ends it with its fact.
    fn put_back(
        &mut self,
        question: Question,
        mut inquiry: Inquiry,
        settled: Option<Known>,
        context: &Context,
        out: &mut VecDeque<Event>,
    ) -> Option<Learnt> {
        if let Some(known) = settled {
            self.close(&question, &mut inquiry, out);
            return Some((question, Arc::new(known)));
        }
        let at = inquiry.deadline(&question, &context.policy).map(|deadline| deadline.at);
        if at != inquiry.timer {
            self.clear_timer(&question, &mut inquiry);
            inquiry.timer = at;
            self.timers.extend(at.map(|at| (at, inquiry.number, question.clone())));
        }
        self.open.insert(question, inquiry);
        None
    }

    fn clear_timer(&mut self, question: &Question, inquiry: &mut Inquiry) {
        if let Some(at) = inquiry.timer.take() {
            self.timers.remove(&(at, inquiry.number, question.clone()));
        }
    }

    /// Cancels what is open and gives the slot back.
    fn close(&mut self, question: &Question, inquiry: &mut Inquiry, out: &mut VecDeque<Event>) {
        self.clear_timer(question, inquiry);
        for open in &inquiry.open {
            self.ids.remove(&open.id);
            out.push_back(Event::Cancel(open.id));
        }
        let place = inquiry.place;
        let slots = self.slots(question);
        if inquiry.released.is_some() {
            slots.give_back(question);
        } else {
            slots.leave(place, question);
        }
    }

    /// Gives a free slot to the next question that waits for one. Gives the question, and the fact if that settled it.
    pub(crate) fn release_waiting(
        &mut self,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> Option<(Question, Option<Learnt>)> {
        let question = self.dns.next().or_else(|| self.http.next())?;
        let inquiry = self.open.remove(&question)?;
        let settled = self.release(question.clone(), inquiry, context, now, out);
        Some((question, settled))
    }

    /// Takes a question back: nobody waits for it any more.
    pub(crate) fn drop_question(&mut self, question: &Question, out: &mut VecDeque<Event>) {
        if let Some(mut inquiry) = self.open.remove(question) {
            self.close(question, &mut inquiry, out);
        }
    }

    /// One lookup has gone, or has no more addresses to bring, while others still wait.
    pub(crate) fn no_more_from(
        &mut self,
        question: &Question,
        lookup: u64,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> Option<Learnt> {
        let mut inquiry = self.open.remove(question)?;
        inquiry.more.retain(|other| *other != lookup);
        let settled = inquiry.exhausted(question, context, now);
        self.put_back(question.clone(), inquiry, settled, context, out)
    }

    /// Brings the addresses of one more ask.
    fn extend(
        &mut self,
        inquiry: &mut Inquiry,
        ask: &Ask,
        lookup: u64,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> Option<Known> {
        if matches!(ask.question, Question::Dns(..)) {
            return None;
        }
        inquiry.more.retain(|other| *other != lookup);
        if ask.more {
            inquiry.more.push(lookup);
        }
        if inquiry.via != ask.via {
            let known = std::mem::take(&mut inquiry.via);
            inquiry.via.clone_from(&ask.via);
            inquiry.via.extend(known.into_iter().filter(|ip| !ask.via.contains(ip)));
            inquiry.left = inquiry
                .via
                .iter()
                .map(|ip| Place::Address(*ip))
                .filter(|place| !inquiry.tried(*place))
                .collect();
        }
        inquiry.released?;
        if inquiry.open.is_empty() {
            return self.start(&ask.question, inquiry, context, now, out);
        }
        if inquiry.next_at.is_none() && !inquiry.left.is_empty() {
            inquiry.next_at = Some((inquiry.last_start + pace(inquiry, &context.policy)).max(now));
        }
        None
    }

    /// I10: where enough addresses are open, the one that has been silent for longest makes room, and is tried again last.
    fn make_room(&mut self, inquiry: &mut Inquiry, out: &mut VecDeque<Event>) -> bool {
        if inquiry.via.is_empty() || inquiry.left.is_empty() || inquiry.open.len() < MAX_OPEN {
            return true;
        }
        let oldest = inquiry.open.iter().position(|open| !open.connected);
        let Some(oldest) = oldest.filter(|_| inquiry.yielded < inquiry.via.len()) else {
            return false;
        };
        inquiry.yielded = inquiry.yielded.saturating_add(1);
        let oldest = inquiry.open.remove(oldest);
        self.ids.remove(&oldest.id);
        out.push_back(Event::Cancel(oldest.id));
        inquiry.left.push_back(oldest.place);
        true
    }

    /// Starts the next attempt, if there is a place left; otherwise the question may be settled.
    fn start(
        &mut self,
        question: &Question,
        inquiry: &mut Inquiry,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> Option<Known> {
        if !self.make_room(inquiry, out) {
            inquiry.next_at = None;
            return None;
        }
        let place = match inquiry.left.pop_front() {
            Some(place) => place,
            None => {
                inquiry.next_at = None;
                return inquiry.exhausted(question, context, now);
            }
        };
        let policy = &context.policy;
        let id = match (question, place) {
            (Question::Dns(name, kind), Place::Attempt(attempt)) => {
                let id = DnsId(self.next_dns);
                // Without any name server nothing can be asked.
                let Some(server) = attempt.checked_rem(self.name_servers) else {
                    let error = Error::Dns(DnsError::Local);
                    inquiry.errors.push((place, error));
                    inquiry.left.clear();
                    return inquiry.exhausted(question, context, now);
                };
                self.next_dns = id.0.saturating_add(1);
                let (name, kind) = (name.clone(), *kind);
                out.push_back(Event::Request(Request::Dns(DnsRequest {
                    id,
                    server,
                    attempt,
                    name,
                    kind,
                })));
                RequestId::Dns(id)
            }
            (Question::Get(url), Place::Address(address)) => {
                let id = HttpId(self.next_http);
                // What can't be written as a URI of the `http` crate never was a `Url`.
                let uri = http::Uri::try_from(url.as_str()).unwrap_or_default();
                self.next_http = id.0.saturating_add(1);
                out.push_back(Event::Request(Request::Http(Box::new(HttpGet {
                    id,
                    url: uri,
                    address: url.socket_addr(address),
                    tls_name: url.host().clone(),
                    headers: self.headers.0.clone(),
                    max_body: policy.max_body,
                }))));
                RequestId::Http(id)
            }
            // Places are made for their question.
            (Question::Dns(..), Place::Address(_)) | (Question::Get(_), Place::Attempt(_)) => {
                return None;
            }
        };
        self.ids.insert(id, question.clone());
        inquiry.open.push(Open { id, place, connected: false });
        inquiry.last_start = now;
        inquiry.next_at = match (place, inquiry.left.is_empty()) {
            (_, true) => None,
            (Place::Attempt(attempt), false) => {
                // Starts lie at 0, 1, 3, 7… times the interval after the first.
                let factor =
                    1_u32.checked_shl(u32::from(attempt).saturating_add(1)).unwrap_or(u32::MAX);
                let since = policy.dns_retry_interval.saturating_mul(factor.saturating_sub(1));
                inquiry.released.map(|first| (first + since).max(now))
            }
            (Place::Address(_), false) => Some(now + pace(inquiry, policy)),
        };
        None
    }

    /// Notes that TLS is up with one address: rivals that are not as far stop, and come back as places to try.
    pub(crate) fn connected(
        &mut self,
        id: HttpId,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> Disposition {
        let id = RequestId::Http(id);
        let Some(question) = self.ids.get(&id).cloned() else { return self.unknown(id) };
        let Some(mut inquiry) = self.open.remove(&question) else { return Disposition::Stale };
        for open in inquiry.open.iter_mut().filter(|open| open.id == id) {
            // Said twice, it changes nothing (I3).
            if std::mem::replace(&mut open.connected, true) {
                self.open.insert(question, inquiry);
                return Disposition::Stale;
            }
        }
        let rivals: Vec<Open> = inquiry.open.extract_if(.., |open| !open.connected).collect();
        for rival in rivals.iter().rev() {
            self.ids.remove(&rival.id);
            out.push_back(Event::Cancel(rival.id));
            inquiry.left.push_front(rival.place);
        }
        inquiry.next_at =
            (!inquiry.left.is_empty()).then(|| now + context.policy.response_patience);
        let learnt = self.put_back(question, inquiry, None, context, out);
        debug_assert!(learnt.is_none());
        Disposition::Accepted
    }

    fn unknown(&self, id: RequestId) -> Disposition {
        let minted = match id {
            RequestId::Dns(DnsId(number)) => number < self.next_dns,
            RequestId::Http(HttpId(number)) => number < self.next_http,
        };
        if minted { Disposition::Stale } else { Disposition::Unknown }
    }

    /// Takes the answer to one request. Gives the fact if that settles the question.
    pub(crate) fn answer(
        &mut self,
        answer: &Answer,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> (Disposition, Option<Learnt>) {
        let id = answer.id();
        let Some(question) = self.ids.remove(&id) else { return (self.unknown(id), None) };
        let Some(mut inquiry) = self.open.remove(&question) else {
            return (Disposition::Stale, None);
        };
        let open = inquiry.open.iter().position(|open| open.id == id);
        let Some(open) = open.map(|at| inquiry.open.remove(at)) else {
            self.open.insert(question, inquiry);
            return (Disposition::Stale, None);
        };
        let read = match (&question, answer) {
            (Question::Dns(name, kind), Answer::Dns(_, Ok(reply))) => {
                let (fact, life) = reply::read(name, *kind, reply, &context.policy);
                // A reply that leads nowhere is a failure like others.
                let life = if matches!(fact, Fact::Failed(_)) {
                    let base = context.policy.dns_failure_ttl;
                    freshness::failure(base, &context.policy, context.seed, &question)
                } else {
                    life
                };
                Ok(Known::new(fact, now, Some(now + life)))
            }
            (Question::Get(url), Answer::Http(_, Ok(response))) => {
                let fact = well_known::read(url, response, context.policy.max_body);
                let freshness = Freshness::from_headers(&response.headers, response.received);
                let life = life(&fact, freshness, &question, context);
                // R120.
                let standing =
                    if freshness.never_stale { Standing::NeverStale } else { Standing::Fresh };
                Ok(Known { standing, ..Known::new(fact, now, Some(now + life)) })
            }
            (_, Answer::Dns(_, Err(error))) => Err(Error::Dns(*error)),
            (_, Answer::Http(_, Err(error))) => Err(Error::Http(*error)),
            // Ids are typed: these pairs can't come up.
            (Question::Dns(..), Answer::Http(_, Ok(_))) => Err(Error::Dns(DnsError::Local)),
            (Question::Get(_), Answer::Dns(_, Ok(_))) => Err(Error::Http(HttpError::Local)),
        };
        let settled = match read {
            // A reply that leads nowhere (aliases in a circle) may be another server's mistake, but it is a reply.
            Ok(known) => Some(known),
            Err(error) => {
                inquiry.errors.push((open.place, error));
                // The next place at once; the ones before stay open.
                self.start(&question, &mut inquiry, context, now, out)
            }
        };
        (Disposition::Accepted, self.put_back(question, inquiry, settled, context, out))
    }

    /// The earliest deadline, and why.
    pub(crate) fn deadline(&self, policy: &Policy) -> Option<Deadline> {
        let (_, _, question) = self.timers.first()?;
        self.open.get(question)?.deadline(question, policy)
    }

    /// Does the first thing that is due, at its own instant. Gives the fact if that settles a question.
    pub(crate) fn handle_timeout(
        &mut self,
        context: &Context,
        now: Instant,
        out: &mut VecDeque<Event>,
    ) -> Option<Learnt> {
        if self.timers.first().is_none_or(|(at, ..)| *at > now) {
            return None;
        }
        let (_, _, question) = self.timers.pop_first()?;
        let mut inquiry = self.open.remove(&question)?;
        inquiry.timer = None;
        let due = inquiry.deadline(&question, &context.policy);
        let settled = match due.map(|deadline| deadline.why) {
            Some(Why::QuestionTimeout) => Some(inquiry.timed_out(&question, context, now)),
            _ => {
                inquiry.next_at = None;
                self.start(&question, &mut inquiry, context, now, out)
            }
        };
        self.put_back(question, inquiry, settled, context, out)
    }

    /// Everything that its future depends on, with ids by rank and instants relative to `now`.
    pub(crate) fn state(&self, now: Instant) -> InquiriesState {
        let ranks: BTreeMap<RequestId, usize> =
            self.ids.keys().enumerate().map(|(rank, id)| (*id, rank)).collect();
        let mut inquiries: Vec<_> = self.open.iter().collect();
        inquiries.sort_by_key(|(_, inquiry)| inquiry.number);
        InquiriesState {
            name_servers: self.name_servers,
            inquiries: inquiries
                .into_iter()
                .map(|(question, inquiry)| inquiry.state(question, &ranks, now))
                .collect(),
        }
    }
}

/// What the future of all questions under way depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InquiriesState {
    name_servers: u8,
    inquiries: Vec<InquiryState>,
}

/// How long after an address the next one is tried (R129); longer where one may just be slow to respond, or where another has to
/// make room for it.
fn pace(inquiry: &Inquiry, policy: &Policy) -> Duration {
    if inquiry.open.len() >= MAX_OPEN || inquiry.open.iter().any(|open| open.connected) {
        policy.response_patience
    } else {
        policy.connection_attempt_delay
    }
}
