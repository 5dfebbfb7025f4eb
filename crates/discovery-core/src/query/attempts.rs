//! Attempts: where a question is sent next, and when.
//!
//! Knows nothing of answers.
//!
//! Four addresses of one host may be connecting or silent at once. When a fifth is due, the one that has been silent for
//! longest is closed and tried again last, so that unresponsive addresses cannot keep a working one waiting. A second
//! address that connects does not cancel the first: both wait for a response, and only addresses that have not got as far
//! return to the list.

use std::net::IpAddr;
use std::time::Duration;

use crate::events::Event;
use crate::fact::{CachedFact, Question};
use crate::io::{DnsError, DnsId, DnsRequest, HttpGet, HttpId, Request, RequestId};
use crate::policy::{DnsTransport, Policy};
use crate::query::{Asked, Error, Open, Place, Query};
use crate::query::{InFlight, Turn};
use crate::spec::Demand;
use crate::util::{Instant, few_more};

impl InFlight {
    /// Brings the addresses of one more ask.
    pub(super) fn extend(
        &mut self,
        query: &mut Query,
        ask: &Demand,
        lookup: u64,
        turn: &mut Turn,
    ) -> Option<CachedFact> {
        let mut get = query.get.take()?;
        get.more.retain(|other| *other != lookup);
        if ask.more {
            get.more.push(lookup);
        }
        if get.via != ask.via {
            let known = std::mem::take(&mut get.via);
            get.via.clone_from(&ask.via);
            get.via.extend(known.into_iter().filter(|ip| !ask.via.contains(ip)));
            let untried = |ip: &IpAddr| !query.tried(Place::Address(*ip));
            get.left = get.via.iter().copied().filter(untried).collect();
        }
        query.get = Some(get);
        query.released?;
        if query.open.is_empty() {
            return self.start(&ask.question, query, turn);
        }
        if query.next_at.is_none() && query.has_left() {
            query.next_at =
                Some((query.last_start + pace(query, &turn.context.policy)).max(turn.now));
        }
        None
    }

    /// I10: where enough addresses are open, the one that has been silent for longest makes room, and is tried again last.
    fn make_room(&mut self, query: &mut Query, turn: &mut Turn) -> bool {
        let Some(get) = &mut query.get else { return true };
        if get.left.is_empty() || query.open.len() < turn.context.policy.well_known.max_open() {
            return true;
        }
        let oldest = query.open.iter().position(|open| !open.connected);
        let Some(oldest) = oldest.filter(|_| get.yielded < get.via.len()) else {
            return false;
        };
        get.yielded = get.yielded.saturating_add(1);
        let oldest = query.open.remove(oldest);
        self.ids.remove(&oldest.id);
        turn.events.push_back(Event::Cancel(oldest.id));
        if let Place::Address(address) = oldest.place {
            get.left.push_back(address);
        }
        true
    }

