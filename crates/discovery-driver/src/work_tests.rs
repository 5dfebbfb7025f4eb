//! What an adapter is handed: settings, jobs, routes. No socket is opened.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::{Instant as StdInstant, SystemTime};

use discovery_core::{ErrorKind, HttpError};
use discovery_wire::{NoEntropy, Transport, Want};
use rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::{BuildError, Handle, Setup, System, Waiting};

thread_local! {
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static RESOLV_CONF: RefCell<String> =
        RefCell::new("nameserver 192.0.2.53\nnameserver 192.0.2.54\n".to_owned());
    static PROBED: Cell<usize> = const { Cell::new(0) };
}

fn now() -> StdInstant {
    static START: OnceLock<StdInstant> = OnceLock::new();
    *START.get_or_init(StdInstant::now) + PASSED.get()
}

const SYSTEM: System = System {
    now,
    wall_clock: || SystemTime::UNIX_EPOCH,
    entropy: |bytes| {
        bytes.fill(7);
        Ok(())
    },
    resolv_conf: || RESOLV_CONF.with_borrow(|text| text.as_bytes().to_vec()),
    interface_index: |_| None,
    reaches: |address| {
        PROBED.set(PROBED.get() + 1);
        address.is_ipv4()
    },
};

fn setup() -> Setup {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Setup::new(Arc::new(tls))
}

fn next(work: &mut Work) -> Option<Todo> {
    match work.poll(&Context::from_waker(Waker::noop())) {
        Poll::Ready(todo) => Some(todo),
        Poll::Pending => None,
    }
}

fn jobs(work: &mut Work) -> Vec<Job> {
    let job = |todo| match todo {
        Todo::Start(job) => job,
        other => panic!("{other:?}"),
    };
    std::iter::from_fn(|| next(work)).map(job).collect()
}

fn resolve(handle: &Handle, text: &str) -> Waiting {
    handle.resolve(&text.parse().unwrap())
}

fn kind(waiting: &mut Waiting) -> Option<ErrorKind> {
    match waiting.poll_outcome(&Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.as_ref().err().map(|failed| failed.kind),
        Poll::Pending => None,
    }
}

#[test]
fn what_is_not_set_comes_from_the_system() {
    let (handle, mut work) = setup().open(SYSTEM).unwrap();
    let _waiting = resolve(&handle, "example.org:1");
    let server = SocketAddr::from(([192, 0, 2, 53], 53));
    for job in jobs(&mut work) {
        assert_eq!(job.wants(), Want::Open(Transport::Udp, server));
    }
    let none = System { entropy: |_| Err(NoEntropy), ..SYSTEM };
    assert_eq!(setup().open(none).err(), Some(BuildError::NoEntropy));
    let mut seeded = setup();
    seeded.set_seed(1);
    assert!(seeded.open(none).is_ok());
}

#[test]
fn routes_are_probed_before_the_first_request_and_once_a_minute() {
    let (handle, mut work) = setup().open(SYSTEM).unwrap();
    assert!(next(&mut work).is_none());
    assert_eq!(PROBED.get(), 0, "nobody has asked yet");
    let mut ask = |text| {
        let _waiting = resolve(&handle, text);
        assert!(!jobs(&mut work).is_empty());
        PROBED.get()
    };
    assert_eq!(ask("a.example:1"), 2, "one address of each family");
    PASSED.set(PROBE_INTERVAL - Duration::from_millis(1));
    assert_eq!(ask("b.example:1"), 2);
    PASSED.set(PROBE_INTERVAL);
    assert_eq!(ask("c.example:1"), 4);
    let mut setup = setup();
    setup.set_probe_routes(false);
    let (handle, mut work) = setup.open(SYSTEM).unwrap();
    let _waiting = resolve(&handle, "a.example:1");
    assert!(!jobs(&mut work).is_empty());
    assert_eq!(PROBED.get(), 4, "somebody else knows better");
}

#[test]
fn a_hook_is_asked_once_for_each_socket() {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let place = SocketAddr::from(([127, 0, 0, 1], 5353));
    let mut setup = setup();
    setup.set_connect_to(move |_, _| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        place
    });
    let (handle, mut work) = setup.open(SYSTEM).unwrap();
    let _waiting = resolve(&handle, "example.org:1");
    let mut jobs = jobs(&mut work);
    let job = jobs.first_mut().unwrap();
    for _ in 0..3 {
        assert_eq!(job.wants(), Want::Open(Transport::Udp, place));
    }
    job.opened(Ok(()));
    assert!(matches!(job.wants(), Want::Write(_)));
    assert!(!job.wrote(Err(io::ErrorKind::WouldBlock.into())), "is waited for");
    assert!(matches!(job.wants(), Want::Write(_)));
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2, "one for each family");
}

