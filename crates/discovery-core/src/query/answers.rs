//! Inputs of drivers: completed TLS handshakes, and answers, which become facts.
//!
//! Knows nothing of places that have not been tried.

use std::sync::Arc;

use crate::events::{Disposition, Event};
use crate::fact::lifetime::{self, Freshness};
use crate::fact::{CachedFact, Fact, Question, Standing, from_dns, from_http};
use crate::io::{Answer, DnsError, DnsId, HttpError, HttpId, HttpResponse, Noticed, RequestId};
use crate::policy::DnsTransport;
use crate::query::InFlight;
use crate::query::{Asked, Error, Open, Place, Query, Turn, is_doubtful};
use crate::util::Instant;

impl InFlight {
    /// Notes that TLS is up with one address: rivals that are not as far stop, and come back as places to try.
    pub(crate) fn connected(&mut self, id: HttpId, turn: &mut Turn) -> Disposition {
        let id = RequestId::Http(id);
        let Some(question) = self.ids.get(&id).cloned() else { return self.unknown(id) };
        let Some(mut query) = self.open.remove(&question) else { return Disposition::Stale };
        self.own_clock.trust();
        for open in query.open.iter_mut().filter(|open| open.id == id) {
            // Said twice, it changes nothing (I3).
            if std::mem::replace(&mut open.connected, true) {
                self.open.insert(question, query);
                return Disposition::Stale;
            }
        }
        if let Some(place) = query.open.iter().find(|open| open.id == id).map(|open| open.place) {
            self.worked_at(place, &query, turn);
        }
        let rivals: Vec<Open> = query.open.extract_if(.., |open| !open.connected).collect();
        for rival in rivals.iter().rev() {
            self.ids.remove(&rival.id);
            turn.events.push_back(Event::Cancel(rival.id));
            if let (Some(get), Place::Address(address)) = (&mut query.get, rival.place) {
                get.left.push_front(address);
            }
        }
        query.next_at =
            query.has_left().then(|| turn.now + turn.context.policy.well_known.response_wait);
        let learnt = self.put_back(question, query, None, turn);
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
        turn: &mut Turn,
    ) -> (Disposition, Option<Arc<CachedFact>>) {
        let id = answer.id();
        let Some(question) = self.ids.remove(&id) else { return (self.unknown(id), None) };
        let Some(mut query) = self.open.remove(&question) else {
            return (Disposition::Stale, None);
        };
        let open = query.open.iter().position(|open| open.id == id);
        let Some(open) = open.map(|at| query.open.remove(at)) else {
            self.open.insert(question, query);
            return (Disposition::Stale, None);
        };
        if open.paused && is_doubtful(answer) {
            // I15: the other side may have given up on a driver that was away. Once more, for each pause.
            query.try_again(open.place);
            let settled = self.start(&question, &mut query, turn);
            return (Disposition::Accepted, self.put_back(question, query, settled, turn));
        }
        if let Some(asked) = open.asked.filter(|_| !open.paused) {
            self.heard_of(asked, open.since, answer, &query, turn);
        }
        if let Answer::Http(_, said) = answer
            && is_of_the_server(said)
            && !open.connected
        {
            self.worked_at(open.place, &query, turn);
        }
        let read = match (&question, answer) {
            (Question::Dns(name, kind), Answer::Dns(_, Ok(reply))) => {
                let (fact, life) = from_dns::read(name, *kind, reply, &turn.context.policy);
                // A reply that leads nowhere is a failure like others.
                let life = if matches!(fact, Fact::Failed(_)) {
                    let base = turn.context.policy.dns.failure_ttl;
                    lifetime::failure(base, &turn.context.policy, turn.context.seed, &question)
                } else {
                    life
                };
                let mut known =
                    CachedFact::new(question.clone(), fact, turn.now, Some(turn.now + life));
                known.noticed = self.noticed(open.asked, reply.noticed);
                Ok(known)
            }
            (Question::Get(url), Answer::Http(_, Ok(response))) => {
                self.own_clock.trust();
                let fact = from_http::read(url, response, turn.context.policy.well_known.max_body);
                let freshness = Freshness::from_headers(&response.headers, response.received);
                let life = lifetime::response(&fact, freshness, &question, &turn.context);
                // R120.
                let standing =
                    if freshness.never_stale { Standing::NeverStale } else { Standing::Fresh };
                let known =
                    CachedFact::new(question.clone(), fact, turn.now, Some(turn.now + life));
                Ok(CachedFact { standing, ..known })
            }
            (_, Answer::Dns(_, Err(error))) => Err(Error::Dns(*error)),
            (Question::Get(url), Answer::Http(_, Err(error))) => {
                Err(Error::Http(self.own_clock.judge(&url.host(), *error)))
            }
            (Question::Dns(..), Answer::Http(_, Err(error))) => Err(Error::Http(*error)),
            // Ids are typed: these pairs can't come up.
            (Question::Dns(..), Answer::Http(_, Ok(_))) => Err(Error::Dns(DnsError::Local)),
            (Question::Get(_), Answer::Dns(_, Ok(_))) => Err(Error::Http(HttpError::Local)),
        };
        let settled = match read {
            // A reply that leads nowhere (aliases in a circle) may be another server's mistake, but it is a reply.
            Ok(known) => Some(known),
            Err(error) => {
                query.errors.push((open.place, error));
                if is_turned_away(error) && self.name_servers.has_more_than(&query.asked) {
                    query.put_back(open.place);
                }
                // The next place at once; the ones before stay open.
                self.start(&question, &mut query, turn)
            }
        };
        (Disposition::Accepted, self.put_back(question, query, settled, turn))
    }

