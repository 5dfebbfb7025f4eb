//! Connections that can serve another request, by route.
//!
//! The key is the whole route and never a host name: two server names can share a host, a port and a certificate name and still be two
//! servers. A connection is handed to one HTTP/1.1 request at a time, or to many HTTP/2 requests.
//!
//! An entry exists as long as it has connections or requests, so what the pool remembers of names is bounded by them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use discovery_tokio::discovery_core::{Route, ServerName};
use hyper::client::conn::{http1, http2};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::connect::BoxBody;
use crate::{Endpoint, PoolStats};

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) max_idle: usize,
    pub(crate) max_idle_per_route: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_requests_per_route: usize,
}

pub(crate) struct Pool {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    routes: HashMap<Arc<Route>, Served>,
    /// The route that each name had at its last request.
    names: HashMap<ServerName, Arc<Route>>,
    idle: usize,
    reaps: bool,
    stats: PoolStats,
}

/// What is open to one route.
struct Served {
    names: HashSet<ServerName>,
    /// The one used last is taken first, so that those beyond the need of the moment grow old.
    idle: Vec<Idle>,
    shared: Vec<Shared>,
    /// Requests that have begun and whose response bodies have not ended.
    requests: usize,
    slots: Arc<Semaphore>,
    /// Held while a first connection is made, for it may serve all who wait.
    dialing: Arc<tokio::sync::Mutex<()>>,
    speaks_http1: bool,
}

struct Idle {
    endpoint: Endpoint,
    sender: http1::SendRequest<BoxBody>,
    since: Instant,
}

/// A connection for many requests.
struct Shared {
    endpoint: Endpoint,
    sender: http2::SendRequest<BoxBody>,
    /// Cloned into each request.
    users: Arc<()>,
    used: Instant,
}

/// What a request takes from the pool.
pub(crate) enum Taken {
    Http1(Endpoint, http1::SendRequest<BoxBody>),
    Http2(Endpoint, http2::SendRequest<BoxBody>, Arc<()>),
}

/// The share of one request: its slot, and its entry in the pool. Ends with the response body.
pub(crate) struct Lease {
    pool: Weak<Pool>,
    route: Arc<Route>,
    _slot: OwnedSemaphorePermit,
    pub(crate) user: Option<Arc<()>>,
}

