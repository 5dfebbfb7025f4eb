//! The adapter over loopback sockets, against servers written here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod servers;

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use discovery_core::{FailureKind, Policy, Step};
use discovery_tokio::{BuildError, Discovery};
use discovery_wire::DRIVER_PATIENCE;
use rustls::ServerConnection;
use servers::{builder, name, nobody, tls};
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;

#[tokio::test]
async fn a_document_is_fetched_and_its_name_resolved() {
    let (client, server) = tls("example.org");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let https = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(server).unwrap();
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
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
    let discovery = builder(client, https).await.spawn().unwrap();
    let outcome = discovery.resolve(&name("example.org")).await;
    let resolved = outcome.as_ref().as_ref().unwrap();
    assert_eq!(resolved.rule, Step::DelegatedPort);
    assert_eq!(&*resolved.host_header, "fed.example.net:8449");
    let addresses: Vec<String> = resolved.socket_addrs().map(|a| a.to_string()).collect();
    assert_eq!(addresses, ["1.2.3.4:8449"]);
    assert!(serving.join().unwrap().starts_with("GET /.well-known/matrix/server HTTP/1.1\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reply_comes_over_tcp() {
    let (client, _) = tls("many.example");
    let discovery = builder(client, nobody()).await.spawn().unwrap();
    let outcome = discovery.resolve(&name("many.example")).await;
    let resolved = outcome.as_ref().as_ref().unwrap();
    assert_eq!(resolved.rule, Step::FedService);
    assert_eq!(resolved.targets.len(), 16);
    assert_eq!(resolved.targets[0].port, 8000);
}

#[tokio::test]
async fn many_names_are_resolved_at_once() {
    let (client, _) = tls("example.org");
    let discovery = builder(client, nobody()).await.spawn().unwrap();
    let all: Vec<_> =
        (0..200).map(|n| discovery.resolve(&name(&format!("host{n}.example:8448")))).collect();
    for resolving in all {
        assert!(resolving.await.is_ok());
    }
}

#[tokio::test]
async fn an_abandoned_lookup_closes_its_sockets() {
    let (client, _) = tls("example.org");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let https = listener.local_addr().unwrap();
    let discovery = builder(client, https).await.spawn().unwrap();
    let lookup = tokio::spawn(discovery.resolve(&name("example.org")));
    let (mut stream, _) = listener.accept().await.unwrap();
    lookup.abort();
    let mut received = Vec::new();
    // Ends when the other side is closed.
    let _ = stream.read_to_end(&mut received).await;
    assert!(lookup.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn the_driver_ends_with_the_last_handle() {
    let (client, _) = tls("example.org");
    let (discovery, driver) = builder(client, nobody()).await.build().unwrap();
    let driver = tokio::spawn(driver);
    let again = discovery.clone();
    drop(discovery);
    assert!(again.resolve(&name("example.org:8448")).await.is_ok());
    drop(again);
    driver.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_keeps_silent_is_given_up() {
    let (client, _) = tls("example.org");
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let discovery = Discovery::builder(client)
        .name_servers([silent.local_addr().unwrap()])
        .probe_routes(false)
        .spawn()
        .unwrap();
    let start = tokio::time::Instant::now();
    let outcome = discovery.resolve(&name("example.org:8448")).await;
    assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::DnsFailure);
    assert!(start.elapsed() >= discovery_core::Policy::default().dns_timeout);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_driver_that_does_not_run() {
    let (client, _) = tls("example.org");
    let (discovery, driver) = builder(client, nobody()).await.build().unwrap();
    let start = tokio::time::Instant::now();
    let outcome = discovery.resolve(&name("example.org")).await;
    assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::Local);
    assert!(start.elapsed() >= DRIVER_PATIENCE);
    let start = tokio::time::Instant::now();
    let waiting = discovery.resolve(&name("example.com"));
    drop(driver);
    for resolving in [waiting, discovery.resolve(&name("example.net"))] {
        let outcome = resolving.await;
        assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::Local);
    }
    assert_eq!(start.elapsed(), std::time::Duration::ZERO);
    assert!(discovery.resolve(&name("[2606:4700::1111]")).await.is_ok());
}

/// A clock that stands until it is moved by hand.
fn by_hand() -> (impl Fn() -> std::time::Instant + Send + Sync, impl Fn(Duration)) {
    let (start, passed) = (std::time::Instant::now(), Arc::new(Mutex::new(Duration::ZERO)));
    let moved = Arc::clone(&passed);
    (move || start + *passed.lock().unwrap(), move |by| *moved.lock().unwrap() += by)
}

#[tokio::test(start_paused = true)]
async fn a_clock_moved_by_hand_rules_deadlines_and_lifetimes() {
    let (client, _) = tls("example.org");
    let (clock, pass) = by_hand();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let discovery = Discovery::builder(client)
        .name_servers([silent.local_addr().unwrap()])
        .probe_routes(false)
        .clock(clock)
        .spawn()
        .unwrap();
    let mut resolving = std::pin::pin!(discovery.resolve(&name("example.org:8448")));
    // For tokio's timers an hour passes, for the machine nothing does.
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, resolving.as_mut()).await.is_err());
    let start = tokio::time::Instant::now();
    assert_eq!(discovery.counters().lookups, 1);
    while discovery.counters().lookups > 0 {
        pass(Duration::from_secs(1));
        discovery.handle().with(|resolver, now| resolver.handle_timeout(now));
        tokio::task::yield_now().await;
    }
    let outcome = resolving.await;
    assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::DnsFailure);
    assert_eq!(start.elapsed(), Duration::ZERO, "no timer of tokio's was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_is_heard_when_the_driver_is_woken() {
    let (client, _) = tls("example.org");
    let (clock, pass) = by_hand();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut policy = Policy::default();
    policy.dns_attempts = 1;
    let discovery = Discovery::builder(client)
        .name_servers([silent.local_addr().unwrap()])
        .probe_routes(false)
        .policy(policy)
        .clock(clock)
        .spawn()
        .unwrap();
    let patience = Policy::default().dns_timeout;
    let resolving = discovery.resolve(&name("example.org:8448"));
    silent.recv(&mut [0; 512]).await.unwrap();
    let start = tokio::time::Instant::now();
    pass(patience - Duration::from_millis(100));
    // Wakes the driver, and changes nothing for the first name.
    let _other = discovery.resolve(&name("example.net:8448"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    pass(Duration::from_millis(100));
    assert!(resolving.await.is_err());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_request_that_panics_is_a_failure_of_our_own_side() {
    let (client, _) = tls("example.org");
    let discovery = Discovery::builder(client)
        .name_servers([nobody()])
        .probe_routes(false)
        .connect_to(|_, _| panic!("the caller's hook panics"))
        .spawn()
        .unwrap();
    let outcome = discovery.resolve(&name("example.org:8448")).await;
    assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::Local);
}

#[tokio::test]
async fn a_socket_that_the_system_refuses_is_a_failure_of_our_own_side() {
    let (client, _) = tls("example.org");
    // The broadcast address: nobody may connect to it unasked.
    let refused = SocketAddr::from((Ipv4Addr::BROADCAST, 53));
    let discovery = Discovery::builder(client).name_servers([refused]).spawn().unwrap();
    let outcome = discovery.resolve(&name("example.org:8448")).await;
    assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::Local);
}

/// Runs in a process of its own: file descriptors are shared by all tests of one.
#[test]
fn without_file_descriptors_it_is_a_failure_of_our_own_side_and_passes() {
    const ALONE: &str = "DISCOVERY_TEST_WITHOUT_FILE_DESCRIPTORS";
    if std::env::var_os(ALONE).is_none() {
        let test = "without_file_descriptors_it_is_a_failure_of_our_own_side_and_passes";
        let status = std::process::Command::new("sh")
            .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
            .arg(std::env::current_exe().unwrap())
            .arg(test)
            .env(ALONE, "1")
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, _) = tls("example.org");
        let discovery = builder(client, nobody()).await.spawn().unwrap();
        let mut open = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            open.push(file);
        }
        let outcome = discovery.resolve(&name("example.org:8448")).await;
        assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::Local);
        drop(open);
        assert!(discovery.resolve(&name("example.org:8448")).await.is_ok());
    });
}

#[test]
fn outside_a_runtime_the_driver_ends_and_nobody_waits() {
    struct Channel(mpsc::Sender<()>);
    impl Wake for Channel {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    let (client, _) = tls("example.org");
    assert_eq!(Discovery::builder(Arc::clone(&client)).spawn().err(), Some(BuildError::NoRuntime));
    let (discovery, driver) = Discovery::builder(client).name_servers([nobody()]).build().unwrap();
    let (sender, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Channel(sender)));
    let mut cx = Context::from_waker(&waker);
    let mut resolving = std::pin::pin!(discovery.resolve(&name("example.org:8448")));
    assert!(resolving.as_mut().poll(&mut cx).is_pending());
    let mut driver = std::pin::pin!(driver);
    assert_eq!(driver.as_mut().poll(&mut cx), Poll::Ready(()));
    woken.recv().unwrap();
    let Poll::Ready(outcome) = resolving.poll(&mut cx) else { panic!("no outcome") };
    assert_eq!(outcome.as_ref().as_ref().unwrap_err().kind, FailureKind::Local);
}
