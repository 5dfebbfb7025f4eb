//! Runs the tests that all adapters share, and tests of tokio's timers and tasks.
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

#[allow(dead_code, reason = "of the example only one function is tested here")]
#[path = "../examples/resolve.rs"]
mod example;
#[path = "../../../tests/worlds/mod.rs"]
mod worlds;

use std::future::Future;
use std::sync::{Arc, LazyLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use discovery_core::{ErrorKind, Policy};
use discovery_tokio::{BuildError, Discovery, Driver, build, spawn};
use tokio::net::UdpSocket;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use worlds::by_hand;
use worlds::servers::{builder, closed_port, silent_server, tls};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// A driver that runs until this is dropped.
struct RunningDriver(JoinHandle<()>);

fn run(driver: Driver) -> RunningDriver {
    RunningDriver(RUNTIME.spawn(discovery_tokio::run(driver)))
}

impl RunningDriver {
    fn stop(self, _discovery: &Discovery) {
        drop(self);
    }

    fn ended(mut self) {
        worlds::wait(&mut self.0).unwrap();
    }
}

impl Drop for RunningDriver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[test]
fn driver_that_ends_with_its_runtime_ends_all_lookups() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let (silent, builder) = silent_server();
    let (discovery, driver) = build(builder).unwrap();
    runtime.spawn(discovery_tokio::run(driver));
    let waiting = discovery.resolve("example.org");
    silent.recv(&mut [0; 512]).unwrap();
    runtime.shutdown_background();
    for resolving in [waiting, discovery.resolve("example.net")] {
        assert_eq!(worlds::kind(&worlds::wait(resolving)), Some(ErrorKind::Local));
    }
}

#[tokio::test(start_paused = true)]
async fn silent_name_server_times_out() {
    let (client, _) = tls("example.org");
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let discovery = spawn(
        Discovery::builder(client).name_servers([silent.local_addr().unwrap()]).probe_routes(false),
    )
    .unwrap();
    let start = tokio::time::Instant::now();
    let outcome = discovery.resolve("example.org:8448").await;
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::DnsFailure);
    assert!(start.elapsed() >= discovery_core::Policy::default().dns.timeout);
}

#[tokio::test(start_paused = true)]
async fn lookups_wait_for_a_driver_that_is_not_run_until_it_is_dropped() {
    let (client, _) = tls("example.org");
    let (discovery, driver) = build(builder(client, closed_port())).unwrap();
    let mut resolve = std::pin::pin!(discovery.resolve("example.org"));
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, resolve.as_mut()).await.is_err());
    assert!(discovery.resolve("[2606:4700::1111]").await.is_ok(), "known without the driver");
    let start = tokio::time::Instant::now();
    drop(driver);
    assert_eq!(worlds::kind(&resolve.await), Some(ErrorKind::Local));
    assert_eq!(worlds::kind(&discovery.resolve("example.net").await), Some(ErrorKind::Local));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_clock_moved_by_hand_rules_deadlines_and_lifetimes() {
    let (client, _) = tls("example.org");
    let (clock, pass) = by_hand();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let discovery = spawn(
        Discovery::builder(client)
            .name_servers([silent.local_addr().unwrap()])
            .probe_routes(false)
            .clock(clock),
    )
    .unwrap();
    let mut resolving = std::pin::pin!(discovery.resolve("example.org:8448"));
    // An hour passes for tokio's timers, and no time for the machine.
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, resolving.as_mut()).await.is_err());
    let start = tokio::time::Instant::now();
    assert_eq!(discovery.counters().lookups, 1);
    while discovery.counters().lookups > 0 {
        pass(Duration::from_secs(1));
        discovery.handle_timeout();
        tokio::task::yield_now().await;
    }
    let outcome = resolving.await;
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::DnsFailure);
    assert_eq!(start.elapsed(), Duration::ZERO, "no timer of tokio's was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_is_heard_when_the_driver_is_woken() {
    let (client, _) = tls("example.org");
    let (clock, pass) = by_hand();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut policy = Policy::default();
    policy.dns.attempts = 1;
    // A jump by more than a second beyond what is due would be a pause of the process (I15).
    policy.dns.timeout = Duration::from_secs(1);
    let patience = policy.dns.timeout;
    let discovery = spawn(
        Discovery::builder(client)
            .name_servers([silent.local_addr().unwrap()])
            .probe_routes(false)
            .policy(policy)
            .clock(clock),
    )
    .unwrap();
    let resolving = discovery.resolve("example.org:8448");
    silent.recv(&mut [0; 512]).await.unwrap();
    let start = tokio::time::Instant::now();
    pass(patience - Duration::from_millis(100));
    // Wakes the driver, and changes nothing for the first name.
    let _other = discovery.resolve("example.net:8448");
    tokio::time::sleep(Duration::from_millis(50)).await;
    pass(Duration::from_millis(100));
    assert!(resolving.await.is_err());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_example_resolves_a_name() {
    let (client, _) = tls("example.org");
    let discovery = spawn(builder(client, closed_port())).unwrap();
    let resolved = example::resolve(&discovery, "example.org:8448").await.unwrap();
    assert_eq!(resolved, "1.2.3.4:8448, Host: example.org:8448");
    let invalid = example::resolve(&discovery, "example.org:port").await.unwrap_err().to_string();
    assert!(invalid.starts_with("not a server name"), "{invalid}");
}

#[test]
fn outside_a_runtime_the_driver_and_all_lookups_end() {
    struct Channel(mpsc::Sender<()>);
    impl Wake for Channel {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    let (client, _) = tls("example.org");
    let spawned = spawn(Discovery::builder(Arc::clone(&client)));
    assert!(matches!(spawned, Err(BuildError::NoRuntime(_))));
    let builder = Discovery::builder(client).name_servers([closed_port()]);
    let (discovery, driver) = build(builder).unwrap();
    let (sender, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Channel(sender)));
    let mut cx = Context::from_waker(&waker);
    let mut resolving = std::pin::pin!(discovery.resolve("example.org:8448"));
    assert!(resolving.as_mut().poll(&mut cx).is_pending());
    let mut driver = std::pin::pin!(discovery_tokio::run(driver));
    assert_eq!(driver.as_mut().poll(&mut cx), Poll::Ready(()));
    woken.recv().unwrap();
    let Poll::Ready(outcome) = resolving.poll(&mut cx) else { panic!("no outcome") };
    assert_eq!(outcome.as_ref().unwrap_err().kind, ErrorKind::Local);
}
