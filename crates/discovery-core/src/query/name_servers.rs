//! The state of each name server: its round-trip time, and whether it replies.
//!
//! A single resolution keeps no such state: it queries the servers in turn.
//!
//! Silence alone does not count against a name server, because a zone that it forwards to may be the silent part. A
//! server has failed when another one has replied to the same question first. It is then asked last for 30 s, doubling to
//! 10 min, after which one query tests it. Working servers keep the order in which they were configured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::io::Noticed;
use crate::policy::{DnsTransport, Policy};
use crate::util::{Backoff, Instant};

/// How long a failing server is tried last.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(30), max: Duration::from_secs(600) };

/// For how long it is remembered how a server must be asked; then one query tries the ordinary way again. As unbound's `infra-host-ttl`.
const MANNER_LIFE: Duration = Duration::from_secs(15 * 60);

/// One name server, as this side has come to know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NameServer {
    /// The smoothed round-trip time (SRTT of RFC 6298); `None` before the first reply.
    pub round_trip: Option<Duration>,
    /// How much that varies (RTTVAR of RFC 6298).
    pub variation: Duration,
    /// The number of consecutive failures: no reply, REFUSED, NOTIMP, or an unreadable reply.
    pub failures: u32,
    /// The time until which it is tried last, if it has failed.
    pub rests_until: Option<Instant>,
    /// The time until which queries to it carry no OPT record, if it rejects that.
    pub plain_until: Option<Instant>,
    /// The time until which queries go to it over TCP, if UDP does not work or it does not repeat the case of letters.
    pub tcp_until: Option<Instant>,
    /// Whether TCP is used because it does not repeat the case of letters.
    pub folds_letters: bool,
}

/// One query of a question: to which server, and how it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) server: u8,
    pub(crate) attempt: u8,
    pub(crate) edns: bool,
    pub(crate) transport: DnsTransport,
}

/// How another query to the same server fared while a question was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fared {
    /// There has been no reply for as long as one should take.
    Silent,
    /// It was answered with SERVFAIL or something that cannot be read.
    Failed,
}

/// All name servers, by index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NameServers {
    servers: Vec<NameServer>,
    remembers: bool,
}

impl NameServers {
    /// So many servers; `remembers` unless they are asked in turn whatever they do.
    pub(crate) fn new(count: u8, remembers: bool) -> Self {
        Self { servers: vec![NameServer::default(); usize::from(count)], remembers }
    }