impl Pool {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, state: Mutex::new(State::default()) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let state = self.lock();
        let shared = state.routes.values().map(|served| served.shared.len()).sum();
        PoolStats { routes: state.routes.len(), idle: state.idle, shared, ..state.stats }
    }

    /// Waits for a slot at the route. What is idle at the name's former route is closed, unless another name is served there.
    pub(crate) async fn enter(self: &Arc<Self>, name: &ServerName, route: &Arc<Route>) -> Lease {
        let slots = self.register(name, route);
        let share = Entered { pool: self, route, is_kept: false };
        // A semaphore that is never closed has no error.
        let slot = loop {
            if let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
                break slot;
            }
        };
        let mut share = share;
        share.is_kept = true;
        Lease { pool: Arc::downgrade(self), route: Arc::clone(route), _slot: slot, user: None }
    }

    fn register(&self, name: &ServerName, route: &Arc<Route>) -> Arc<Semaphore> {
        let mut state = self.lock();
        let former = match state.names.entry(name.clone()) {
            Entry::Occupied(mut known) if known.get() != route => {
                Some(known.insert(Arc::clone(route)))
            }
            Entry::Occupied(_) => None,
            Entry::Vacant(new) => {
                new.insert(Arc::clone(route));
                None
            }
        };
        if let Some(former) = former {
            state.leave(name, &former);
        }
        let served = state.routes.entry(Arc::clone(route)).or_insert_with(|| Served {
            names: HashSet::new(),
            idle: Vec::new(),
            shared: Vec::new(),
            requests: 0,
            slots: Arc::new(Semaphore::new(self.bounds.max_requests_per_route.max(1))),
            dialing: Arc::default(),
            speaks_http1: false,
        });
        served.names.insert(name.clone());
        served.requests = served.requests.saturating_add(1);
        Arc::clone(&served.slots)
    }

    /// A connection that can take a request now.
    pub(crate) fn take(&self, route: &Arc<Route>) -> Option<Taken> {
        let state = &mut *self.lock();
        let served = state.routes.get_mut(route)?;
        served.shared.retain(|shared| !shared.sender.is_closed());
        let now = Instant::now();
        if let Some(shared) = served.shared.first_mut() {
            shared.used = now;
            state.stats.reused = state.stats.reused.saturating_add(1);
            let user = Arc::clone(&shared.users);
            return Some(Taken::Http2(shared.endpoint.clone(), shared.sender.clone(), user));
        }
        while let Some(idle) = served.idle.pop() {
            state.idle = state.idle.saturating_sub(1);
            if idle.sender.is_ready() && now.duration_since(idle.since) < self.bounds.idle_timeout {
                state.stats.reused = state.stats.reused.saturating_add(1);
                return Some(Taken::Http1(idle.endpoint, idle.sender));
            }
        }
        None
    }

    /// What to hold while connecting; `None` where connections are not shared, so that each request makes its own.
    pub(crate) fn dialing(&self, route: &Arc<Route>) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let state = self.lock();
        let served = state.routes.get(route)?;
        (!served.speaks_http1).then(|| Arc::clone(&served.dialing))
    }

    pub(crate) fn opened(&self, route: &Arc<Route>, is_http1: bool) {
        let mut state = self.lock();
        state.stats.opened = state.stats.opened.saturating_add(1);
        if let Some(served) = state.routes.get_mut(route) {
            served.speaks_http1 = is_http1;
        }
    }

    /// Keeps a connection that many requests can share.
    pub(crate) fn share(
        self: &Arc<Self>,
        route: &Arc<Route>,
        endpoint: &Endpoint,
        sender: &http2::SendRequest<BoxBody>,
    ) -> Arc<()> {
        let users = Arc::new(());
        let mut state = self.lock();
        if let Some(served) = state.routes.get_mut(route) {
            served.shared.push(Shared {
                endpoint: endpoint.clone(),
                sender: sender.clone(),
                users: Arc::clone(&users),
                used: Instant::now(),
            });
            self.reap_later(&mut state);
        }
        users
    }

    /// Keeps a connection that has served its request.
    pub(crate) fn put(
        self: &Arc<Self>,
        route: &Arc<Route>,
        endpoint: Endpoint,
        sender: http1::SendRequest<BoxBody>,
    ) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.idle >= self.bounds.max_idle {
            return;
        }
        // Without an entry the route has changed meanwhile.
        let Some(served) = state.routes.get_mut(route) else { return };
        if served.idle.len() < self.bounds.max_idle_per_route && !served.names.is_empty() {
            served.idle.push(Idle { endpoint, sender, since: Instant::now() });
            state.idle = state.idle.saturating_add(1);
            self.reap_later(state);
        }
    }

    /// Forgets all connections to a route; those in use end with their requests.
    pub(crate) fn evict(&self, route: &Arc<Route>) {
        let state = &mut *self.lock();
        let Some(served) = state.routes.get_mut(route) else { return };
        state.idle = state.idle.saturating_sub(served.idle.len());
        served.idle.clear();
        served.shared.clear();
    }

    /// Closes connections once they are old: one task for all of them, as long as there are any.
    fn reap_later(self: &Arc<Self>, state: &mut State) {
        if std::mem::replace(&mut state.reaps, true) {
            return;
        }
        let pool = Arc::downgrade(self);
        let period = self.bounds.idle_timeout;
        tokio::spawn(async move {
            loop {
                sleep_until(Instant::now() + period).await;
                let Some(pool) = pool.upgrade() else { return };
                if !pool.reap() {
                    return;
                }
            }
        });
    }

    /// Whether anything is left to close later.
    fn reap(&self) -> bool {
        let state = &mut *self.lock();
        let (now, limit) = (Instant::now(), self.bounds.idle_timeout);
        for served in state.routes.values_mut() {
            let before = served.idle.len();
            served
                .idle
                .retain(|idle| !idle.sender.is_closed() && now.duration_since(idle.since) < limit);
            state.idle = state.idle.saturating_sub(before.saturating_sub(served.idle.len()));
            served.shared.retain(|shared| {
                let in_use = Arc::strong_count(&shared.users) > 1;
                !shared.sender.is_closed() && (in_use || now.duration_since(shared.used) < limit)
            });
        }
        let unused: Vec<_> = state
            .routes
            .iter()
            .filter(|(_, served)| served.is_unused())
            .map(|(route, _)| Arc::clone(route))
            .collect();
        for route in unused {
            state.remove(&route);
        }
        state.reaps = !state.routes.is_empty();
        state.reaps
    }

    fn leave(&self, route: &Arc<Route>) {
        let mut state = self.lock();
        let Some(served) = state.routes.get_mut(route) else { return };
        served.requests = served.requests.saturating_sub(1);
        if served.is_unused() {
            state.remove(route);
        }
    }
}

impl Served {
    fn is_unused(&self) -> bool {
        self.requests == 0 && self.idle.is_empty() && self.shared.is_empty()
    }
}

impl State {
    /// A name has left a route.
    fn leave(&mut self, name: &ServerName, route: &Arc<Route>) {
        let Some(served) = self.routes.get_mut(route) else { return };
        served.names.remove(name);
        if served.names.is_empty() {
            self.idle = self.idle.saturating_sub(served.idle.len());
            served.idle.clear();
            served.shared.clear();
            if served.is_unused() {
                self.routes.remove(route);
            }
        }
    }

    fn remove(&mut self, route: &Arc<Route>) {
        let Some(served) = self.routes.remove(route) else { return };
        for name in served.names {
            self.names.remove(&name);
        }
    }
}

/// An entry while a request waits for its slot, taken back where the request is dropped.
struct Entered<'a> {
    pool: &'a Arc<Pool>,
    route: &'a Arc<Route>,
    is_kept: bool,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.pool.leave(self.route);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // First, so that a shared connection counts as unused.
        self.user = None;
        if let Some(pool) = self.pool.upgrade() {
            pool.leave(&self.route);
        }
    }
}