    /// Starts the next attempt, if there is a place left; otherwise the question may be settled.
    pub(super) fn start(
        &mut self,
        question: &Question,
        query: &mut Query,
        turn: &mut Turn,
    ) -> Option<CachedFact> {
        if !self.make_room(query, turn) {
            query.next_at = None;
            return None;
        }
        let place = match query.next_place() {
            Some(place) => place,
            None => {
                query.next_at = None;
                return query.exhausted(question, turn);
            }
        };
        let policy = &turn.context.policy;
        let id = match (question, place) {
            (Question::Dns(name, kind), Place::Attempt(attempt)) => {
                let id = DnsId(self.next_dns);
                // Without any name server nothing can be asked.
                let Some(server) = self.name_servers.pick(&query.asked, turn.now) else {
                    let error = Error::Dns(DnsError::NoServer);
                    query.errors.push((place, error));
                    query.attempts = 0..0;
                    return query.exhausted(question, turn);
                };
                if !self.may_query(query) {
                    query.over_budget = true;
                    query.attempts = 0..0;
                    query.next_at = None;
                    return query.exhausted(question, turn);
                }
                let asked = self.manner(server, attempt, query, policy, turn.now);
                self.next_dns = id.0.saturating_add(1);
                few_more(&mut query.asked);
                query.asked.push(asked);
                let Asked { edns, transport, .. } = asked;
                let (name, kind) = (name.clone(), *kind);
                turn.events.push_back(Event::Request(Request::Dns(DnsRequest {
                    id,
                    server,
                    attempt,
                    edns,
                    transport,
                    name,
                    kind,
                })));
                RequestId::Dns(id)
            }
            (Question::Get(url), Place::Address(address)) => {
                let id = HttpId(self.next_http);
                self.families.tries(address, turn.now);
                // What can't be written as a URI of the `http` crate never was a `Url`.
                let uri = http::Uri::try_from(&*url.text()).unwrap_or_default();
                self.next_http = id.0.saturating_add(1);
                turn.events.push_back(Event::Request(Request::Http(Box::new(HttpGet {
                    id,
                    url: uri,
                    address: url.socket_addr(address),
                    tls_name: url.host(),
                    headers: self.headers.0.clone(),
                    max_body: policy.well_known.max_body,
                }))));
                RequestId::Http(id)
            }
            // Places are made for their question.
            (Question::Dns(..), Place::Address(_)) | (Question::Get(_), Place::Attempt(_)) => {
                return None;
            }
        };
        self.ids.insert(id, question.clone());
        let asked = query.asked.last().copied();
        few_more(&mut query.open);
        query.open.push(Open {
            id,
            place,
            asked,
            since: turn.now,
            connected: false,
            paused: false,
        });
        query.last_start = turn.now;
        query.next_at = match (place, query.has_left()) {
            (_, false) => None,
            (Place::Attempt(attempt), true) => {
                let doubled = |by: u8| 1_u32.checked_shl(u32::from(by)).unwrap_or(u32::MAX);
                match asked.and_then(|asked| self.name_servers.wait(asked.server, policy)) {
                    Some(wait) => Some(turn.now + wait.saturating_mul(doubled(attempt))),
                    // Starts lie at 0, 1, 3, 7… times the interval after the first.
                    None => {
                        let factor = doubled(attempt.saturating_add(1)).saturating_sub(1);
                        let since = policy.dns.retry_interval.saturating_mul(factor);
                        query.released.map(|first| (first + since).max(turn.now))
                    }
                }
            }
            (Place::Address(_), true) => Some(turn.now + pace(query, policy)),
        };
        None
    }
}

impl InFlight {
    /// How one attempt at a question is put to a server: as the server is remembered to need it, and otherwise more plainly from attempt
    /// to attempt.
    fn manner(
        &mut self,
        server: u8,
        attempt: u8,
        query: &Query,
        policy: &Policy,
        now: Instant,
    ) -> Asked {
        let (plain, by_tcp) = self.name_servers.manner(server, now);
        // RFC 6891 §7: servers that don't know EDNS may say anything, or nothing. From the third attempt on there is no telling which.
        let rejected = |(_, error): &(Place, Error)| {
            matches!(error, Error::Dns(DnsError::ServerFailure | DnsError::Malformed))
        };
        let edns = !plain && attempt < 2 && !query.errors.iter().any(rejected);
        let of_server = |asked: &Asked| asked.server == server;
        let tried_tcp = query
            .asked
            .iter()
            .any(|asked| of_server(asked) && asked.transport == DnsTransport::Tcp);
        let open = |open: &Open| open.asked.is_some_and(|asked| of_server(&asked));
        let timed_out = |(place, error): &(Place, Error)| match (place, error) {
            (Place::Attempt(attempt), Error::Dns(DnsError::Timeout)) => {
                query.asked.iter().any(|asked| asked.attempt == *attempt && of_server(asked))
            }
            _ => false,
        };
        // RFC 7766 §5: a server that has been silent over UDP may answer over TCP.
        let is_last = attempt >= 2 && query.attempts.is_empty();
        let silent = || query.open.iter().any(open) || query.errors.iter().any(timed_out);
        let tcp = policy.dns.transport == DnsTransport::Tcp
            || (!tried_tcp && (by_tcp || (is_last && silent())));
        let transport = if tcp { DnsTransport::Tcp } else { DnsTransport::Udp };
        Asked { server, attempt, edns, transport }
    }
}

/// How long after an address the next one is tried (R129); longer where one may just be slow to respond, or where another has to
/// make room for it.
fn pace(query: &Query, policy: &Policy) -> Duration {
    if query.open.len() >= policy.well_known.max_open()
        || query.open.iter().any(|open| open.connected)
    {
        policy.well_known.response_wait
    } else {
        policy.addresses.connection_attempt_delay
    }
}