#[test]
fn a_hook_that_panics_is_a_failure_of_our_own_side() {
    let mut setup = setup();
    setup.set_connect_to(|_, _| panic!("the caller's hook panics"));
    let (handle, mut work) = setup.open(SYSTEM).unwrap();
    let mut waiting = resolve(&handle, "example.org:1");
    assert!(jobs(&mut work).is_empty());
    assert_eq!(kind(&mut waiting), Some(ErrorKind::Local));
}

#[test]
fn a_closed_machine_ends_its_driver_and_answers_what_it_knows() {
    let (handle, mut work) = setup().open(SYSTEM).unwrap();
    let mut waiting = resolve(&handle, "example.org:1");
    let jobs = jobs(&mut work);
    handle.close();
    assert_eq!(kind(&mut waiting), Some(ErrorKind::Local));
    assert!(matches!(next(&mut work), Some(Todo::End)));
    drop(jobs);
    assert!(matches!(next(&mut work), Some(Todo::End)), "and stays ended");
    assert_eq!(kind(&mut resolve(&handle, "example.net")), Some(ErrorKind::Local));
    assert!(
        resolve(&handle, "1.1.1.1").poll_outcome(&Context::from_waker(Waker::noop())).is_ready()
    );
}

#[test]
fn a_driver_that_nobody_runs_is_noticed_by_whoever_has_a_timer() {
    let (handle, _work) = setup().open(SYSTEM).unwrap();
    let mut waiting = resolve(&handle, "example.org:1");
    let mut cx = Context::from_waker(Waker::noop());
    let mut timer = None;
    let none = |_| None::<std::future::Ready<()>>;
    assert!(waiting.poll_checked(&mut cx, &mut timer, none).is_pending(), "there is no timer");
    let rings = |patience| {
        PASSED.set(PASSED.get() + patience);
        Some(std::future::ready(()))
    };
    assert!(waiting.poll_checked(&mut cx, &mut timer, rings).is_ready());
    assert_eq!(kind(&mut waiting), Some(ErrorKind::Local));
}

