//! The driver goes away at every moment of a lookup: whoever waits gets an answer or an error, never silence.
//!
//! Waiters are polled without any runtime: no timer of theirs could hide that nobody wakes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod servers;

use std::any::Any;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use discovery_core::{FailureKind, Outcome, Policy};
use discovery_tokio::{Builder, Discovery, Driver, Resolving};
use rustls::ServerConnection;
use servers::{builder, name, nobody, tls};
use tokio::net::UdpSocket;
use tokio::runtime::{self, Runtime};

/// A lookup, or many, at a moment of their lives.
struct Moment {
    discovery: Discovery,
    waiting: Vec<Resolving>,
    /// Whether the answer is there already.
    answered: bool,
    _servers: Box<dyn Any>,
}

/// How a driver goes away.
#[derive(Clone, Copy, Debug)]
enum Going {
    Dropped,
    WithItsRuntime,
}

/// Where the driver runs, and with what.
struct Road(Runtime);

impl Road {
    /// Runs a driver; gives what drops it.
    fn run(&self, built: (Discovery, Driver)) -> (Discovery, tokio::task::AbortHandle) {
        let (discovery, driver) = built;
        (discovery, self.0.spawn(driver).abort_handle())
    }
}

/// After this long nobody will wake a waiter any more.
const NEVER: Duration = Duration::from_secs(60);

/// Polls a future on this thread, woken by whoever wakes it.
fn wait<F: Future>(future: F) -> F::Output {
    struct Bell(mpsc::Sender<()>);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    let (sender, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Bell(sender)));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => woken.recv_timeout(NEVER).expect("somebody wakes who waits"),
        }
    }
}

fn kind(outcome: &Outcome) -> Option<FailureKind> {
    outcome.as_ref().as_ref().err().map(|failed| failed.kind)
}

fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

/// A name server that keeps silent, and a builder that asks it.
async fn silence() -> (UdpSocket, Builder) {
    let (client, _) = tls("example.org");
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let builder =
        Discovery::builder(client).name_servers([silent.local_addr().unwrap()]).probe_routes(false);
    (silent, builder)
}

type Begun = (Moment, tokio::task::AbortHandle);

async fn queued(road: &Road) -> Begun {
    let (silent, builder) = silence().await;
    let built = builder.policy(policy(|policy| policy.dns_slots = 1)).build().unwrap();
    let (discovery, driver) = road.run(built);
    let waiting: Vec<_> =
        ["a.example:1", "b.example:1"].iter().map(|text| discovery.resolve(&name(text))).collect();
    silent.recv(&mut [0; 512]).await.unwrap();
    assert!(discovery.counters().queued > 0);
    (Moment { discovery, waiting, answered: false, _servers: Box::new(silent) }, driver)
}

async fn dns_open(road: &Road) -> Begun {
    let (silent, builder) = silence().await;
    let (discovery, driver) = road.run(builder.build().unwrap());
    let waiting = vec![discovery.resolve(&name("a.example:1"))];
    silent.recv(&mut [0; 512]).await.unwrap();
    (Moment { discovery, waiting, answered: false, _servers: Box::new(silent) }, driver)
}

async fn many_tickets(road: &Road) -> Begun {
    let (silent, builder) = silence().await;
    let (discovery, driver) = road.run(builder.build().unwrap());
    let waiting: Vec<_> =
        (0..200).map(|n| discovery.resolve(&name(&format!("host{}.example:1", n / 2)))).collect();
    silent.recv(&mut [0; 512]).await.unwrap();
    assert_eq!(discovery.counters().lookups, 100);
    (Moment { discovery, waiting, answered: false, _servers: Box::new(silent) }, driver)
}

async fn tls_begun(road: &Road) -> Begun {
    let (client, _) = tls("example.org");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let built = builder(client, listener.local_addr().unwrap()).await.build().unwrap();
    let (discovery, driver) = road.run(built);
    let waiting = vec![discovery.resolve(&name("example.org"))];
    let stream = blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        stream
    });
    let stream = stream.await;
    (Moment { discovery, waiting, answered: false, _servers: Box::new(stream) }, driver)
}

async fn response_begun(road: &Road) -> Begun {
    let (client, server) = tls("example.org");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let built = builder(client, listener.local_addr().unwrap()).await.build().unwrap();
    let (discovery, driver) = road.run(built);
    let waiting = vec![discovery.resolve(&name("example.org"))];
    let stream = blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(server).unwrap();
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        tls.read_exact(&mut [0; 4]).unwrap();
        // The rest of the body never comes.
        tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"m.server\"").unwrap();
        stream
    });
    let stream = stream.await;
    (Moment { discovery, waiting, answered: false, _servers: Box::new(stream) }, driver)
}

async fn answered(road: &Road) -> Begun {
    let (client, _) = tls("example.org");
    let (discovery, driver) = road.run(builder(client, nobody()).await.build().unwrap());
    let waiting = ["example.org:1", "example.org:1", "example.net:1"]
        .map(|text| discovery.resolve(&name(text)));
    // Nobody has looked at it yet.
    while discovery.counters().lookups > 0 {
        tokio::task::yield_now().await;
    }
    (Moment { discovery, waiting: waiting.into(), answered: true, _servers: Box::new(()) }, driver)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn at_every_moment(going: Going) {
    let servers =
        runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for moment in 0..6 {
        let road = Road(
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
        );
        let (Moment { discovery, waiting, answered: is_answered, _servers }, driver) = servers
            .block_on(async {
                match moment {
                    0 => queued(&road).await,
                    1 => dns_open(&road).await,
                    2 => tls_begun(&road).await,
                    3 => response_begun(&road).await,
                    4 => answered(&road).await,
                    _ => many_tickets(&road).await,
                }
            });
        let runtime = match going {
            Going::Dropped => {
                driver.abort();
                Some(road.0)
            }
            Going::WithItsRuntime => {
                road.0.shutdown_background();
                None
            }
        };
        let expected = (!is_answered).then_some(FailureKind::Local);
        for resolving in waiting {
            assert_eq!(kind(&wait(resolving)), expected, "moment {moment}");
        }
        // The same for whoever comes later, but with what is known.
        assert_eq!(
            kind(&wait(discovery.resolve(&name("later.example")))),
            Some(FailureKind::Local)
        );
        assert_eq!(kind(&wait(discovery.resolve(&name("[2606:4700::1111]")))), None);
        drop(runtime);
    }
}

#[test]
fn a_driver_that_is_dropped_at_any_moment_leaves_nobody_waiting() {
    at_every_moment(Going::Dropped);
}

#[test]
fn a_driver_that_goes_with_its_runtime_at_any_moment_leaves_nobody_waiting() {
    at_every_moment(Going::WithItsRuntime);
}

#[test]
fn a_driver_that_is_dropped_before_it_ran_leaves_nobody_waiting() {
    let (client, _) = tls("example.org");
    let server = SocketAddr::from(([127, 0, 0, 1], 9));
    let (discovery, driver) = Discovery::builder(client).name_servers([server]).build().unwrap();
    let waiting = discovery.resolve(&name("example.org"));
    drop(driver);
    assert_eq!(kind(&wait(waiting)), Some(FailureKind::Local));
}
