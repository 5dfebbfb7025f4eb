//! What is true of a server, and for how long an answer has not been.
//!
//! Knows no machine: it compares what came out with how the server is set up, and was.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use discovery_core::{ErrorKind, Instant, Outcome, Resolved};

use super::life::Span;
use super::{DELEGATED_PORT, Kind, Population, Role, SERVICE_PORT, host};

/// How long after a change an answer may still be from before it, beside what the lifetimes say: a lookup keeps what it has
/// read.
const SLACK: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Longest that a document is used (R39).
const DOCUMENT: Duration = Duration::from_secs(48 * 60 * 60);
/// Longest that a DNS answer is used.
const RECORDS: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest life of a DNS failure.
const DNS_FAILURE: Duration = Duration::from_secs(5 * 60);

/// How an answer compares with the world of its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It is true.
    True,
    /// It is not.
    Wrong(Wrong),
    /// A temporary failure, while or shortly after the server's name servers failed.
    Excused,
    /// A temporary failure without such a reason.
    Failed(ErrorKind),
}

/// An answer that is not true any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Since when, where how the server is set up has changed.
    pub set_up: Option<Duration>,
    /// Since when, where its addresses have changed.
    pub addresses: Option<Duration>,
    /// For how long each may have been wrong.
    pub bounds: (Duration, Duration),
}

impl Wrong {
    /// For how long it has been wrong in one way or the other.
    pub fn longest(&self) -> Duration {
        self.set_up.max(self.addresses).unwrap_or_default()
    }

    /// Whether it has been wrong for longer than it may.
    pub fn is_too_old(&self) -> bool {
        let (set_up, addresses) = self.bounds;
        self.set_up.is_some_and(|since| since > set_up)
            || self.addresses.is_some_and(|since| since > addresses)
    }
}

/// Where to connect.
struct Place {
    host_header: String,
    port: u16,
    role: Role,
}

impl Population {
    /// Compares an answer with how the server is set up at that moment.
    pub fn judge(&self, server: u64, outcome: &Outcome, at: Instant) -> Sight {
        let era = self.era(server, at);
        let kind = self.kind_in(server, era.number);
        match outcome {
            Ok(resolved) => self.judge_resolved(server, resolved, era, at),
            Err(failed) => match (failed.kind, kind) {
                (ErrorKind::NoAddresses, Kind::NxDomain) => Sight::True,
                (ErrorKind::DnsFailure, Kind::ServerFailure) => Sight::True,
                (ErrorKind::NoAddresses, _) => {
                    Sight::Wrong(self.wrong(server, Some(era.since), None, at))
                }
                (ErrorKind::DnsFailure, _) if self.may_fail(server, era, at) => Sight::Excused,
                (kind, _) => Sight::Failed(kind),
            },
        }
    }

    /// Whether the name servers fail, or did so a moment ago.
    fn may_fail(&self, server: u64, era: Span, at: Instant) -> bool {
        let lately = DNS_FAILURE.saturating_add(SLACK);
        let since = Instant::from_nanos(at.as_nanos().saturating_sub(nanos(lately)));
        let before = era.number.checked_sub(1).map(|before| self.kind_in(server, before));
        self.has_failed_since(server, since, at)
            || (era.since > since && before == Some(Kind::ServerFailure))
    }

    fn judge_resolved(&self, server: u64, resolved: &Resolved, era: Span, at: Instant) -> Sight {
        let moves = self.moves(server, at);
        // When a stretch before the present one was over.
        let ended = |span: fn(&Self, u64, Instant) -> Span, back: u64| {
            let mut now = span(self, server, at);
            let mut end = None;
            for _ in 0..back {
                end = Some(now.since);
                let before = now.since.as_nanos().checked_sub(1)?;
                now = span(self, server, Instant::from_nanos(before));
            }
            Some((now, end))
        };
        // As it is or has been; or without its document, which can't be had at addresses that are not its own any more. Where
        // several fit, the one that was true last.
        let mut least: Option<Wrong> = None;
        for eras_back in 0..4 {
            let Some((then, era_end)) = ended(Self::era, eras_back) else { break };
            for moves_back in 0..4 {
                let Some((there, move_end)) = ended(Self::moves, moves_back) else { break };
                for documented in [true, false] {
                    if !self.is_place(server, resolved, then.number, there.number, documented) {
                        continue;
                    }
                    let ignored = (!documented
                        && self.kind_in(server, then.number).is_documented())
                    .then_some(moves.since);
                    let set_up = era_end.or(ignored);
                    if (set_up, move_end) == (None, None) {
                        return Sight::True;
                    }
                    let wrong = self.wrong(server, set_up, move_end, at);
                    if least.is_none_or(|least| wrong.longest() < least.longest()) {
                        least = Some(wrong);
                    }
                }
            }
        }
        if let Some(wrong) = least {
            return Sight::Wrong(wrong);
        }
        // A mixture of facts, none of them of today: since the last change of either.
        let last = era.since.max(moves.since);
        Sight::Wrong(self.wrong(server, Some(last), None, at))
    }

