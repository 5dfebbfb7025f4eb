//! A discovery and its driver without any runtime. No socket is opened.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::SystemTime;

use discovery_core::{
    Answer, Config, DnsRecord, DnsReply, ErrorKind, Export, HttpError, Outcome, Policy, RecordData,
    Resolver, ServerName, UnixMillis,
};
use discovery_wire::{NoEntropy, Transport, Want};
use rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::name_servers::RESOLV_CONF_INTERVAL;
use crate::{BuildError, Builder, Discovery, Environment, Resolve};

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    /// How far the test's clock has been moved.
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static WALL_CLOCK: Cell<SystemTime> = const { Cell::new(SystemTime::UNIX_EPOCH) };
    static RESOLV_CONF: RefCell<String> =
        RefCell::new("nameserver 192.0.2.53\nnameserver 192.0.2.54\n".to_owned());
    static PROBED: Cell<usize> = const { Cell::new(0) };
}

fn now() -> StdInstant {
    static START: OnceLock<StdInstant> = OnceLock::new();
    *START.get_or_init(StdInstant::now) + PASSED.get()
}

fn pass(duration: Duration) {
    PASSED.set(PASSED.get() + duration);
}

/// A machine with a route for IPv4 alone, with randomness or without.
struct Fake {
    has_entropy: bool,
}

impl Environment for Fake {
    fn now(&self) -> StdInstant {
        now()
    }

    fn wall_clock(&self) -> SystemTime {
        WALL_CLOCK.get()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        bytes.fill(7);
        if self.has_entropy { Ok(()) } else { Err(NoEntropy) }
    }

    fn resolv_conf(&self) -> Vec<u8> {
        RESOLV_CONF.with_borrow(|text| text.as_bytes().to_vec())
    }

    fn interface_index(&self, _name: &str) -> Option<u32> {
        None
    }

    fn has_route(&self, address: SocketAddr) -> bool {
        PROBED.set(PROBED.get() + 1);
        address.is_ipv4()
    }
}

fn builder() -> Builder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Builder::new(Arc::new(tls))
}

fn built(builder: Builder) -> (Discovery, Driver) {
    builder.build(Fake { has_entropy: true }).unwrap()
}