    /// Replaces the servers; the state of the former ones is dropped.
    pub(crate) fn set_count(&mut self, count: u8) {
        *self = Self::new(count, self.remembers);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &NameServer> {
        self.servers.iter()
    }

    /// Whether there is a server without an attempt.
    pub(crate) fn has_more_than(&self, asked: &[Asked]) -> bool {
        let is_new = |index| asked.iter().all(|other| other.server != index);
        (0..).zip(&self.servers).any(|(index, _)| is_new(index))
    }

    /// Whom to ask next: of those asked least, in the order given, those that fail last. One that has rested is asked first once
    /// more, by one question. None: there is no name server.
    pub(crate) fn pick(&mut self, asked: &[Asked], now: Instant) -> Option<u8> {
        let rank = |(index, server): (u8, &NameServer)| {
            let times = asked.iter().filter(|other| other.server == index).count();
            let rests = server.rests_until.map_or(1, |until| if until <= now { 0 } else { 2 });
            (times, rests, index)
        };
        let (.., index) = (0..).zip(&self.servers).map(rank).min()?;
        if let Some(server) = self.servers.get_mut(usize::from(index))
            && server.rests_until.is_some_and(|until| until <= now)
        {
            // Should it still be silent, only one question waits for it.
            server.rest(now);
        }
        Some(index)
    }

    /// Whether a server must be asked without EDNS and whether over TCP, as far as is remembered. Where that is too long ago, this one
    /// query tries the ordinary way; the others go on meanwhile as before.
    pub(crate) fn manner(&mut self, server: u8, now: Instant) -> (bool, bool) {
        let Some(server) = self.known(server) else { return (false, false) };
        let active = |until: &mut Option<Instant>| match until {
            Some(end) if *end <= now => {
                *end = now + MANNER_LIFE;
                false
            }
            Some(_) => true,
            None => false,
        };
        (active(&mut server.plain_until), active(&mut server.tcp_until))
    }

    /// Whether a server is asked over TCP because it folds letters.
    pub(crate) fn folds_letters(&self, server: u8) -> bool {
        self.servers.get(usize::from(server)).is_some_and(|server| server.folds_letters)
    }

    /// Learns from a reply how its server must be asked: by what the driver noticed, and by how other queries of the same question fared.
    pub(crate) fn learn_manner(
        &mut self,
        asked: Asked,
        since: Instant,
        noticed: Noticed,
        others: &[(Asked, Fared)],
        now: Instant,
    ) {
        let Some(server) = self.known(asked.server) else { return };
        let of_server = || others.iter().filter(|(other, _)| other.server == asked.server);
        // What was learnt while the query was under way is newer than its reply.
        let is_older =
            |until: Option<Instant>| until.is_none_or(|until| until <= since + MANNER_LIFE);
        let tcp = asked.transport == DnsTransport::Tcp;
        let rejects = !asked.edns
            && of_server().any(|(other, fared)| {
                other.edns && (*fared == Fared::Failed || other.transport == asked.transport)
            });
        if noticed.rejects_edns || rejects {
            server.plain_until = Some(now + MANNER_LIFE);
        } else if asked.edns && is_older(server.plain_until) {
            server.plain_until = None;
        }
        let silent = tcp
            && of_server().any(|(other, fared)| {
                other.transport == DnsTransport::Udp && *fared == Fared::Silent
            });
        if noticed.folds_letters || silent {
            server.tcp_until = Some(now + MANNER_LIFE);
            server.folds_letters = noticed.folds_letters;
        } else if !tcp && is_older(server.tcp_until) {
            server.tcp_until = None;
            server.folds_letters = false;
        }
    }

    /// TCP did not work: the next query goes over UDP again.
    pub(crate) fn tcp_failed(&mut self, server: u8) {
        let Some(server) = self.known(server) else { return };
        server.tcp_until = None;
        server.folds_letters = false;
    }

    /// How long to wait for a server's reply before another attempt starts (RFC 6298 §2); None: nothing is known of it.
    pub(crate) fn wait(&self, server: u8, policy: &Policy) -> Option<Duration> {
        let server = self.servers.get(usize::from(server)).filter(|_| self.remembers)?;
        let shortest = policy.dns.min_retry_interval?;
        if server.failures > 0 {
            return Some(shortest);
        }
        let longest = part(policy.dns.timeout, 4).max(shortest);
        let wait = server.round_trip?.saturating_add(server.variation.saturating_mul(4));
        Some(wait.clamp(shortest, longest))
    }

    /// A server has replied after so long. Every attempt has an id of its own, so it is never in doubt which one a reply is to (Karn's
    /// algorithm is not needed).
    pub(crate) fn replied(&mut self, server: u8, took: Duration) {
        let Some(server) = self.known(server) else { return };
        // RFC 6298 §2.2, §2.3: alpha 1/8, beta 1/4.
        (server.round_trip, server.variation) = match server.round_trip {
            None => (Some(took), part(took, 2)),
            Some(smoothed) => {
                let apart = smoothed.abs_diff(took);
                let variation = part(server.variation.saturating_mul(3).saturating_add(apart), 4);
                (Some(part(smoothed.saturating_mul(7).saturating_add(took), 8)), variation)
            }
        };
        server.failures = 0;
        server.rests_until = None;
    }

    /// A server has failed to answer. What else it is late with while it rests counts no more.
    pub(crate) fn failed(&mut self, server: u8, now: Instant) {
        let Some(server) = self.known(server) else { return };
        if server.rests_until.is_none_or(|until| until <= now) {
            server.rest(now);
        }
    }

    fn known(&mut self, server: u8) -> Option<&mut NameServer> {
        self.servers.get_mut(usize::from(server)).filter(|_| self.remembers)
    }
}

impl NameServer {
    fn rest(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.rests_until = Some(now + BACKOFF.after(self.failures));
    }
}

/// A duration divided; nothing is divided by zero here.
fn part(duration: Duration, by: u32) -> Duration {
    duration.checked_div(by).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn udp(server: u8) -> Asked {
        Asked { server, attempt: 0, edns: true, transport: DnsTransport::Udp }
    }

    fn at(ms: u32) -> Instant {
        Instant::ORIGIN + MS.saturating_mul(ms)
    }

    #[test]
    fn servers_are_asked_in_turn_while_nothing_is_known_of_them() {
        let mut servers = NameServers::new(2, true);
        let mut asked = Vec::new();
        for _ in 0..4 {
            asked.push(udp(servers.pick(&asked, at(0)).unwrap_or(9)));
        }
        assert_eq!(asked, [0, 1, 0, 1].map(udp));
        assert_eq!(NameServers::new(0, true).pick(&[], at(0)), None);
    }

    #[test]
    fn a_server_that_fails_is_asked_last_and_first_once_more_when_it_has_rested() {
        let mut servers = NameServers::new(2, true);
        servers.failed(0, at(0));
        servers.failed(0, at(1));
        assert_eq!(servers.pick(&[], at(29_999)), Some(1));
        assert_eq!(servers.pick(&[udp(1)], at(29_999)), Some(0), "the other one is next");
        assert_eq!(servers.pick(&[], at(30_000)), Some(0), "one question tries");
        assert_eq!(servers.pick(&[], at(30_001)), Some(1), "the others don't");
        assert_eq!(servers.pick(&[], at(89_999)), Some(1), "it rests for twice as long");
        servers.replied(0, MS);
        assert_eq!(servers.pick(&[], at(89_999)), Some(0), "found again");
    }

    #[test]
    fn a_wait_follows_the_round_trips_within_its_limits() {
        let policy = Policy::default();
        let mut servers = NameServers::new(1, true);
        assert_eq!(servers.wait(0, &policy), None);
        servers.replied(0, MS * 100);
        assert_eq!(servers.wait(0, &policy), Some(MS * 300), "RFC 6298 §2.2: R + 4 R/2");
        servers.replied(0, MS * 180);
        // SRTT 7/8 100 + 1/8 180 = 110; RTTVAR 3/4 50 + 1/4 80 = 57.5.
        assert_eq!(servers.wait(0, &policy), Some(MS * 340));
        (0..50).for_each(|_| servers.replied(0, MS));
        assert_eq!(servers.wait(0, &policy), policy.dns.min_retry_interval);
        servers.replied(0, MS * 9_000);
        assert_eq!(servers.wait(0, &policy), Some(policy.dns.timeout / 4));
        let mut in_turn = NameServers::new(1, false);
        in_turn.replied(0, MS * 100);
        assert_eq!(in_turn.wait(0, &policy), None);
    }

    const MIN: Duration = Duration::from_secs(60);

    #[test]
    fn a_server_without_edns_is_asked_plainly_for_a_while_and_then_tried_once() {
        let mut servers = NameServers::new(1, true);
        let start = at(0);
        let rejects = Noticed { rejects_edns: true, ..Noticed::default() };
        servers.learn_manner(udp(0), start, rejects, &[], start);
        assert_eq!(servers.manner(0, start + MIN * 14), (true, false));
        let probe = start + MIN * 15;
        assert_eq!(servers.manner(0, probe), (false, false), "one query tries");
        assert_eq!(servers.manner(0, probe), (true, false), "the others don't");
        // A reply to a query that is older than the news changes nothing.
        servers.learn_manner(udp(0), start, Noticed::default(), &[], probe);
        assert_eq!(servers.manner(0, probe), (true, false));
        servers.learn_manner(udp(0), probe, Noticed::default(), &[], probe);
        assert_eq!(servers.manner(0, probe), (false, false), "it speaks EDNS now");
    }

    #[test]
    fn servfail_alone_does_not_take_edns_from_a_server() {
        let mut servers = NameServers::new(1, true);
        let plain = Asked { edns: false, ..udp(0) };
        servers.learn_manner(plain, at(0), Noticed::default(), &[(plain, Fared::Failed)], at(0));
        assert_eq!(servers.manner(0, at(0)), (false, false));
        servers.learn_manner(plain, at(0), Noticed::default(), &[(udp(1), Fared::Failed)], at(0));
        assert_eq!(servers.manner(0, at(0)), (false, false), "another server's");
        servers.learn_manner(plain, at(0), Noticed::default(), &[(udp(0), Fared::Failed)], at(0));
        assert_eq!(servers.manner(0, at(0)), (true, false), "the plain query was answered");
    }

    #[test]
    fn a_server_that_answers_over_tcp_alone_is_asked_so_until_tcp_fails() {
        let mut servers = NameServers::new(1, true);
        let tcp = Asked { edns: false, transport: DnsTransport::Tcp, ..udp(0) };
        servers.learn_manner(tcp, at(0), Noticed::default(), &[(udp(0), Fared::Silent)], at(0));
        assert_eq!(
            servers.manner(0, at(1)),
            (false, true),
            "silence over UDP is no matter of EDNS"
        );
        assert!(!servers.folds_letters(0));
        servers.tcp_failed(0);
        assert_eq!(servers.manner(0, at(1)), (false, false));
        let folds = Noticed { folds_letters: true, ..Noticed::default() };
        servers.learn_manner(udp(0), at(0), folds, &[], at(2));
        servers.learn_manner(udp(0), at(1), Noticed::default(), &[], at(3));
        assert_eq!(servers.manner(0, at(4)), (false, true), "older queries change nothing");
        assert!(servers.folds_letters(0));
        let mut forgetful = NameServers::new(1, false);
        forgetful.learn_manner(udp(0), at(0), folds, &[], at(2));
        assert_eq!(forgetful.manner(0, at(4)), (false, false));
    }
}
