//! Adapters for the examples that drive the machine by hand, each on a thread of its own, with messages for requests.

#[allow(dead_code, reason = "of an example only its driver is tried")]
#[path = "../../crates/discovery-lab/examples/local_set.rs"]
mod local_set;
#[allow(dead_code, reason = "of an example only its driver is tried")]
#[path = "../../crates/discovery-lab/examples/select_loop.rs"]
mod select_loop;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use discovery_core::{Counters, Disposition, Feedback, Resolver, Routes, ServerName};
use discovery_lab::kit::{Adapter, Client, Clock, Lookup, Setup, Trouble, Watcher};
use local_set::common::messages as local;
use select_loop::common::messages as select;
use tokio::net::UdpSocket;
use tokio::runtime;
use tokio::sync::oneshot;

/// The machine inside a select loop.
#[derive(Clone, Copy, Debug)]
pub struct SelectLoop;

/// The machine where nothing is `Send`.
#[derive(Clone, Copy, Debug)]
pub struct LocalSet;

/// A settings as the example has it.
macro_rules! settings {
    ($example:ident, $setup:ident, $clock:expr) => {
        $example::common::Settings {
            tls: $setup.tls,
            policy: $setup.policy,
            seed: $setup.seed,
            name_servers: $setup.name_servers,
            connect_to: $setup.connect_to,
            fetch_from: $setup.fetch_from,
            routes: $setup.routes,
            clock: Box::new($clock),
        }
    };
}
pub(super) use settings;

/// A loop that takes messages.
struct Asked<A> {
    handle: A,
    clock: Arc<Clock>,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// A message to a loop.
type Change = Box<dyn FnOnce(&mut Resolver, discovery_core::Instant) + Send>;

/// The parts that both examples share.
trait Ask: Send + Sync {
    fn resolve(&self, name: &ServerName) -> Lookup;
    fn change(&self, change: Change);
}

impl Ask for select::Handle {
    fn resolve(&self, name: &ServerName) -> Lookup {
        Box::pin(self.resolve(name))
    }

    fn change(&self, change: Change) {
        self.change(change);
    }
}

impl Ask for local::Handle {
    fn resolve(&self, name: &ServerName) -> Lookup {
        Box::pin(self.resolve(name))
    }

    fn change(&self, change: Change) {
        self.change(change);
    }
}

impl<A: Ask> Asked<A> {
    /// Set once the loop has started; from then on the clock drives it.
    fn new(
        handle: A,
        clock: Arc<Clock>,
        thread: (oneshot::Sender<()>, JoinHandle<()>),
        routes: Routes,
    ) -> Box<Self> {
        let asked = Self { handle, clock, thread: Some(thread) };
        asked.set_routes(routes);
        Box::new(asked)
    }

    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Resolver, discovery_core::Instant) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, answer) = mpsc::channel();
        self.handle.change(Box::new(move |resolver, now| drop(sender.send(look(resolver, now)))));
        answer.recv().ok()
    }
}

impl<A: Ask> Client for Asked<A> {
    fn resolve(&self, name: &ServerName) -> Lookup {
        self.handle.resolve(name)
    }

    fn poke(&self) {
        self.look(|resolver, now| resolver.handle_timeout(now));
    }

    fn deadline(&self) -> Option<Instant> {
        // Only the loop knows the origin of its clock.
        let left = self.look(|resolver, now| {
            resolver.poll_timeout().map(|deadline| deadline.at.saturating_duration_since(now))
        })??;
        (self.clock)().checked_add(left)
    }

    fn set_routes(&self, routes: Routes) {
        self.look(move |resolver, now| resolver.set_routes(routes, now));
    }

    fn report(&self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition {
        let name = name.clone();
        let disposition = self.look(move |resolver, now| resolver.report(&name, place, said, now));
        disposition.unwrap_or(Disposition::Unknown)
    }

    fn counters(&self) -> Option<Counters> {
        self.look(|resolver, _now| resolver.counters())
    }
}

impl<A> Drop for Asked<A> {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

/// Runs a loop on a thread of its own until it ends or is stopped.
fn on_a_thread(
    watcher: Watcher,
    make: impl FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send + 'static,
) -> io::Result<(oneshot::Sender<()>, JoinHandle<()>)> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (end, ended) = oneshot::channel();
    let thread = thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = watcher.watched(make()) => {}
                _ = ended => {}
            }
        });
    });
    Ok((end, thread))
}

impl Adapter for SelectLoop {
    fn name(&self) -> &'static str {
        "select-loop"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes, clock) = (setup.watcher(), setup.routes, Arc::new(setup.clock));
        let read = Arc::clone(&clock);
        let settings = settings!(select_loop, setup, move || read());
        let (handle, messages) = select::Handle::new();
        let echo = std::net::UdpSocket::bind("127.0.0.1:0")?;
        echo.set_nonblocking(true)?;
        let thread = on_a_thread(watcher, || {
            Box::pin(async {
                if let Ok(echo) = UdpSocket::from_std(echo) {
                    select_loop::program(settings, echo, messages).await;
                }
            })
        })?;
        Ok(Asked::new(handle, clock, thread, routes))
    }
}

impl Adapter for LocalSet {
    fn name(&self) -> &'static str {
        "local-set"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes, clock) = (setup.watcher(), setup.routes, Arc::new(setup.clock));
        let read = Arc::clone(&clock);
        let settings = settings!(local_set, setup, move || read());
        let (handle, mut messages) = local::Handle::new();
        let thread = on_a_thread(watcher, move || {
            Box::pin(async move {
                let set = tokio::task::LocalSet::new();
                let serve = async move {
                    let discovery = local_set::Discovery::spawn(settings);
                    while let Some(message) = messages.recv().await {
                        match message {
                            local::Message::Resolve(name, mut sender) => {
                                let discovery = discovery.clone();
                                tokio::task::spawn_local(async move {
                                    tokio::select! {
                                        biased;
                                        () = sender.closed() => {}
                                        outcome = discovery.resolve(&name) => {
                                            let _ = sender.send(outcome);
                                        }
                                    }
                                });
                            }
                            local::Message::Dropped => {}
                            local::Message::Change(change) => discovery.change(change),
                        }
                    }
                };
                set.run_until(serve).await;
            })
        })?;
        Ok(Asked::new(handle, clock, thread, routes))
    }
}