fn start() -> (Discovery, Driver) {
    built(builder())
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that counts how often it is woken.
struct Task(Arc<Count>, Waker);

impl Task {
    fn new() -> Self {
        let count = Arc::new(Count::default());
        Self(Arc::clone(&count), Waker::from(count))
    }

    fn wakes(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }

    fn poll(&self, resolve: &mut Resolve) -> Poll<Outcome> {
        Pin::new(resolve).poll(&mut Context::from_waker(&self.1))
    }

    fn action(&self, driver: &mut Driver) -> Poll<Action> {
        driver.poll_action(&Context::from_waker(&self.1))
    }

    /// All requests that are to be started; there is nothing else to do.
    fn started(&self, driver: &mut Driver) -> Vec<RequestTask> {
        let start = |action| match action {
            Action::Start(task) => task,
            other => panic!("{other:?}"),
        };
        std::iter::from_fn(|| match self.action(driver) {
            Poll::Ready(action) => Some(start(action)),
            Poll::Pending => None,
        })
        .collect()
    }
}

fn started(driver: &mut Driver) -> Vec<RequestTask> {
    Task::new().started(driver)
}

fn poll(resolve: &mut Resolve) -> Poll<Outcome> {
    Task::new().poll(resolve)
}

fn kind(outcome: &Poll<Outcome>) -> ErrorKind {
    match outcome {
        Poll::Ready(outcome) => outcome.as_ref().unwrap_err().kind,
        Poll::Pending => panic!("no outcome"),
    }
}

fn is_ok(outcome: &Poll<Outcome>) -> bool {
    matches!(outcome, Poll::Ready(outcome) if outcome.is_ok())
}

fn reply(records: Vec<DnsRecord>) -> DnsReply {
    let mut reply = DnsReply::with_records(records);
    reply.negative_ttl = Some(60);
    reply
}

#[test]
fn a_result_that_is_known_needs_no_driver() {
    let (discovery, mut driver) = start();
    let (loop_, caller) = (Task::new(), Task::new());
    assert!(loop_.action(&mut driver).is_pending());
    let outcome = caller.poll(&mut discovery.resolve("1.1.1.1:443"));
    let Poll::Ready(outcome) = outcome else { panic!("no outcome") };
    assert_eq!(outcome.as_ref().unwrap().host_header_str(), "1.1.1.1:443");
    assert_eq!((loop_.wakes(), caller.wakes()), (0, 0));
}

#[test]
fn an_invalid_name_is_an_error_value() {
    let (discovery, _driver) = start();
    let outcome = discovery.resolve("two words").wait();
    let failed = outcome.as_ref().unwrap_err();
    assert_eq!(failed.kind, ErrorKind::InvalidServerName);
    assert!(failed.to_string().starts_with("not a server name ("), "{failed}");
    let parsed: ServerName = "1.1.1.1".parse().unwrap();
    assert!(discovery.resolve(&parsed).wait().is_ok());
    assert!(discovery.resolve(parsed).wait().is_ok());
}

#[test]
fn an_outcome_wakes_its_waiters() {
    let (discovery, mut driver) = start();
    let (loop_, caller) = (Task::new(), Task::new());
    assert!(loop_.action(&mut driver).is_pending());
    let mut one = discovery.resolve("example.org:8448");
    let mut two = discovery.resolve("example.org:8448");
    assert!(caller.poll(&mut one).is_pending());
    assert!(caller.poll(&mut two).is_pending());
    assert_eq!(loop_.wakes(), 1);
    let tasks = loop_.started(&mut driver);
    assert_eq!(tasks.len(), 2, "one question for each family");
    assert!(driver.next_timeout().is_some());
    for task in tasks {
        let Request::Dns(request) = task.request() else { panic!("{task:?}") };
        let record = DnsRecord {
            owner: request.name.clone(),
            ttl: 300,
            data: RecordData::Aaaa(Ipv6Addr::new(0x2a00, 0, 0, 0, 0, 0, 0, 1)),
        };
        let records = if request.kind.as_str() == "AAAA" { vec![record] } else { vec![] };
        let id = request.id;
        task.answer(Answer::Dns(id, Ok(reply(records))));
    }
    assert_eq!(caller.wakes(), 2);
    for resolve in [&mut one, &mut two] {
        assert!(is_ok(&caller.poll(resolve)));
        assert!(caller.poll(resolve).is_ready(), "it can be polled again");
    }
}

#[test]
fn a_dropped_lookup_stops_the_requests_that_no_other_needs() {
    let (discovery, mut driver) = start();
    let loop_ = Task::new();
    let one = discovery.resolve("example.org:8448");
    let two = discovery.resolve("example.org:8448");
    let tasks = loop_.started(&mut driver);
    drop(one);
    assert!(loop_.action(&mut driver).is_pending());
    drop(two);
    for task in &tasks {
        let Poll::Ready(Action::Stop(id)) = loop_.action(&mut driver) else { panic!("no stop") };
        assert_eq!(id, task.id());
    }
    assert!(loop_.action(&mut driver).is_pending());
    // A request that the driver has not seen yet is never started.
    drop(discovery.resolve("example.org:8448"));
    assert!(loop_.action(&mut driver).is_pending());
    assert_eq!(driver.next_timeout(), None);
}

#[test]
fn dropping_the_driver_wakes_waiters_with_a_local_error() {
    let (discovery, mut driver) = start();
    let (loop_, caller) = (Task::new(), Task::new());
    let mut before = discovery.resolve("example.org");
    let mut unpolled = discovery.resolve("example.com");
    assert!(caller.poll(&mut before).is_pending());
    let tasks = loop_.started(&mut driver);
    drop(driver);
    assert_eq!(caller.wakes(), 1);
    assert_eq!(kind(&caller.poll(&mut before)), ErrorKind::Local);
    assert_eq!(kind(&caller.poll(&mut unpolled)), ErrorKind::Local);
    let mut after = discovery.resolve("example.net");
    assert_eq!(kind(&caller.poll(&mut after)), ErrorKind::Local);
    drop(tasks);
    assert!(is_ok(&caller.poll(&mut discovery.resolve("1.1.1.1"))));
    assert_eq!(discovery.with(|resolver, _| resolver.unfinished()), 0);
}

#[test]
fn a_driver_that_is_not_run_leaves_lookups_waiting() {
    let (discovery, driver) = start();
    let caller = Task::new();
    let mut resolve = discovery.resolve("example.org:8448");
    assert!(caller.poll(&mut resolve).is_pending());
    // Its requests are not open, so no time counts against them.
    pass(SECOND * 3600);
    assert!(caller.poll(&mut resolve).is_pending());
    assert!(resolve.wait_timeout(Duration::ZERO).is_none());
    drop(driver);
    assert_eq!(kind(&caller.poll(&mut resolve)), ErrorKind::Local);
}

#[test]
fn i15_a_driver_that_acts_after_a_pause_goes_on() {
    let (discovery, mut driver) = start();
    let caller = Task::new();
    let mut resolve = discovery.resolve("example.org:8448");
    let tasks = started(&mut driver);
    pass(SECOND * 3600);
    driver.handle_timeout();
    assert!(caller.poll(&mut resolve).is_pending());
    assert_eq!(discovery.counters().pauses, 1);
    drop(tasks);
}

#[test]
fn the_timeout_goes_by_the_clock_of_the_builder() {
    let (discovery, mut driver) = start();
    assert_eq!(driver.next_timeout(), None);
    let _resolve = discovery.resolve("example.org:8448");
    let _tasks = started(&mut driver);
    let left = driver.next_timeout().unwrap();
    assert!(left > Duration::ZERO);
    pass(left / 4);
    assert_eq!(driver.next_timeout(), Some(left - left / 4));
    pass(left);
    assert_eq!(driver.next_timeout(), Some(Duration::ZERO));
    driver.handle_timeout();
    let _more = started(&mut driver);
    assert!(driver.next_timeout().unwrap() > Duration::ZERO);
}

#[test]
fn a_task_that_is_dropped_is_a_local_error() {
    let (discovery, mut driver) = start();
    let (loop_, caller) = (Task::new(), Task::new());
    let mut resolve = discovery.resolve("example.org:8448");
    // Every request, and those that replace it.
    for _ in 0..100 {
        drop(loop_.started(&mut driver));
        driver.handle_timeout();
        pass(SECOND);
    }
    assert_eq!(kind(&caller.poll(&mut resolve)), ErrorKind::Local);
}

#[test]
fn the_driver_ends_with_the_last_handle_and_the_last_waiter() {
    let (discovery, mut driver) = start();
    let loop_ = Task::new();
    let again = discovery.clone();
    let resolve = discovery.resolve("example.org:8448");
    let _tasks = loop_.started(&mut driver);
    drop(discovery);
    drop(again);
    assert!(loop_.action(&mut driver).is_pending());
    let before = loop_.wakes();
    drop(resolve);
    assert_eq!(loop_.wakes(), before + 1);
    assert!(matches!(loop_.action(&mut driver), Poll::Ready(Action::Finished)));
}

#[test]
fn an_idle_driver_is_woken_to_end() {
    let (discovery, mut driver) = start();
    let loop_ = Task::new();
    assert!(loop_.action(&mut driver).is_pending());
    drop(discovery);
    assert_eq!(loop_.wakes(), 1);
    assert!(matches!(loop_.action(&mut driver), Poll::Ready(Action::Finished)));
}

#[test]
fn a_closed_discovery_ends_its_driver_and_answers_from_memory() {
    let (discovery, mut driver) = start();
    let mut resolve = discovery.resolve("example.org:1");
    let tasks = started(&mut driver);
    discovery.close();
    assert_eq!(kind(&poll(&mut resolve)), ErrorKind::Local);
    let loop_ = Task::new();
    assert!(matches!(loop_.action(&mut driver), Poll::Ready(Action::Finished)));
    drop(tasks);
    assert!(matches!(loop_.action(&mut driver), Poll::Ready(Action::Finished)), "still");
    assert_eq!(kind(&poll(&mut discovery.resolve("example.net"))), ErrorKind::Local);
    assert!(poll(&mut discovery.resolve("1.1.1.1")).is_ready());
}

#[test]
fn defaults_come_from_the_environment() {
    let (discovery, mut driver) = start();
    let _resolve = discovery.resolve("example.org:1");
    let server = SocketAddr::from(([192, 0, 2, 53], 53));
    for task in started(&mut driver) {
        assert_eq!(task.wants(), Want::Open(Transport::Udp, server));
    }
    let none = || Fake { has_entropy: false };
    assert!(matches!(builder().build(none()), Err(BuildError::NoEntropy(NoEntropy))));
    assert!(builder().seed(1).build(none()).is_ok());
}

#[test]
fn routes_are_probed_before_the_first_request_and_once_a_minute() {
    let (discovery, mut driver) = start();
    assert!(started(&mut driver).is_empty());
    assert_eq!(PROBED.get(), 0, "no name has been asked for yet");
    let mut ask = |text: &str| {
        let _resolve = discovery.resolve(text);
        assert!(!started(&mut driver).is_empty());
        PROBED.get()
    };
    assert_eq!(ask("a.example:1"), 2, "one address of each family");
    PASSED.set(PROBE_INTERVAL - Duration::from_millis(1));
    assert_eq!(ask("b.example:1"), 2);
    PASSED.set(PROBE_INTERVAL);
    assert_eq!(ask("c.example:1"), 4);
    let (discovery, mut driver) = built(builder().probe_routes(false));
    let _resolve = discovery.resolve("a.example:1");
    assert!(!started(&mut driver).is_empty());
    assert_eq!(PROBED.get(), 4, "the caller does not want it");
}

#[test]
fn a_hook_is_called_once_for_each_socket() {
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let place = SocketAddr::from(([127, 0, 0, 1], 5353));
    let (discovery, mut driver) = built(builder().connect_to(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        place
    }));
    let _resolve = discovery.resolve("example.org:1");
    let mut tasks = started(&mut driver);
    let task = tasks.first_mut().unwrap();
    for _ in 0..3 {
        assert_eq!(task.wants(), Want::Open(Transport::Udp, place));
    }
    task.opened(Ok(()));
    assert!(matches!(task.wants(), Want::Write(_)));
    assert!(!task.wrote(Err(io::ErrorKind::WouldBlock.into())), "wait for the socket");
    assert!(matches!(task.wants(), Want::Write(_)));
    assert_eq!(called.load(Ordering::Relaxed), 2, "one for each family");
}

