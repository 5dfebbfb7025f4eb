//! Tests that every adapter includes and must pass, over loopback. The including file defines how a driver is built (`build`),
//! run and stopped (`run`, which gives a `RunningDriver`).
//!
//! Lookups are polled without a runtime, so that no timer hides a missing wake-up.

mod driver_gone;
pub mod servers;

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use discovery_core::{ErrorKind, Outcome, Step};
use discovery_driver::Discovery;
use rlimit::Resource;

use super::{build, run};
use servers::{accept, builder, closed_port, silent_server, tls};

/// The time after which a missing wake-up counts as a failure.
const NEVER: Duration = Duration::from_secs(60);

/// Polls a future on this thread until it is ready.
pub fn wait<F: Future>(future: F) -> F::Output {
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

pub fn kind(outcome: &Outcome) -> Option<ErrorKind> {
    outcome.as_ref().err().map(|failed| failed.kind)
}

fn resolve(discovery: &Discovery, text: &str) -> Outcome {
    wait(discovery.resolve(text))
}

#[test]
fn a_document_is_fetched_and_its_name_resolved() {
    let (client, server) = tls("example.org");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let https = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let mut tls = accept(&listener, server);
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tls.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let body = r#"{"m.server":"fed.example.net:8449"}"#;
        write!(tls, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8(request).unwrap()
    });
    let (discovery, driver) = build(builder(client, https)).unwrap();
    let _running = run(driver);
    let outcome = resolve(&discovery, "example.org");
    let resolved = outcome.as_ref().unwrap();
    assert_eq!(resolved.step, Step::DelegatedPort);
    assert_eq!(resolved.host_header_str(), "fed.example.net:8449");
    let addresses: Vec<String> = resolved.socket_addrs().map(|a| a.to_string()).collect();
    assert_eq!(addresses, ["1.2.3.4:8449"]);
    assert!(serving.join().unwrap().starts_with("GET /.well-known/matrix/server HTTP/1.1\r\n"));
}

#[test]
fn a_long_reply_comes_over_tcp() {
    let (client, _) = tls("many.example");
    let (discovery, driver) = build(builder(client, closed_port())).unwrap();
    let _running = run(driver);
    let outcome = resolve(&discovery, "many.example");
    let resolved = outcome.as_ref().unwrap();
    assert_eq!(resolved.step, Step::FedService);
    assert_eq!(resolved.targets.len(), 16);
    assert_eq!(resolved.targets[0].port, 8000);
}

#[test]
fn many_names_are_resolved_at_once() {
    let (client, _) = tls("example.org");
    let (discovery, driver) = build(builder(client, closed_port())).unwrap();
    let _running = run(driver);
    let text = |n| format!("host{n}.example:8448");
    let all: Vec<_> = (0..1000).map(|n| discovery.resolve(text(n))).collect();
    for resolving in all {
        assert!(wait(resolving).is_ok());
    }
}

#[test]
fn an_abandoned_lookup_closes_its_sockets() {
    let (client, _) = tls("example.org");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (discovery, driver) = build(builder(client, listener.local_addr().unwrap())).unwrap();
    let _running = run(driver);
    let lookup = discovery.resolve("example.org");
    let (mut stream, _) = listener.accept().unwrap();
    let start = Instant::now();
    drop(lookup);
    // Ends when the other side closes in any way.
    let _ = stream.read_to_end(&mut Vec::new());
    let patience = discovery_core::Policy::default().well_known.timeout;
    assert!(start.elapsed() < patience, "not before the request's own deadline");
}

#[test]
fn the_driver_ends_with_the_last_handle() {
    let (client, _) = tls("example.org");
    let (discovery, driver) = build(builder(client, closed_port())).unwrap();
    let running = run(driver);
    let again = discovery.clone();
    drop(discovery);
    assert!(resolve(&again, "example.org:8448").is_ok());
    drop(again);
    running.ended();
}

#[test]
fn closed_discovery_ends_its_driver_and_waiting_lookups() {
    let (silent, builder) = silent_server();
    let (discovery, driver) = build(builder).unwrap();
    let running = run(driver);
    let waiting = discovery.resolve("example.org:8448");
    silent.recv(&mut [0; 512]).unwrap();
    discovery.close();
    running.ended();
    assert_eq!(kind(&wait(waiting)), Some(ErrorKind::Local));
    assert_eq!(kind(&resolve(&discovery, "example.net")), Some(ErrorKind::Local));
    assert_eq!(kind(&resolve(&discovery, "[2606:4700::1111]")), None);
}

