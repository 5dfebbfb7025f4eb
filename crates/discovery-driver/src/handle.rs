//! The callers' side of a shared machine: who asks, and who waits.
//!
//! Knows nothing of how a request is carried out.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use discovery_core::{
    Counters, Cursor, Disposition, Export, FamiliesHealth, Feedback, FromMemory, Instant,
    NameServer, Outcome, Resolver, Routes, Row, ServerName, Taught, Ticket, UnixMillis,
};

use crate::clock::Clock;
use crate::setup::MAX_NAME_SERVERS;
use crate::shared::{DRIVER_PATIENCE, Shared, Waiter};
use crate::spans::LookupSpan;

/// How long a driver that seems to be stuck gets to show that it is not.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// Facts that are taught while the machine is locked once: some milliseconds' worth.
const PORTION: usize = 512;

/// The callers' side: cheap to clone. The driver ends when the last one is dropped.
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// A future of one outcome. Dropping it abandons the lookup, unless others wait for the same name.
pub struct Waiting {
    /// None once the outcome is there.
    ticket: Option<(Arc<Shared>, Ticket)>,
    outcome: Option<Outcome>,
    /// The last check found that the driver leaves its work lying.
    suspects: bool,
    span: LookupSpan,
}

impl Handle {
    /// Asks for a name. What is known already is there at once, without the driver.
    pub fn resolve(&self, name: &ServerName) -> Waiting {
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
            // Who waits wants the driver to go on, too.
            state.handles = state.handles.saturating_add(1);
            (Some((Arc::clone(&self.shared), ticket)), None)
        });
        span.known(outcome.is_some());
        if let Some(outcome) = &outcome {
            span.end(outcome);
        }
        Waiting { ticket, outcome, suspects: false, span }
    }

    /// Drops what is remembered of a name: its result, and every fact that it rests on.
    pub fn forget(&self, name: &ServerName) {
        self.with(|resolver, now| resolver.forget(name, now));
    }

    /// Tells of a place that a name led to. See [`Resolver::report`].
    pub fn report(&self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition {
        self.with(|resolver, now| resolver.report(name, place, said, now))
    }

    /// What a name would be answered with from memory. See [`Resolver::explain`].
    pub fn explain(&self, name: &ServerName) -> FromMemory {
        self.with(|resolver, now| resolver.explain(name, now))
    }

    /// The names that are known, and what of them. See [`Resolver::table`].
    pub fn table(&self) -> Vec<Row> {
        self.with(|resolver, now| resolver.table(now))
    }

    /// What has been learnt since; `wall` is the wall clock now. See [`Resolver::export_since`].
    pub fn export_since(&self, cursor: Cursor, wall: UnixMillis) -> Export {
        self.with(|resolver, now| resolver.export_since(cursor, now, wall))
    }

    /// Takes in what another process has learnt; `wall` is the wall clock now. See [`Resolver::teach`]. The machine is locked for a
    /// portion at a time, so lookups go on in between.
    pub fn teach(&self, export: Export, wall: UnixMillis) -> Taught {
        let mut all = Taught::default();
        let mut first = None;
        let made = export.at();
        for portion in export.portions(PORTION) {
            let taught = self.with(|resolver, now| {
                // Nothing gets younger while it waits for its portion, whichever of the two clocks is ahead.
                let passed = now.saturating_duration_since(*first.get_or_insert(now));
                let passed = u64::try_from(passed.as_nanos().div_ceil(1_000_000));
                let passed = passed.unwrap_or(u64::MAX);
                let wall = if wall < made {
                    wall.0.saturating_sub(passed)
                } else {
                    wall.0.saturating_add(passed)
                };
                resolver.teach(portion, now, UnixMillis(wall))
            });
            all.taken = all.taken.saturating_add(taught.taken);
            all.known = all.known.saturating_add(taught.known);
            all.expired = all.expired.saturating_add(taught.expired);
        }
        all
    }

    /// Asks these name servers from now on, in this order, at most 255, whatever was configured before: `resolv.conf` is not read
    /// any more. Requests that are under way stay with the server that they were sent to; what is remembered of the servers before
    /// (round trips, failures) is forgotten.
    pub fn set_name_servers(&self, servers: impl IntoIterator<Item = SocketAddr>) {
        let servers: Vec<_> = servers.into_iter().take(MAX_NAME_SERVERS).collect();
        let count = u8::try_from(servers.len()).unwrap_or(u8::MAX);
        self.shared.change(|state, now| {
            state.resolver.set_name_servers(count, now);
            state.name_servers = Some(servers);
        });
    }

    /// What has been done so far, and what is held now.
    pub fn counters(&self) -> Counters {
        self.with(|resolver, _now| resolver.counters())
    }

    /// Sets which address families have a route, for drivers that do not probe. See [`Resolver::set_routes`].
    pub fn set_routes(&self, routes: Routes) {
        self.with(|resolver, now| resolver.set_routes(routes, now));
    }

    /// Does what is due by now. Early calls do nothing. For clocks that jump: what became due is done at once, not when the
    /// driver's timer rings.
    pub fn handle_timeout(&self) {
        self.with(|resolver, now| resolver.handle_timeout(now));
    }

    /// The machine's next deadline, by the machine's [clock](Self::clock); None: nothing is under way that has one.
    pub fn deadline(&self) -> Option<Instant> {
        self.with(|resolver, _now| resolver.poll_timeout()).map(|deadline| deadline.at)
    }

    /// What is remembered of the name servers. See [`Resolver::name_servers`].
    pub fn name_servers(&self) -> Vec<NameServer> {
        self.with(|resolver, _now| resolver.name_servers().cloned().collect())
    }

    /// What is remembered of the address families. See [`Resolver::families`].
    pub fn families(&self) -> FamiliesHealth {
        self.with(|resolver, _now| resolver.families().clone())
    }

    /// Looks at the machine, or changes it; the machine is locked meanwhile. Not public: what takes events out of the machine, or
    /// starts lookups of its own, leaves the driver and the callers waiting.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Resolver, Instant) -> T) -> T {
        self.shared.change(|state, now| change(&mut state.resolver, now))
    }

    /// Ends the driver although handles are left: whoever waits gets a failure of our own side, and so does whoever comes later
    /// with a question that is not answered already.
    pub fn close(&self) {
        self.shared.close();
    }

    /// The clock by which the instants of outcomes go.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        let mut state = self.shared.lock();
        state.handles = state.handles.saturating_add(1);
        drop(state);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.change(|state, _now| state.handles = state.handles.saturating_sub(1));
    }
}