    /// Remembers that something came back from an address, while those of the other family failed or are silent, which have been
    /// tried for as long as addresses are given.
    fn worked_at(&mut self, place: Place, query: &Query, turn: &Turn) {
        let Place::Address(address) = place else { return };
        self.families.worked(address);
        let patience = turn.context.policy.addresses.connection_attempt_delay;
        let silent =
            query.open.iter().filter(|open| !open.connected && open.since + patience <= turn.now);
        let unreachable = query.errors.iter().filter(|(_, error)| {
            matches!(
                error,
                Error::Http(HttpError::NoRoute | HttpError::Rejected | HttpError::Timeout)
            )
        });
        let failed = silent.map(|open| open.place).chain(unreachable.map(|(place, _)| *place));
        for place in failed {
            if let Place::Address(other) = place
                && other.is_ipv4() != address.is_ipv4()
            {
                self.families.failed(other, turn.now);
            }
        }
    }

    /// What is said of the server beside its answer: what was noticed now, or is remembered and the reason for how it was asked.
    fn noticed(&self, asked: Option<Asked>, now: Noticed) -> Noticed {
        let Some(asked) = asked else { return now };
        let by_tcp = asked.transport == DnsTransport::Tcp;
        let folds = by_tcp && self.name_servers.folds_letters(asked.server);
        Noticed { folds_letters: now.folds_letters || folds, ..now }
    }

    /// Remembers how a name server did.
    fn heard_of(
        &mut self,
        asked: Asked,
        since: Instant,
        answer: &Answer,
        query: &Query,
        turn: &Turn,
    ) {
        let server = asked.server;
        let policy = &turn.context.policy;
        if let Answer::Dns(_, Ok(reply)) = answer {
            let patience = |server| {
                self.name_servers.wait(server, policy).unwrap_or(policy.dns.retry_interval)
            };
            let others = query.fared(patience, turn.now);
            self.name_servers.learn_manner(asked, since, reply.noticed, &others, turn.now);
        } else if asked.transport == DnsTransport::Tcp
            && let Answer::Dns(
                _,
                Err(
                    DnsError::Unreachable
                    | DnsError::NotListening(_)
                    | DnsError::Rejected(_)
                    | DnsError::Malformed
                    | DnsError::Timeout
                    | DnsError::NoRoute,
                ),
            ) = answer
        {
            self.name_servers.tcp_failed(server);
        }
        match answer {
            Answer::Dns(_, Ok(_) | Err(DnsError::ServerFailure | DnsError::OtherCode)) => {
                self.name_servers.replied(server, turn.now.saturating_duration_since(since));
                // The same question, asked earlier, and no reply yet: that tells of the server, not of the question.
                let patience = |server| {
                    self.name_servers.wait(server, policy).unwrap_or(policy.dns.retry_interval)
                };
                let silent =
                    query.open.iter().filter_map(|open| Some((open.asked?.server, open.since)));
                let silent: Vec<u8> = silent
                    .filter(|(other, since)| {
                        *other != server && *since + patience(*other) <= turn.now
                    })
                    .map(|(other, _)| other)
                    .collect();
                silent.into_iter().for_each(|other| self.name_servers.failed(other, turn.now));
            }
            // A failure of our own side says nothing about the server.
            Answer::Dns(_, Err(DnsError::Local)) | Answer::Http(..) => {}
            Answer::Dns(_, Err(_)) => self.name_servers.failed(server, turn.now),
        }
    }
}

/// Whether a name server was found unreachable at once. Such an attempt does not count while there are servers that have not been
/// asked: with five servers, of which four are down, the fifth is still reached.
fn is_turned_away(error: Error) -> bool {
    matches!(
        error,
        Error::Dns(DnsError::NotListening(_) | DnsError::Rejected(_) | DnsError::NoRoute)
    )
}

/// Whether the other side has said something, be it nonsense: then its family leads somewhere. A refusal may be a firewall's.
fn is_of_the_server(said: &Result<HttpResponse, HttpError>) -> bool {
    match said {
        Ok(_) => true,
        Err(
            HttpError::Tls
            | HttpError::CertificateName
            | HttpError::CertificateExpired
            | HttpError::CertificateNotYetValid
            | HttpError::CertificateAlgorithm
            | HttpError::CertificateChain
            | HttpError::Certificate
            | HttpError::Protocol
            | HttpError::WrongClock,
        ) => true,
        Err(
            HttpError::Local
            | HttpError::NoRoute
            | HttpError::Timeout
            | HttpError::Refused
            | HttpError::Rejected
            | HttpError::Reset,
        ) => false,
    }
}