/// The name servers that the jobs of a new name go to.
fn servers_of(handle: &Handle, work: &mut Work, name: &str) -> Vec<String> {
    let _waiting = resolve(handle, name);
    let mut servers: Vec<String> = jobs(work)
        .iter()
        .map(|job| match job.wants() {
            Want::Open(_, server) => server.ip().to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    servers.dedup();
    servers
}

#[test]
fn a_changed_resolv_conf_is_read_after_five_seconds_and_not_before() {
    let (handle, mut work) = setup().open(SYSTEM).unwrap();
    RESOLV_CONF.set("nameserver 192.0.2.99\n".to_owned());
    PASSED.set(RESOLV_CONF_INTERVAL - Duration::from_millis(1));
    assert_eq!(servers_of(&handle, &mut work, "a.example:1"), ["192.0.2.53"]);
    PASSED.set(RESOLV_CONF_INTERVAL);
    assert_eq!(servers_of(&handle, &mut work, "b.example:1"), ["192.0.2.99"]);
    assert_eq!(handle.with(|resolver, _| resolver.name_servers().count()), 1);
}

#[test]
fn a_resolv_conf_that_disappears_changes_nothing() {
    let (handle, mut work) = setup().open(SYSTEM).unwrap();
    RESOLV_CONF.set(String::new());
    PASSED.set(RESOLV_CONF_INTERVAL);
    assert_eq!(servers_of(&handle, &mut work, "a.example:1"), ["192.0.2.53"]);
    RESOLV_CONF.set("nameserver 192.0.2.99\n".to_owned());
    PASSED.set(RESOLV_CONF_INTERVAL * 2);
    assert_eq!(servers_of(&handle, &mut work, "b.example:1"), ["192.0.2.99"]);
}

#[test]
fn name_servers_that_the_caller_gives_are_not_changed_by_resolv_conf() {
    let mut setup = setup();
    setup.set_name_servers([SocketAddr::from(([192, 0, 2, 7], 53))]);
    let (handle, mut work) = setup.open(SYSTEM).unwrap();
    PASSED.set(RESOLV_CONF_INTERVAL);
    assert_eq!(servers_of(&handle, &mut work, "a.example:1"), ["192.0.2.7"]);
}

#[test]
fn name_servers_set_at_run_time_beat_resolv_conf_from_then_on() {
    let (handle, mut work) = setup().open(SYSTEM).unwrap();
    let waiting = resolve(&handle, "a.example:1");
    // What was ordered before is asked of the new ones, too.
    handle.set_name_servers([SocketAddr::from(([192, 0, 2, 7], 53))]);
    let before = jobs(&mut work);
    assert!(before.iter().all(|job| {
        job.wants() == Want::Open(Transport::Udp, SocketAddr::from(([192, 0, 2, 7], 53)))
    }));
    drop((waiting, before));
    while next(&mut work).is_some() {}
    RESOLV_CONF.set("nameserver 192.0.2.99\n".to_owned());
    PASSED.set(RESOLV_CONF_INTERVAL);
    assert_eq!(servers_of(&handle, &mut work, "b.example:1"), ["192.0.2.7"]);
}

#[test]
fn without_any_name_server_it_is_said_so() {
    let (handle, mut work) = setup().open(SYSTEM).unwrap();
    handle.set_name_servers([]);
    let mut waiting = resolve(&handle, "a.example:1");
    assert!(jobs(&mut work).is_empty());
    let Poll::Ready(outcome) = waiting.poll_outcome(&Context::from_waker(Waker::noop())) else {
        panic!("nothing is asked, so the outcome is there");
    };
    let failed = outcome.as_ref().unwrap_err();
    assert_eq!(failed.kind, ErrorKind::Local);
    assert!(failed.to_string().contains("no usable name server"), "{failed}");
}

/// What becomes of a document's GET whose connection fails with this error, the system's error number first.
fn connecting_fails(address: &str, error: io::Error) -> HttpError {
    let mut setup = setup();
    setup.set_name_servers([SocketAddr::from(([192, 0, 2, 7], 53))]);
    let mut policy = discovery_core::Policy::default();
    policy.addresses = discovery_core::AddressPolicy::any();
    policy.static_addresses.insert(
        discovery_core::DnsName::host("a.example").unwrap(),
        vec![address.parse().unwrap()],
    );
    setup.set_policy(policy);
    let (handle, mut work) = setup.open(SYSTEM).unwrap();
    let _waiting = resolve(&handle, "a.example");
    let mut get = jobs(&mut work)
        .into_iter()
        .find(|job| matches!(job.wants(), Want::Open(Transport::Tcp, _)))
        .unwrap();
    get.opened(Err(error));
    match get.answer() {
        discovery_core::Answer::Http(_, Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_of_the_network_is_a_rejection_where_there_is_a_route() {
    let of = io::Error::from_raw_os_error;
    // The machine of these tests has a route for IPv4 alone.
    for kind in [io::ErrorKind::HostUnreachable, io::ErrorKind::NetworkUnreachable] {
        assert_eq!(connecting_fails("192.0.2.1", kind.into()), HttpError::Rejected, "{kind}");
        assert_eq!(connecting_fails("2001:db8::1", kind.into()), HttpError::NoRoute, "{kind}");
    }
    assert_eq!(
        connecting_fails("192.0.2.1", io::ErrorKind::ConnectionRefused.into()),
        HttpError::Refused
    );
    for (number, what) in [(1, "EPERM"), (23, "ENFILE"), (24, "EMFILE"), (13, "EACCES")] {
        assert_eq!(connecting_fails("192.0.2.1", of(number)), HttpError::Local, "{what}");
    }
    if cfg!(target_os = "linux") {
        for (number, what) in [
            (64, "ENONET"),
            (71, "EPROTO"),
            (92, "ENOPROTOOPT"),
            (95, "EOPNOTSUPP"),
            (101, "ENETUNREACH"),
            (112, "EHOSTDOWN"),
            (113, "EHOSTUNREACH"),
        ] {
            assert_eq!(connecting_fails("192.0.2.1", of(number)), HttpError::Rejected, "{what}");
        }
        for (number, what) in [(12, "ENOMEM"), (98, "EADDRINUSE"), (105, "ENOBUFS")] {
            assert_eq!(connecting_fails("192.0.2.1", of(number)), HttpError::Local, "{what}");
        }
    }
    let v6 = "[2001:db8::1]:443".parse().unwrap();
    assert!(discovery_wire::is_from_network(&of(13), v6), "EACCES: administratively prohibited");
    assert!(!discovery_wire::is_from_network(&of(1), v6), "EPERM: this machine's own firewall");
}
