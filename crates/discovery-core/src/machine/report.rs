//! Processes reports of callers: which facts are refreshed, and when.
//!
//! Knows nothing of how a place is moved back.
//!
//! A response of another service at one endpoint invalidates the facts behind the name, because it nearly always means a
//! move. A failure to connect does so only when all endpoints fail, because it nearly always means that the server is
//! down and the facts are right.
//!
//! Invalidated facts are fetched again in the background, so that the next attempt sees them. The back-off is kept for
//! each name, doubles, and only time resets it; a server that works now and then cannot raise the rate. Names that share
//! facts fetch them once in `feedback.backoff`, because the age of the fact counts.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Resolver;
use crate::cache::ReadMode;
use crate::cache::results::{is_drawn, oldest};
use crate::config::Context;
use crate::events::Disposition;
use crate::machine::Lookup;
use crate::name::ServerName;
use crate::outcome::{FailedEndpoint, Feedback, Outcome, Resolved};
use crate::policy::Policy;
use crate::spec::Memory;
use crate::util::{Few, Instant};

impl Resolver {
    /// Processes a caller's report about an endpoint of a result.
    ///
    /// A failing endpoint is listed last for [`Policy::feedback.backoff`](crate::FeedbackPolicy::backoff), doubling with each consecutive
    /// failure. It is never left out, and the explanation mentions it. [`Feedback::Connected`] ends the back-off at once. A failure to
    /// connect applies to the endpoint under every name, other failures to this name alone.
    ///
    /// When all endpoints of a name fail, or another server answers at one of them ([`Feedback::invalidates_facts`]), the facts behind
    /// the name are refreshed in the background: at once if they are older than the back-off, otherwise at the first lookup of the name
    /// after that. However often a server fails, the facts of a name are refreshed no sooner than the back-off allows, and facts that
    /// names share no more often than [`Policy::feedback.backoff`](crate::FeedbackPolicy::backoff).
    ///
    /// The endpoint is one that the result named. An IPv4 address mapped into IPv6 (`::ffff:192.0.2.1`), as sockets of both families
    /// report it, counts as the IPv4 address.
    ///
    /// Returns [`Disposition::Stale`] if the endpoint no longer belongs to the name, and [`Disposition::Unknown`] if the name is not in
    /// the cache; neither changes anything.
    pub fn report(
        &mut self,
        name: &ServerName,
        place: SocketAddr,
        said: Feedback,
        now: Instant,
    ) -> Disposition {
        self.advance(now);
        // Flow and scope are the caller's, and no part of what was handed out.
        let place = SocketAddr::new(place.ip(), place.port());
        let disposition = self.take_report(name, place, said);
        self.process_pending();
        disposition
    }

    /// The endpoints with reported failures, in no particular order.
    pub fn failed_places(&self) -> impl Iterator<Item = FailedEndpoint> {
        self.reports.iter()
    }

    fn take_report(&mut self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition {
        let Some(outcome) = self.last_outcome(name, place) else { return Disposition::Unknown };
        let Ok(resolved) = &outcome else { return Disposition::Stale };
        let Some(place) = handed_out(resolved, place) else { return Disposition::Stale };
        self.counters.reports = self.counters.reports.saturating_add(1);
        self.note_families(resolved, place, said);
        self.reports.note(name, place, said, self.turn.now);
        let doubted = said.invalidates_facts()
            || (said != Feedback::Connected && self.reports.all_rest(resolved, self.turn.now));
        // Without any fact there is nothing to ask.
        if doubted
            && let Some(oldest) = oldest(resolved)
            && self.reports.doubt(name, oldest, self.turn.now)
        {
            self.recheck(name);
        }
        Disposition::Accepted
    }

    /// Something answers at one family where the other could not be connected to.
    fn note_families(&mut self, resolved: &Resolved, place: SocketAddr, said: Feedback) {
        if said == Feedback::ConnectFailed {
            return;
        }
        self.in_flight.families_mut().worked(place.ip());
        for other in resolved.socket_addrs().filter(|other| other.is_ipv4() != place.is_ipv4()) {
            if self.reports.cannot_connect(other, self.turn.now) {
                self.in_flight.families_mut().failed(other.ip(), self.turn.now);
            }
        }
    }

    /// Where a name leads as far as is remembered, expired or not.
    fn last_outcome(&mut self, name: &ServerName, place: SocketAddr) -> Option<Outcome> {
        if let Some(outcome) = self.results.last(name) {
            return Some(outcome.clone());
        }
        let outcome = self.recollect(name, &self.turn.context.clone()).1?;
        let most = usize::from(self.turn.context.policy.spec.max_srv_targets);
        match &outcome {
            // Of more targets than are used each lookup has drawn its own.
            Ok(resolved)
                if is_drawn(resolved)
                    && resolved.targets.len() >= most
                    && handed_out(resolved, place).is_none() =>
            {
                let mut policy = Policy::clone(&self.turn.context.policy);
                policy.spec.max_srv_targets = u8::MAX;
                let context = Context { policy: Arc::new(policy), ..self.turn.context.clone() };
                self.recollect(name, &context).1.or(Some(outcome))
            }
            Ok(_) | Err(_) => Some(outcome),
        }
    }

    /// The outcome of a name from the cache alone, including expired facts that may be used as stale ones, and the lookup that has read
    /// them.
    pub(super) fn recollect(
        &mut self,
        name: &ServerName,
        context: &Context,
    ) -> (Lookup, Option<Outcome>) {
        let mut lookup = Lookup::in_background(name.clone(), 0, self.turn.now);
        let memory = Memory {
            cache: &mut self.cache,
            mode: ReadMode::IncludingExpired,
            late: true,
            now: self.turn.now,
        };
        let outcome = lookup.evaluate(context, Some(memory), self.turn.now);
        (lookup, outcome)
    }

    /// Refreshes invalidated facts, while cached results are still returned.
    pub(super) fn recheck(&mut self, name: &ServerName) {
        if self.refreshing.contains(name)
            || self.lookups.len() >= self.turn.context.policy.limits.max_lookups
        {
            return;
        }
        self.counters.rechecks = self.counters.rechecks.saturating_add(1);
        self.reports.asked(name, self.turn.now);
        self.refreshing.insert(name.clone());
        let since = self.reports.believed_after(self.turn.now);
        let lookup = Lookup::doubting(name.clone(), self.next_lookup, since, self.turn.now);
        self.begin(lookup, Few::default());
    }
}

/// The place among those that were handed out that a caller means: this one, or the one that it is written for another socket's sake.
fn handed_out(resolved: &Resolved, place: SocketAddr) -> Option<SocketAddr> {
    let canonical = |place: SocketAddr| (place.ip().to_canonical(), place.port());
    let same = resolved.socket_addrs().find(|other| *other == place);
    same.or_else(|| resolved.socket_addrs().find(|other| canonical(*other) == canonical(place)))
}
