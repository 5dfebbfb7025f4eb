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
use local_set::common::asking as local;
use select_loop::common::asking as select;
use tokio::net::UdpSocket;
use tokio::runtime;
use tokio::sync::oneshot;

/// The machine inside a select loop.
#[derive(Clone, Copy, Debug)]
pub struct SelectLoop;

/// The machine where nothing is `Send`.
#[derive(Clone, Copy, Debug)]
pub struct LocalSet;

/// A setting as the example has it.
macro_rules! setting {
    ($example:ident, $setup:ident, $clock:expr) => {
        $example::common::Setting {
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
pub(super) use setting;

/// A loop that takes messages.
struct Asked<A> {
    asking: A,
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

impl Ask for select::Asking {
    fn resolve(&self, name: &ServerName) -> Lookup {
        Box::pin(self.resolve(name))
    }

    fn change(&self, change: Change) {
        self.change(change);
    }
}

impl Ask for local::Asking {
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
        asking: A,
        clock: Arc<Clock>,
        thread: (oneshot::Sender<()>, JoinHandle<()>),
        routes: Routes,
    ) -> Box<Self> {
        let asked = Self { asking, clock, thread: Some(thread) };
        asked.set_routes(routes);
        Box::new(asked)
    }

    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Resolver, discovery_core::Instant) -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = mpsc::channel();
        self.asking.change(Box::new(move |resolver, now| drop(tell.send(look(resolver, now)))));
        told.recv().ok()
    }
}

impl<A: Ask> Client for Asked<A> {
    fn resolve(&self, name: &ServerName) -> Lookup {
        self.asking.resolve(name)
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
        let setting = setting!(select_loop, setup, move || read());
        let (asking, wishes) = select::Asking::new();
        let echo = std::net::UdpSocket::bind("127.0.0.1:0")?;
        echo.set_nonblocking(true)?;
        let thread = on_a_thread(watcher, || {
            Box::pin(async {
                if let Ok(echo) = UdpSocket::from_std(echo) {
                    select_loop::program(setting, echo, wishes).await;
                }
            })
        })?;
        Ok(Asked::new(asking, clock, thread, routes))
    }
}

impl Adapter for LocalSet {
    fn name(&self) -> &'static str {
        "local-set"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes, clock) = (setup.watcher(), setup.routes, Arc::new(setup.clock));
        let read = Arc::clone(&clock);
        let setting = setting!(local_set, setup, move || read());
        let (asking, mut wishes) = local::Asking::new();
        let thread = on_a_thread(watcher, move || {
            Box::pin(async move {
                let set = tokio::task::LocalSet::new();
                let serve = async move {
                    let discovery = local_set::Discovery::spawn(setting);
                    while let Some(wish) = wishes.recv().await {
                        match wish {
                            local::Wish::Resolve(name, mut tell) => {
                                let discovery = discovery.clone();
                                tokio::task::spawn_local(async move {
                                    tokio::select! {
                                        biased;
                                        () = tell.closed() => {}
                                        outcome = discovery.resolve(&name) => {
                                            let _ = tell.send(outcome);
                                        }
                                    }
                                });
                            }
                            local::Wish::Left => {}
                            local::Wish::Change(change) => discovery.change(change),
                        }
                    }
                };
                set.run_until(serve).await;
            })
        })?;
        Ok(Asked::new(asking, clock, thread, routes))
    }
}
