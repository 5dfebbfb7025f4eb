//! The machine on one thread without `Send`: callers and driver share it in an `Rc`, without a lock.
//!
//! `cargo run -p discovery-lab --example local_set [NAME …]`. A caller's input goes to the machine at once, so what is remembered is
//! answered without any task; the driver starts and stops exchanges, and keeps the deadline.
#![allow(clippy::disallowed_methods, reason = "an example reads the clocks, as an adapter does")]

#[allow(dead_code, reason = "each example takes what it needs")]
pub(crate) mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use common::Settings;
use common::sockets::{self, Running, until};
use discovery_core::{
    ErrorKind, Event, Instant, Outcome, Request, RequestId, ResolveError, Resolver, ServerName,
    Ticket,
};
use discovery_driver::Clock;
use tokio::sync::{Notify, oneshot};
use tokio::task::{LocalSet, spawn_local};

/// The handle of callers. The driver ends when the last clone and the last lookup are dropped.
#[derive(Clone)]
pub(crate) struct Discovery(Rc<Shared>);

struct Shared {
    settings: Rc<Settings>,
    clock: Clock,
    state: RefCell<State>,
    /// Wakes the driver.
    wake: Rc<Notify>,
}

struct State {
    resolver: Resolver,
    waiting: BTreeMap<Ticket, oneshot::Sender<Outcome>>,
    actions: VecDeque<Action>,
    /// Whether the driver runs. Without it, lookups must not wait.
    has_driver: bool,
}

/// The work of the driver.
enum Action {
    Start(Request),
    Stop(RequestId),
}

/// Abandons its ticket when it is dropped, without effect on a ticket that has ended.
struct Waiting<'a>(&'a Shared, Ticket);

impl Discovery {
    /// Within a [`LocalSet`].
    pub(crate) fn spawn(settings: Settings) -> Self {
        let clock = Clock::start((settings.clock)());
        let resolver = Resolver::new(settings.config(), Instant::ORIGIN);
        let (waiting, actions) = (BTreeMap::new(), VecDeque::new());
        let state = RefCell::new(State { resolver, waiting, actions, has_driver: true });
        let wake = Rc::new(Notify::new());
        let settings = Rc::new(settings);
        let shared = Rc::new(Shared { settings, clock, state, wake: Rc::clone(&wake) });
        spawn_local(drive(Rc::downgrade(&shared), wake));
        Self(shared)
    }

    /// Any other operation on the machine, such as settings routes or reading counters.
    #[allow(dead_code, reason = "for whoever embeds this: names are resolved without it")]
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Resolver, Instant) -> T) -> T {
        self.0.input(|state, now| change(&mut state.resolver, now))
    }

    pub(crate) async fn resolve(&self, name: &ServerName) -> Outcome {
        let (sender, outcome) = oneshot::channel();
        let ticket = self.0.input(|state, now| {
            let ticket = state.resolver.resolve(name, now);
            state.waiting.insert(ticket, sender);
            ticket
        });
        let _waiting = Waiting(&self.0, ticket);
        // The driver has ended: a local failure.
        outcome.await.unwrap_or_else(|_| Err(Arc::new(ResolveError::bare(ErrorKind::Local))))
    }
}

impl Shared {
    /// Hands an input to the machine and sorts its events.
    fn input<T>(&self, give: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = self.clock.to_core((self.settings.clock)());
        let mut state = self.state.borrow_mut();
        let value = give(&mut state, now);
        while let Some(event) = state.resolver.poll() {
            match event {
                Event::Request(request) => state.actions.push_back(Action::Start(request)),
                Event::Cancel(id) => state.actions.push_back(Action::Stop(id)),
                Event::Finished(ticket, outcome) => {
                    let _ = state.waiting.remove(&ticket).map(|sender| sender.send(outcome));
                }
            }
        }
        if !state.has_driver {
            state.waiting.clear();
        }
        self.wake.notify_one();
        value
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let _ = self.0.input(|state, now| state.resolver.abandon(self.1, now));
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.0.wake.notify_one();
    }
}

/// Ends all lookups when the driver ends, also if its thread panics or its `LocalSet` is dropped.
struct DriverGuard(Weak<Shared>);

impl Drop for DriverGuard {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.input(|state, _now| state.has_driver = false);
        }
    }
}

async fn drive(shared: Weak<Shared>, wake: Rc<Notify>) {
    let _guard = DriverGuard(Weak::clone(&shared));
    let mut running = Running::default();
    while let Some(alive) = shared.upgrade() {
        let actions = std::mem::take(&mut alive.state.borrow_mut().actions);
        for action in actions {
            match action {
                Action::Start(request) => {
                    let (id, settings, shared) =
                        (request.id(), Rc::clone(&alive.settings), Weak::clone(&shared));
                    let task = async move {
                        let connected = |id| {
                            let Some(shared) = shared.upgrade() else { return };
                            let _ =
                                shared.input(|state, now| state.resolver.handle_connected(id, now));
                        };
                        sockets::carry_out(&request, &settings, connected).await
                    };
                    running.start(id, |tasks| tasks.spawn_local(task));
                }
                Action::Stop(id) => running.stop(id),
            }
        }
        let deadline = alive.state.borrow().resolver.poll_timeout();
        let deadline = deadline.and_then(|deadline| alive.clock.to_std(deadline.at));
        let now = (alive.settings.clock)();
        // The driver must not keep lookups alive that wait only for it.
        drop(alive);
        let answer = tokio::select! {
            () = wake.notified() => continue,
            answer = running.next() => Some(answer),
            () = until(deadline, now) => None,
        };
        let Some(alive) = shared.upgrade() else { return };
        alive.input(|state, now| match answer {
            Some(answer) => {
                // A driver can ignore late answers.
                let _ = state.resolver.handle_answer(answer, now);
            }
            None => state.resolver.handle_timeout(now),
        });
    }
}

/// Resolves names concurrently on this thread.
pub(crate) fn resolve_all(settings: Settings, names: &[ServerName]) -> io::Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let discovery = Discovery::spawn(settings);
        let mut lookups = Vec::new();
        for name in names {
            let (discovery, name) = (discovery.clone(), name.clone());
            lookups.push(spawn_local(async move { discovery.resolve(&name).await }));
        }
        let mut outcomes = Vec::new();
        for lookup in lookups {
            outcomes.push(lookup.await?);
        }
        Ok(outcomes)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    common::run(resolve_all)
}
