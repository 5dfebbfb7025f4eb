//! Matrix server discovery on tokio.
//!
//! Moves bytes and nothing more: what to ask is the core's, how it is spoken is the wire's.
//!
//! ```no_run
//! # async fn example(tls: std::sync::Arc<rustls::ClientConfig>) -> Result<(), Box<dyn std::error::Error>> {
//! use discovery_tokio::Discovery;
//!
//! let discovery = Discovery::builder(tls).spawn()?;
//! match &*discovery.resolve(&"matrix.org".parse()?).await {
//!     Ok(resolved) => println!("{:?}", resolved.socket_addrs().collect::<Vec<_>>()),
//!     Err(failed) => println!("{failed}"),
//! }
//! # Ok(())
//! # }
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an adapter reads the clocks and opens the sockets that the others must not"
)]

mod builder;
mod socket;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use discovery_core::{Counters, HttpGet, Outcome, Request, RequestId, Routes, ServerName};
use discovery_wire::{
    DRIVER_PATIENCE, Desk, Exchange, Handle, NoEntropy, Order, Report, Transport, Waiting,
};
use rustls::ClientConfig;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

pub use builder::{BuildError, Builder};
pub use discovery_core;
pub use discovery_wire;

/// Asks for server names. Cheap to clone; the [`Driver`] ends when the last clone, and the last future of an outcome, is
/// dropped.
#[derive(Clone, Debug)]
pub struct Discovery {
    handle: Handle,
}

impl Discovery {
    /// Starts to configure. Which authorities are trusted is up to `tls`.
    pub fn builder(tls: Arc<ClientConfig>) -> Builder {
        Builder::new(tls)
    }

    /// Where a server name leads. An answer that is known already is there at once; dropping the future abandons the lookup,
    /// unless others wait for the same name.
    ///
    /// Without a running driver the outcome is a failure of kind [`Local`](discovery_core::FailureKind::Local): at once where it
    /// has been dropped, after [`DRIVER_PATIENCE`] where nobody runs it.
    pub fn resolve(&self, name: &ServerName) -> Resolving {
        Resolving { waiting: self.handle.resolve(name), check: None }
    }

    /// Drops what is remembered of a name: its result, and every fact that it rests on.
    pub fn forget(&self, name: &ServerName) {
        self.handle.with(|resolver, now| resolver.forget(name, now));
    }

    /// What has been done so far, and what is held now.
    pub fn counters(&self) -> Counters {
        self.handle.with(|resolver, _now| resolver.counters())
    }

    /// The machine and the clock behind it, for what has no method here.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// The outcome of one lookup, some time.
#[derive(Debug)]
pub struct Resolving {
    waiting: Waiting,
    /// When to look whether the driver is alive.
    check: Option<Pin<Box<Sleep>>>,
}

impl Future for Resolving {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        loop {
            if let Poll::Ready(outcome) = this.waiting.poll_outcome(cx) {
                return Poll::Ready(outcome);
            }
            // On a foreign executor there is no timer to be had; a dropped driver is noticed there as well.
            if this.check.is_none() && tokio::runtime::Handle::try_current().is_err() {
                return Poll::Pending;
            }
            let check = this.check.get_or_insert_with(|| Box::pin(sleep(DRIVER_PATIENCE)));
            ready!(check.as_mut().poll(cx));
            this.check = None;
            this.waiting.check_driver();
        }
    }
}

/// Does what the lookups need: a future that ends when nobody can ask any more. It must be polled within a tokio runtime with
/// I/O and time, on whichever thread; elsewhere it ends at once.
#[must_use = "nothing is resolved unless the driver runs"]
pub struct Driver {
    desk: Desk,
    context: Arc<Setting>,
    running: BTreeMap<RequestId, AbortHandle>,
    tasks: JoinSet<RequestId>,
    timer: Option<Pin<Box<Sleep>>>,
    /// When to look again which families have a route, by the machine's clock; none where the caller knows better.
    probe_at: Option<discovery_core::Instant>,
}

/// What every request needs.
struct Setting {
    tls: Arc<ClientConfig>,
    name_servers: Vec<SocketAddr>,
    connect_to: Box<ConnectTo>,
    fetch_from: Option<Box<FetchFrom>>,
}

/// Says where to connect instead.
type ConnectTo = dyn Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync;

