//! The handle that callers hold.
//!
//! Facts are imported in portions, with the resolver locked for one portion at a time, so that lookups go on between
//! them. `entries` holds the lock throughout, because its rows must describe one moment.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use discovery_core::{
    CacheEntry, CacheLookup, Counters, Cursor, Delegation, Disposition, Export, FamiliesHealth,
    Feedback, ImportSummary, Instant, InvalidServerName, NameServer, Policy, ResolveError,
    Resolver, Routes, ServerName, UnixMillis,
};
use rustls::ClientConfig;

use crate::builder::{Builder, limited};
use crate::clock::Clock;
use crate::resolve::Resolve;
use crate::shared::{Shared, Waiter};
use crate::spans::LookupSpan;

/// Facts that are imported while the resolver is locked once: some milliseconds' worth.
const PORTION: usize = 512;

/// Resolves server names. Cheap to clone: all clones share one cache and one [`Driver`](crate::Driver), which ends when the
/// last clone and the last [`Resolve`] are dropped.
///
/// Nothing is resolved unless the driver runs: without it, only names whose result is known are answered, and all other
/// lookups wait. The `spawn` function of an adapter runs it.
pub struct Discovery {
    pub(crate) shared: Arc<Shared>,
}

impl Discovery {
    /// Begins to configure a discovery. `tls` decides which certificate authorities are trusted.
    pub fn builder(tls: Arc<ClientConfig>) -> Builder {
        Builder::new(tls)
    }

    /// Resolves a server name. A result that is known already is available at once, without the driver.
    ///
    /// A text that is not a server name fails with an error of kind
    /// [`InvalidServerName`](discovery_core::ErrorKind::InvalidServerName). If the driver was dropped, or the discovery was
    /// closed, the error is of kind [`Local`](discovery_core::ErrorKind::Local).
    pub fn resolve<N>(&self, name: N) -> Resolve
    where
        N: TryInto<ServerName>,
        N::Error: Into<InvalidServerName>,
    {
        match name.try_into() {
            Ok(name) => self.resolve_name(&name),
            Err(why) => {
                let outcome = Err(Arc::new(ResolveError::from(why.into())));
                Resolve::new(None, Some(outcome), LookupSpan::none())
            }
        }
    }

    fn resolve_name(&self, name: &ServerName) -> Resolve {
        let mut span = LookupSpan::new(name);
        let (ticket, outcome) = self.shared.change(|state, now| {
            let ticket = state.resolver.resolve(name, now);
            state.waiting.insert(ticket, Waiter::default());
            state.drain();
            let known = state.waiting.get_mut(&ticket).and_then(|waiter| waiter.outcome.take());
            if known.is_some() {
                state.waiting.remove(&ticket);
                return (None, known);
            }
            // A waiter keeps the driver running, too.
            state.handles = state.handles.saturating_add(1);
            (Some((Arc::clone(&self.shared), ticket)), None)
        });
        span.known(outcome.is_some());
        if let Some(outcome) = &outcome {
            span.end(outcome);
        }
        Resolve::new(ticket, outcome, span)
    }

    /// Removes a name from the cache: its result, and the facts that it is based on. See [`Resolver::forget`].
    pub fn forget(&self, name: &ServerName) {
        self.with(|resolver, now| resolver.forget(name, now));
    }