/// A clock that only moves by hand.
pub fn by_hand() -> (impl Fn() -> Instant + Send + Sync, impl Fn(Duration)) {
    let (start, passed) = (Instant::now(), Arc::new(Mutex::new(Duration::ZERO)));
    let moved = Arc::clone(&passed);
    (move || start + *passed.lock().unwrap(), move |by| *moved.lock().unwrap() += by)
}

#[test]
fn a_clock_moved_by_hand_rules_deadlines() {
    let (_silent, builder) = silent_server();
    let (clock, pass) = by_hand();
    let (discovery, driver) = build(builder.clock(clock)).unwrap();
    let _running = run(driver);
    let waiting = discovery.resolve("example.org:8448");
    let start = Instant::now();
    while discovery.counters().lookups > 0 {
        pass(Duration::from_millis(100));
        discovery.handle_timeout();
        thread::yield_now();
    }
    assert_eq!(kind(&wait(waiting)), Some(ErrorKind::DnsFailure));
    assert!(
        start.elapsed() < discovery_core::Policy::default().dns.timeout,
        "no timer was waited for"
    );
}

#[test]
fn a_request_that_panics_is_a_failure_of_our_own_side() {
    let (client, _) = tls("example.org");
    let hooked = Discovery::builder(client)
        .name_servers([closed_port()])
        .probe_routes(false)
        .connect_to(|_, _| panic!("the caller's hook panics"));
    let (discovery, driver) = build(hooked).unwrap();
    let _running = run(driver);
    assert_eq!(kind(&resolve(&discovery, "example.org:8448")), Some(ErrorKind::Local));
    let (client, _) = tls("example.org");
    let builder = builder(client, closed_port()).fetch_from(|_| panic!("the caller's hook panics"));
    let (discovery, driver) = build(builder).unwrap();
    let _running = run(driver);
    assert_eq!(kind(&resolve(&discovery, "example.org")), Some(ErrorKind::Local));
    assert!(resolve(&discovery, "example.net:8448").is_ok(), "the driver lives on");
}

#[test]
fn a_socket_that_the_system_refuses_is_a_failure_of_our_own_side() {
    let (client, _) = tls("example.org");
    // The broadcast address, to which connections are not permitted by default.
    let refused = SocketAddr::from((Ipv4Addr::BROADCAST, 53));
    let (discovery, driver) = build(Discovery::builder(client).name_servers([refused])).unwrap();
    let _running = run(driver);
    assert_eq!(kind(&resolve(&discovery, "example.org:8448")), Some(ErrorKind::Local));
}

/// Runs a test in a process of its own, because all tests of a process share file descriptors. Returns true in that
/// process.
pub fn alone(test: &str) -> bool {
    const ALONE: &str = "DISCOVERY_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let this = std::env::current_exe().unwrap();
    let output =
        std::process::Command::new(this).args(["--exact", test]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    false
}

/// No file can be opened until this is dropped.
pub struct NoDescriptors(u64);

impl NoDescriptors {
    pub fn new() -> Self {
        let (soft, hard) = Resource::NOFILE.get().unwrap();
        // The number that every process starts with.
        Resource::NOFILE.set(3, hard).unwrap();
        assert!(std::fs::File::open("/dev/null").is_err());
        Self(soft)
    }
}

impl Drop for NoDescriptors {
    fn drop(&mut self) {
        let (_, hard) = Resource::NOFILE.get().unwrap();
        Resource::NOFILE.set(self.0, hard).unwrap();
    }
}

#[test]
fn without_file_descriptors_it_is_a_failure_of_our_own_side_and_passes() {
    let test = "worlds::without_file_descriptors_it_is_a_failure_of_our_own_side_and_passes";
    if !alone(test) {
        return;
    }
    let (client, _) = tls("example.org");
    let (discovery, driver) = build(builder(client, closed_port())).unwrap();
    let _running = run(driver);
    for text in ["example.org:8448", "example.org"] {
        let none = NoDescriptors::new();
        assert_eq!(kind(&resolve(&discovery, text)), Some(ErrorKind::Local), "{text}");
        let facts = discovery.counters();
        assert_eq!((facts.facts, facts.results), (0, 0), "nothing of it is kept");
        drop(none);
    }
    assert!(resolve(&discovery, "example.org:8448").is_ok());
    assert!(resolve(&discovery, "example.org").is_ok());
}