impl Waiting {
    /// The outcome if it is there; otherwise the task is woken when it is.
    pub fn poll_outcome(&mut self, cx: &Context<'_>) -> Poll<Outcome> {
        if let Some(outcome) = &self.outcome {
            return Poll::Ready(outcome.clone());
        }
        // Without outcome there is a ticket, and it waits for as long as this lives.
        let Some((shared, ticket)) = &self.ticket else { return Poll::Pending };
        let waker = cx.waker().clone();
        let mut state = shared.lock();
        let Some(waiter) = state.waiting.get_mut(ticket) else { return Poll::Pending };
        if let Some(outcome) = waiter.outcome.take() {
            drop(state);
            self.leave();
            self.span.end(&outcome);
            self.outcome = Some(outcome.clone());
            return Poll::Ready(outcome);
        }
        let old = waiter.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// As [`poll_outcome`](Self::poll_outcome), and looks whether the driver is alive each time that a timer of
    /// [`DRIVER_PATIENCE`] has rung. `timer` is started where it is needed, or not where there is none to be had: that the driver
    /// was dropped is noticed there as well.
    pub fn poll_checked<T: Future + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Option<T>,
        start: impl Fn(Duration) -> Option<T>,
    ) -> Poll<Outcome> {
        loop {
            if let Poll::Ready(outcome) = self.poll_outcome(cx) {
                *timer = None;
                return Poll::Ready(outcome);
            }
            if timer.is_none() {
                *timer = start(self.next_check());
            }
            let Some(running) = timer else { return Poll::Pending };
            ready!(Pin::new(running).poll(cx));
            *timer = None;
            self.check_driver();
        }
    }

    /// When to [check](Self::check_driver) next whether the driver is alive.
    pub fn next_check(&self) -> Duration {
        if self.suspects { SECOND_LOOK } else { DRIVER_PATIENCE }
    }

    /// Gives up where the driver has left its work lying for [`DRIVER_PATIENCE`], and still does at the next check: it was never
    /// run, or is stuck. The outcome is then a local failure. One check proves nothing: after a pause of the whole process this
    /// may come before the driver had a chance to act. Call it after [`next_check`](Self::next_check), for as long as there is no
    /// outcome.
    pub fn check_driver(&mut self) {
        let Some((shared, ticket)) = &self.ticket else { return };
        let state = shared.lock();
        let moment = (shared.now)();
        let stalled = state.is_stalled(moment, shared.clock.to_core(moment));
        drop(state);
        let suspected = std::mem::replace(&mut self.suspects, stalled);
        if stalled && suspected {
            shared.change(|state, now| state.fail(*ticket, now));
        }
    }

    fn leave(&mut self) {
        let Some((shared, ticket)) = self.ticket.take() else { return };
        let waiter = shared.change(|state, now| {
            state.handles = state.handles.saturating_sub(1);
            // Of a ticket that has ended this says nothing new, and nobody hears the rest.
            let _ = state.resolver.abandon(ticket, now);
            state.waiting.remove(&ticket)
        });
        drop(waiter);
    }
}

impl Future for Waiting {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.poll_outcome(cx)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticket = self.ticket.as_ref().map(|(_, ticket)| ticket);
        f.debug_struct("Waiting").field("ticket", &ticket).field("outcome", &self.outcome).finish()
    }
}