    /// The TLS configuration of `.well-known` requests, with the certificate authorities that it trusts.
    pub fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.shared.settings.tls)
    }

    /// The policy that names are resolved by.
    pub fn policy(&self) -> Arc<Policy> {
        self.with(|resolver, _| Arc::clone(resolver.policy()))
    }

    /// Changes the policy of the resolver while it runs. See [`Resolver::set_policy`].
    pub fn set_policy(&self, policy: Policy) {
        self.with(|resolver, now| resolver.set_policy(policy, now));
    }

    /// Empties the cache. See [`Resolver::forget_all`].
    pub fn forget_all(&self) {
        self.with(|resolver, now| resolver.forget_all(now));
    }

    /// Reports whether a connection to an endpoint of a result worked. A failing endpoint comes last for a while; if all endpoints of a
    /// name fail, its facts are refreshed. See [`Resolver::report`].
    pub fn report(&self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition {
        self.with(|resolver, now| resolver.report(name, place, said, now))
    }

    /// The result that the cache gives for a name, with reasons, or the questions that are missing. Sends no request. See
    /// [`Resolver::explain`].
    pub fn explain(&self, name: &ServerName) -> CacheLookup {
        self.with(|resolver, now| resolver.explain(name, now))
    }

    /// The delegation of a name by its cached document. Sends no request. See [`Resolver::document`].
    pub fn document(&self, name: &ServerName) -> Option<Delegation> {
        self.with(|resolver, now| resolver.document(name, now))
    }

    /// The cache entries of all names. Sends no request. The resolver is locked meanwhile, for a few microseconds per name. See
    /// [`Resolver::entries`].
    pub fn entries(&self) -> Vec<CacheEntry> {
        self.with(|resolver, now| resolver.entries(now))
    }

    /// A page of the facts that were learnt after `cursor`: to be saved for the next process, or shared with others. See
    /// [`Resolver::export_since`].
    pub fn export_since(&self, cursor: Cursor) -> Export {
        let wall = self.wall_clock();
        self.with(|resolver, now| resolver.export_since(cursor, now, wall))
    }

    /// Imports what another process has learnt, or an earlier one. See [`Resolver::import`]. The resolver is locked for a
    /// portion at a time, so that lookups go on in between.
    pub fn import(&self, export: Export) -> ImportSummary {
        let mut all = ImportSummary::default();
        let mut first = None;
        let (made, wall) = (export.at(), self.wall_clock());
        for portion in export.portions(PORTION) {
            let taught = self.with(|resolver, now| {
                // No fact gets younger while it waits for its portion, whichever of the two wall clocks is ahead.
                let passed = now.saturating_duration_since(*first.get_or_insert(now));
                let passed = u64::try_from(passed.as_nanos().div_ceil(1_000_000));
                let passed = passed.unwrap_or(u64::MAX);
                let wall = if wall < made {
                    wall.0.saturating_sub(passed)
                } else {
                    wall.0.saturating_add(passed)
                };
                resolver.import(portion, now, UnixMillis(wall))
            });
            all.taken = all.taken.saturating_add(taught.taken);
            all.known = all.known.saturating_add(taught.known);
            all.expired = all.expired.saturating_add(taught.expired);
        }
        all
    }

    /// Replaces the name servers, at most 255, in this order. `resolv.conf` is not read any more. Open requests stay with the
    /// server that they were sent to; what is known about the previous servers (round trips, failures) is forgotten.
    pub fn set_name_servers(&self, servers: impl IntoIterator<Item = SocketAddr>) {
        let servers = limited(servers);
        let count = u8::try_from(servers.len()).unwrap_or(u8::MAX);
        self.shared.change(|state, now| {
            state.resolver.set_name_servers(count, now);
            state.name_servers = Some(servers);
        });
    }

    /// Sets which address families have a route, for drivers that do not [probe](Builder::probe_routes). See
    /// [`Resolver::set_routes`].
    pub fn set_routes(&self, routes: Routes) {
        self.with(|resolver, now| resolver.set_routes(routes, now));
    }

    /// The measured state of each name server. See [`Resolver::name_servers`].
    pub fn name_servers(&self) -> Vec<NameServer> {
        self.with(|resolver, _now| resolver.name_servers().cloned().collect())
    }

    /// The measured state of the address families. See [`Resolver::families`].
    pub fn families(&self) -> FamiliesHealth {
        self.with(|resolver, _now| resolver.families().clone())
    }

    /// Counts of what has been done, and of what is held now.
    pub fn counters(&self) -> Counters {
        self.with(|resolver, _now| resolver.counters())
    }

    /// Handles the timeouts that are due. Early calls do nothing. Only needed after a jump of a
    /// [clock](Builder::clock) of the caller's: the driver does it when its timer fires.
    pub fn handle_timeout(&self) {
        self.with(|resolver, now| resolver.handle_timeout(now));
    }

    /// The resolver's next deadline; None if nothing is in flight that has one.
    pub fn deadline(&self) -> Option<Instant> {
        self.with(|resolver, _now| resolver.poll_timeout()).map(|deadline| deadline.at)
    }

    /// The clock of the instants in outcomes.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Ends the driver, although clones are left. Waiting lookups fail with an error of kind
    /// [`Local`](discovery_core::ErrorKind::Local), and so do later ones whose result is not known already.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Reads or changes the resolver, which is locked meanwhile. Not public: a caller that takes events out of it, or starts
    /// lookups of its own, would leave the driver and other callers waiting.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Resolver, Instant) -> T) -> T {
        self.shared.with(change)
    }

    fn wall_clock(&self) -> UnixMillis {
        UnixMillis::from_system_time(self.shared.settings.environment.wall_clock())
    }
}

impl Clone for Discovery {
    fn clone(&self) -> Self {
        let mut state = self.shared.lock();
        state.handles = state.handles.saturating_add(1);
        drop(state);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.shared.change(|state, _now| state.handles = state.handles.saturating_sub(1));
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").finish_non_exhaustive()
    }
}