    /// Where a server is to be found, with or without its document; None: nowhere.
    fn place(&self, server: u64, era: u64, documented: bool) -> Option<Place> {
        let target = Role::Target(era);
        let (port, role) = match self.kind_in(server, era) {
            Kind::NxDomain | Kind::ServerFailure => return None,
            Kind::Port if documented => (DELEGATED_PORT, Role::Delegated(era)),
            Kind::Host if documented => (8448, Role::Delegated(era)),
            Kind::HostAndService if documented => (SERVICE_PORT, target),
            Kind::Service => (SERVICE_PORT, target),
            Kind::Port | Kind::Host | Kind::HostAndService => (8448, Role::Own),
            Kind::Plain | Kind::Refused | Kind::Silent => (8448, Role::Own),
        };
        let delegates = documented && self.kind_in(server, era).is_documented();
        let host_header =
            if delegates { self.delegated(server, era) } else { host(server, Role::Own) };
        Some(Place { host_header, port, role })
    }

    fn is_place(
        &self,
        server: u64,
        resolved: &Resolved,
        era: u64,
        moves: u64,
        documented: bool,
    ) -> bool {
        let Some(place) = self.place(server, era, documented) else { return false };
        let v4 = self.v4(server, place.role, moves).map(IpAddr::V4);
        let v6 = self.v6(server, place.role, moves).map(IpAddr::V6);
        let is_one =
            |found: SocketAddr| found.port() == place.port && [v4, v6].contains(&Some(found.ip()));
        resolved.host_header_str() == place.host_header && resolved.socket_addrs().all(is_one)
    }

    /// Since when an answer is wrong, and for how long it may be.
    fn wrong(
        &self,
        server: u64,
        set_up: Option<Instant>,
        addresses: Option<Instant>,
        at: Instant,
    ) -> Wrong {
        let ago = |since: Instant| at.saturating_duration_since(since);
        let ttl = Duration::from_secs(self.ttl(server).into()).min(RECORDS);
        let era = self.era(server, at);
        let before = era.number.checked_sub(1).map(|before| self.kind_in(server, before));
        let now = self.kind_in(server, era.number);
        let oldest = |since: Option<Instant>| since.map_or(at, |since| since);
        let since = Instant::from_nanos(
            oldest(set_up).min(oldest(addresses)).as_nanos().saturating_sub(nanos(RECORDS)),
        );
        // Where a refresh fails or a lookup waits too long, what was known before is given for a day.
        let hinders = |kind: Kind| matches!(kind, Kind::ServerFailure | Kind::Silent);
        let fails =
            self.has_failed_since(server, since, at) || hinders(now) || before.is_some_and(hinders);
        let records = if fails { RECORDS } else { ttl };
        // Where the document may have been out of reach, that there was none is remembered like a document.
        let moved = self.moves(server, at).since.saturating_add(DOCUMENT) > since;
        let documented = before.is_some_and(Kind::is_documented);
        let set_up_bound = match before {
            _ if fails || moved || documented => DOCUMENT,
            // What is gone is remembered for as long as it was to be.
            Some(Kind::Service) => ttl.max(HOUR),
            _ if now == Kind::NxDomain => ttl.max(HOUR),
            _ => HOUR,
        };
        Wrong {
            set_up: set_up.map(ago),
            addresses: addresses.map(ago),
            bounds: (set_up_bound.saturating_add(SLACK), records.saturating_add(SLACK)),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
