//! What an adapter is handed: settings, jobs, routes. No socket is opened.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::{Instant as StdInstant, SystemTime};

use discovery_core::FailureKind;
use rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::{BuildError, Handle, NoEntropy, Setup, System, Transport, Waiting, Want};

thread_local! {
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
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
    resolv_conf: || b"nameserver 192.0.2.53\nnameserver 192.0.2.54\n".to_vec(),
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

fn kind(waiting: &mut Waiting) -> Option<FailureKind> {
    match waiting.poll_outcome(&Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.as_ref().as_ref().err().map(|failed| failed.kind),
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
    assert_eq!(kind(&mut waiting), Some(FailureKind::Local));
}

#[test]
fn a_closed_machine_ends_its_driver_and_answers_what_it_knows() {
    let (handle, mut work) = setup().open(SYSTEM).unwrap();
    let mut waiting = resolve(&handle, "example.org:1");
    let jobs = jobs(&mut work);
    handle.close();
    assert_eq!(kind(&mut waiting), Some(FailureKind::Local));
    assert!(matches!(next(&mut work), Some(Todo::End)));
    drop(jobs);
    assert!(matches!(next(&mut work), Some(Todo::End)), "and stays ended");
    assert_eq!(kind(&mut resolve(&handle, "example.net")), Some(FailureKind::Local));
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
    assert_eq!(kind(&mut waiting), Some(FailureKind::Local));
}