#[test]
fn a_hook_that_panics_is_a_local_error() {
    let (discovery, mut driver) =
        built(builder().connect_to(|_, _| panic!("the caller's hook panics")));
    let mut resolve = discovery.resolve("example.org:1");
    assert!(started(&mut driver).is_empty());
    assert_eq!(kind(&poll(&mut resolve)), ErrorKind::Local);
}

/// The name servers that the requests of a new name go to.
fn servers_of(discovery: &Discovery, driver: &mut Driver, name: &str) -> Vec<String> {
    let _resolve = discovery.resolve(name);
    let mut servers: Vec<String> = started(driver)
        .iter()
        .map(|task| match task.wants() {
            Want::Open(_, server) => server.ip().to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    servers.dedup();
    servers
}

#[test]
fn a_changed_resolv_conf_is_read_after_five_seconds_and_not_before() {
    let (discovery, mut driver) = start();
    RESOLV_CONF.set("nameserver 192.0.2.99\n".to_owned());
    PASSED.set(RESOLV_CONF_INTERVAL - Duration::from_millis(1));
    assert_eq!(servers_of(&discovery, &mut driver, "a.example:1"), ["192.0.2.53"]);
    PASSED.set(RESOLV_CONF_INTERVAL);
    assert_eq!(servers_of(&discovery, &mut driver, "b.example:1"), ["192.0.2.99"]);
    assert_eq!(discovery.name_servers().len(), 1);
}

#[test]
fn a_resolv_conf_that_disappears_changes_nothing() {
    let (discovery, mut driver) = start();
    RESOLV_CONF.set(String::new());
    PASSED.set(RESOLV_CONF_INTERVAL);
    assert_eq!(servers_of(&discovery, &mut driver, "a.example:1"), ["192.0.2.53"]);
    RESOLV_CONF.set("nameserver 192.0.2.99\n".to_owned());
    PASSED.set(RESOLV_CONF_INTERVAL * 2);
    assert_eq!(servers_of(&discovery, &mut driver, "b.example:1"), ["192.0.2.99"]);
}

#[test]
fn name_servers_of_the_builder_are_not_changed_by_resolv_conf() {
    let (discovery, mut driver) =
        built(builder().name_servers([SocketAddr::from(([192, 0, 2, 7], 53))]));
    PASSED.set(RESOLV_CONF_INTERVAL);
    assert_eq!(servers_of(&discovery, &mut driver, "a.example:1"), ["192.0.2.7"]);
}

#[test]
fn name_servers_set_at_run_time_replace_resolv_conf() {
    let (discovery, mut driver) = start();
    let resolve = discovery.resolve("a.example:1");
    // Requests that were queued before go to the new ones, too.
    let server = SocketAddr::from(([192, 0, 2, 7], 53));
    discovery.set_name_servers([server]);
    let before = started(&mut driver);
    assert!(before.iter().all(|task| task.wants() == Want::Open(Transport::Udp, server)));
    drop((resolve, before));
    while Task::new().action(&mut driver).is_ready() {}
    RESOLV_CONF.set("nameserver 192.0.2.99\n".to_owned());
    PASSED.set(RESOLV_CONF_INTERVAL);
    assert_eq!(servers_of(&discovery, &mut driver, "b.example:1"), ["192.0.2.7"]);
}

#[test]
fn a_lack_of_name_servers_is_named_in_the_error() {
    let (discovery, mut driver) = start();
    discovery.set_name_servers([]);
    let mut resolve = discovery.resolve("a.example:1");
    assert!(started(&mut driver).is_empty());
    let Poll::Ready(outcome) = poll(&mut resolve) else { panic!("no outcome") };
    let failed = outcome.as_ref().unwrap_err();
    assert_eq!(failed.kind, ErrorKind::Local);
    assert!(failed.to_string().contains("no usable name server"), "{failed}");
}

/// The answer to a document's GET whose connection fails with this error.
fn connecting_fails(address: &str, error: io::Error) -> HttpError {
    let mut policy = Policy::default();
    policy.addresses = discovery_core::AddressPolicy::any();
    policy.addresses.static_addresses.insert(
        discovery_core::DnsName::host("a.example").unwrap(),
        vec![address.parse().unwrap()],
    );
    let builder = builder().name_servers([SocketAddr::from(([192, 0, 2, 7], 53))]).policy(policy);
    let (discovery, mut driver) = built(builder);
    let _resolve = discovery.resolve("a.example");
    let mut get = started(&mut driver)
        .into_iter()
        .find(|task| matches!(task.wants(), Want::Open(Transport::Tcp, _)))
        .unwrap();
    get.opened(Err(error));
    match get.into_answer() {
        Answer::Http(_, Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_of_the_network_is_a_rejection_if_there_is_a_route() {
    let of = io::Error::from_raw_os_error;
    // The environment has a route for IPv4 alone.
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

/// The facts of a resolver that was asked for so many names at the beginning of its clock.
fn learnt(names: usize) -> Export {
    let mut resolver = Resolver::new(Config::new(Policy::default()), Instant::ORIGIN);
    for n in 0..names {
        let name: ServerName = format!("n{n}.example:1").parse().unwrap();
        resolver.resolve(&name, Instant::ORIGIN);
        while let Some(event) = resolver.poll() {
            let discovery_core::Event::Request(Request::Dns(dns)) = event else { continue };
            let reply = DnsReply::not_found(true, Some(300));
            let _ = resolver.handle_answer(Answer::Dns(dns.id, Ok(reply)), Instant::ORIGIN);
        }
    }
    resolver.export(Instant::ORIGIN, UnixMillis(1_764_000_000_000))
}

#[test]
fn an_import_unlocks_the_resolver_between_portions_and_makes_no_fact_younger() {
    let export = learnt(800);
    let facts = export.len();
    assert!(facts >= 1500, "{facts}");
    // A second passes each time that the resolver is locked; one wall clock is right, the other is late.
    for late in [0, 100_000] {
        let (discovery, _driver) = built(builder().clock(|| {
            pass(SECOND);
            now()
        }));
        let begun = discovery.with(|_, now| now);
        let made = SystemTime::UNIX_EPOCH + Duration::from_millis(export.at().0);
        WALL_CLOCK.set(made - Duration::from_millis(late));
        let taught = discovery.import(export.clone());
        assert_eq!(taught.taken, facts);
        let (portions, latest) = discovery.with(|resolver, now| {
            let until = resolver.facts().filter_map(|entry| entry.expires).max();
            (now.saturating_duration_since(begun).as_secs() - 1, until)
        });
        assert!(portions >= 3, "{portions}");
        // From the first portion on, facts live as long as they did at their origin.
        let most = Duration::from_secs(301) - Duration::from_millis(late);
        assert!(latest.is_some_and(|latest| latest <= begun + most), "{latest:?}");
    }
}