/// Says where to fetch a document from instead.
type FetchFrom = dyn Fn(&HttpGet) -> SocketAddr + Send + Sync;

/// How long the routes found are believed.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// By how much a timer may be wrong without being set anew: that of tokio is no finer.
const SLACK: Duration = Duration::from_millis(1);

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if tokio::runtime::Handle::try_current().is_err() {
            this.desk.close();
            return Poll::Ready(());
        }
        loop {
            this.reap(cx);
            match this.desk.poll(cx) {
                Poll::Ready(Order::Start(request)) => this.start(request),
                Poll::Ready(Order::Stop(id)) => {
                    // The task is dropped, and its socket with it.
                    if let Some(task) = this.running.remove(&id) {
                        task.abort();
                    }
                }
                Poll::Ready(Order::End) => return Poll::Ready(()),
                Poll::Pending => {
                    ready!(this.poll_timer(cx));
                    this.desk.handle_timeout();
                }
            }
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

impl Driver {
    fn new(desk: Desk, context: Setting, probe: bool) -> Self {
        Self {
            desk,
            context: Arc::new(context),
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            timer: None,
            probe_at: probe.then_some(discovery_core::Instant::ORIGIN),
        }
    }

    fn start(&mut self, request: Request) {
        let probe_at = &mut self.probe_at;
        let due = self.desk.with(|_resolver, now| {
            let due = probe_at.is_some_and(|at| at <= now);
            if due {
                *probe_at = Some(now.saturating_add(PROBE_INTERVAL));
            }
            due
        });
        if due {
            let routes = routes();
            self.desk.with(|resolver, now| resolver.set_routes(routes, now));
        }
        let id = request.id();
        let task = run(request, self.desk.report(id), Arc::clone(&self.context));
        self.running.insert(id, self.tasks.spawn(task));
    }

    /// Forgets the tasks that have ended; a task that panicked has told so itself.
    fn reap(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            match ended {
                Ok(id) => drop(self.running.remove(&id)),
                Err(error) if error.is_panic() => {
                    self.running.retain(|_, task| !task.is_finished());
                }
                Err(_) => {}
            }
        }
    }

    /// Ready when the machine's deadline may be there; pending for ever where there is none. The machine's clock need not go as
    /// tokio's does, so how long it is until then is asked each time.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(left) = self.desk.time_left() else {
            self.timer = None;
            return Poll::Pending;
        };
        let Some(rings) = Instant::now().checked_add(left) else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(rings)));
        let moved = rings.max(timer.deadline()).duration_since(rings.min(timer.deadline()));
        // One that has rung is set anew as well, lest it ring for ever.
        if moved > SLACK || timer.is_elapsed() {
            timer.as_mut().reset(rings);
        }
        timer.as_mut().poll(cx)
    }
}

/// One request, as one task: dropping it closes its socket.
async fn run(mut request: Request, report: Report, setting: Arc<Setting>) -> RequestId {
    let id = request.id();
    let exchange = match &mut request {
        Request::Http(get) => {
            if let Some(hook) = &setting.fetch_from {
                get.address = hook(get);
            }
            Some(Exchange::http(get, Arc::clone(&setting.tls)))
        }
        Request::Dns(question) => {
            let server = setting.name_servers.get(usize::from(question.server));
            let mut entropy = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|_| NoEntropy);
            server.map(|server| Exchange::dns(question, *server, &mut entropy))
        }
    };
    drop(request);
    if let Some(exchange) = exchange {
        socket::run(exchange, report, &*setting.connect_to).await;
    }
    id
}

/// Which families have a route, as the system sees it: connecting a datagram socket asks for one and sends nothing.
fn routes() -> Routes {
    let reaches = |local: SocketAddr, remote: SocketAddr| {
        UdpSocket::bind(local).and_then(|socket| socket.connect(remote)).is_ok()
    };
    // A root name server: an address that any route to the outside covers.
    let v4 = Ipv4Addr::new(198, 41, 0, 4);
    let v6 = Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30);
    Routes {
        v4: reaches((Ipv4Addr::UNSPECIFIED, 0).into(), (v4, 53).into()),
        v6: reaches((Ipv6Addr::UNSPECIFIED, 0).into(), (v6, 53).into()),
    }
}
