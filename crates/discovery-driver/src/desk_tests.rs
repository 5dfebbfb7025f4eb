//! Handles and a driver without any runtime.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::cell::Cell;
use std::net::Ipv6Addr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use discovery_core::{
    DnsRecord, DnsReply, ErrorKind, Export, Instant, Outcome, Policy, RecordData, Resolver,
    ServerName, UnixMillis,
};

use super::*;
use crate::{DRIVER_PATIENCE, Waiting};

thread_local! {
    /// How far the test's clock has been moved.
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn now() -> StdInstant {
    static START: OnceLock<StdInstant> = OnceLock::new();
    *START.get_or_init(StdInstant::now) + PASSED.get()
}

fn pass(duration: Duration) {
    PASSED.set(PASSED.get() + duration);
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

    fn poll(&self, waiting: &mut Waiting) -> Poll<Outcome> {
        waiting.poll_outcome(&Context::from_waker(&self.1))
    }

    fn work(&self, desk: &mut Desk) -> Poll<Order> {
        desk.poll(&Context::from_waker(&self.1))
    }

    fn orders(&self, desk: &mut Desk) -> Vec<Order> {
        std::iter::from_fn(|| match self.work(desk) {
            Poll::Ready(order) => Some(order),
            Poll::Pending => None,
        })
        .collect()
    }
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

fn start() -> (Handle, Desk) {
    Desk::new(Config::new(Policy::default()), now)
}

fn kind(outcome: &Poll<Outcome>) -> ErrorKind {
    match outcome {
        Poll::Ready(outcome) => outcome.as_ref().unwrap_err().kind,
        Poll::Pending => panic!("no outcome"),
    }
}

fn ids(orders: &[Order]) -> Vec<RequestId> {
    let id = |order: &Order| match order {
        Order::Start(request) => request.id(),
        other => panic!("{other:?}"),
    };
    orders.iter().map(id).collect()
}

#[test]
fn what_is_known_at_once_needs_no_driver() {
    let (handle, mut desk) = start();
    let (driver, caller) = (Task::new(), Task::new());
    assert_eq!(driver.work(&mut desk), Poll::Pending);
    let mut waiting = handle.resolve(&name("1.1.1.1:443"));
    let Poll::Ready(outcome) = caller.poll(&mut waiting) else { panic!("no outcome") };
    assert_eq!(&*outcome.as_ref().unwrap().host_header, "1.1.1.1:443");
    assert_eq!((driver.wakes(), caller.wakes()), (0, 0));
}

#[test]
fn an_outcome_wakes_who_waits() {
    let (handle, mut desk) = start();
    let (driver, caller) = (Task::new(), Task::new());
    assert_eq!(driver.work(&mut desk), Poll::Pending);
    let mut waiting = handle.resolve(&name("example.org:8448"));
    let mut other = handle.resolve(&name("example.org:8448"));
    assert!(caller.poll(&mut waiting).is_pending());
    assert!(caller.poll(&mut other).is_pending());
    assert_eq!(driver.wakes(), 1);
    let orders = driver.orders(&mut desk);
    assert_eq!(orders.len(), 2, "one question for each family");
    assert!(desk.deadline().is_some());
    for order in orders {
        let Order::Start(Request::Dns(request)) = order else { panic!("{order:?}") };
        let record = DnsRecord {
            owner: request.name.clone(),
            ttl: 300,
            data: RecordData::Aaaa(Ipv6Addr::new(0x2a00, 0, 0, 0, 0, 0, 0, 1)),
        };
        let records = if request.kind.as_str() == "AAAA" { vec![record] } else { vec![] };
        let reply = DnsReply {
            nxdomain: false,
            records,
            negative_ttl: Some(60),
            noticed: Default::default(),
        };
        desk.report(RequestId::Dns(request.id)).answer(Answer::Dns(request.id, Ok(reply)));
    }
    assert_eq!(caller.wakes(), 2);
    for waiting in [&mut waiting, &mut other] {
        let Poll::Ready(outcome) = caller.poll(waiting) else { panic!("no outcome") };
        assert!(outcome.is_ok());
        assert!(caller.poll(waiting).is_ready(), "and it stays there");
    }
}

#[test]
fn whoever_stops_waiting_stops_what_nobody_else_waits_for() {
    let (handle, mut desk) = start();
    let driver = Task::new();
    let one = handle.resolve(&name("example.org:8448"));
    let two = handle.resolve(&name("example.org:8448"));
    let started = ids(&driver.orders(&mut desk));
    drop(one);
    assert_eq!(driver.orders(&mut desk), []);
    drop(two);
    let stopped: Vec<Order> = started.into_iter().map(Order::Stop).collect();
    assert_eq!(driver.orders(&mut desk), stopped);
    // What the driver has not seen yet it never sees.
    drop(handle.resolve(&name("example.org:8448")));
    assert_eq!(driver.orders(&mut desk), []);
    assert_eq!(desk.deadline(), None);
}

#[test]
fn without_a_driver_nobody_waits() {
    let (handle, mut desk) = start();
    let (driver, caller) = (Task::new(), Task::new());
    let mut before = handle.resolve(&name("example.org"));
    let mut unpolled = handle.resolve(&name("example.com"));
    assert!(caller.poll(&mut before).is_pending());
    let started = ids(&driver.orders(&mut desk));
    let report = desk.report(started[0]);
    drop(desk);
    assert_eq!(caller.wakes(), 1);
    assert_eq!(kind(&caller.poll(&mut before)), ErrorKind::Local);
    assert_eq!(kind(&caller.poll(&mut unpolled)), ErrorKind::Local);
    let mut after = handle.resolve(&name("example.net"));
    assert_eq!(kind(&caller.poll(&mut after)), ErrorKind::Local);
    drop(report);
    let mut known = handle.resolve(&name("1.1.1.1"));
    let Poll::Ready(outcome) = caller.poll(&mut known) else { panic!("no outcome") };
    assert!(outcome.is_ok());
    assert_eq!(handle.with(|resolver, _| resolver.unfinished()), 0);
}

#[test]
fn a_driver_that_leaves_work_lying_is_given_up() {
    let (handle, mut desk) = start();
    let (driver, caller) = (Task::new(), Task::new());
    // Never polled.
    let mut waiting = handle.resolve(&name("example.org:8448"));
    pass(DRIVER_PATIENCE - Duration::from_millis(1));
    waiting.check_driver();
    assert!(caller.poll(&mut waiting).is_pending());
    pass(Duration::from_millis(1));
    waiting.check_driver();
    assert!(caller.poll(&mut waiting).is_pending(), "the whole process may have been stopped");
    pass(waiting.next_check());
    waiting.check_driver();
    assert_eq!(kind(&caller.poll(&mut waiting)), ErrorKind::Local);
    // Polled once, and never for its deadline.
    let mut waiting = handle.resolve(&name("example.com:8448"));
    driver.orders(&mut desk);
    let left = desk.deadline().unwrap().saturating_duration_since(now());
    pass(left + DRIVER_PATIENCE - Duration::from_millis(1));
    waiting.check_driver();
    assert!(caller.poll(&mut waiting).is_pending());
    pass(Duration::from_millis(1));
    waiting.check_driver();
    assert!(caller.poll(&mut waiting).is_pending(), "the whole process may have been stopped");
    pass(waiting.next_check());
    waiting.check_driver();
    assert_eq!(kind(&caller.poll(&mut waiting)), ErrorKind::Local);
}

#[test]
fn i15_a_driver_that_acts_after_a_pause_is_not_given_up() {
    let (handle, mut desk) = start();
    let (driver, caller) = (Task::new(), Task::new());
    let mut waiting = handle.resolve(&name("example.org:8448"));
    driver.orders(&mut desk);
    pass(Duration::from_secs(3600));
    // The caller's timer rings first.
    waiting.check_driver();
    desk.handle_timeout();
    driver.orders(&mut desk);
    pass(waiting.next_check());
    waiting.check_driver();
    assert!(caller.poll(&mut waiting).is_pending());
    assert_eq!(handle.counters().pauses, 1);
}

#[test]
fn time_is_left_by_the_clock_that_was_given() {
    let (handle, mut desk) = start();
    let driver = Task::new();
    assert_eq!(desk.time_left(), None);
    let _waiting = handle.resolve(&name("example.org:8448"));
    driver.orders(&mut desk);
    let left = desk.time_left().unwrap();
    assert!(left > Duration::ZERO);
    pass(left / 4);
    assert_eq!(desk.time_left(), Some(left - left / 4));
    pass(left);
    assert_eq!(desk.time_left(), Some(Duration::ZERO));
    desk.handle_timeout();
    driver.orders(&mut desk);
    assert!(desk.time_left().unwrap() > Duration::ZERO);
}

#[test]
fn a_report_without_answer_is_a_failure_of_our_own_side() {
    let (handle, mut desk) = start();
    let (driver, caller) = (Task::new(), Task::new());
    let mut waiting = handle.resolve(&name("example.org:8448"));
    // Every request, and those that come instead.
    for _ in 0..100 {
        for id in ids(&driver.orders(&mut desk)) {
            drop(desk.report(id));
        }
        desk.handle_timeout();
        pass(Duration::from_secs(1));
    }
    assert_eq!(kind(&caller.poll(&mut waiting)), ErrorKind::Local);
}

#[test]
fn the_driver_ends_with_the_last_handle_and_the_last_who_waits() {
    let (handle, mut desk) = start();
    let driver = Task::new();
    let again = handle.clone();
    let waiting = handle.resolve(&name("example.org:8448"));
    driver.orders(&mut desk);
    drop(handle);
    drop(again);
    assert_eq!(driver.work(&mut desk), Poll::Pending);
    let before = driver.wakes();
    drop(waiting);
    assert_eq!(driver.wakes(), before + 1);
    assert_eq!(driver.work(&mut desk), Poll::Ready(Order::End));
}

#[test]
fn an_idle_driver_is_woken_to_end() {
    let (handle, mut desk) = start();
    let driver = Task::new();
    assert_eq!(driver.work(&mut desk), Poll::Pending);
    drop(handle);
    assert_eq!(driver.wakes(), 1);
    assert_eq!(driver.work(&mut desk), Poll::Ready(Order::End));
}

/// What a resolver knows that was told of so many names at the beginning of its clock.
fn learnt(names: usize) -> Export {
    let mut resolver = Resolver::new(Config::new(Policy::default()), Instant::ORIGIN);
    for n in 0..names {
        let name = name(&format!("n{n}.example:1"));
        resolver.resolve(&name, Instant::ORIGIN);
        while let Some(event) = resolver.poll() {
            let discovery_core::Event::Request(Request::Dns(dns)) = event else { continue };
            let reply = DnsReply {
                nxdomain: true,
                records: Vec::new(),
                negative_ttl: Some(300),
                noticed: Default::default(),
            };
            let _ = resolver.handle_answer(Answer::Dns(dns.id, Ok(reply)), Instant::ORIGIN);
        }
    }
    resolver.export(Instant::ORIGIN, UnixMillis(1_764_000_000_000))
}

#[test]
fn what_is_taught_comes_in_portions_between_which_others_have_their_turn_and_gets_no_younger() {
    let export = learnt(800);
    let facts = export.len();
    assert!(facts >= 1500, "{facts}");
    // A second passes each time that the machine is locked; one wall clock is right, the other shows too little.
    for late in [0, 100_000] {
        let (handle, _desk) = Desk::new(Config::new(Policy::default()), || {
            pass(Duration::from_secs(1));
            now()
        });
        let begun = handle.with(|_, now| now);
        let wall = UnixMillis(export.at().0 - late);
        let taught = handle.teach(export.clone(), wall);
        assert_eq!(taught.taken, facts);
        let (portions, latest) = handle.with(|resolver, now| {
            let until = resolver.facts().filter_map(|(.., until)| until).max();
            (now.saturating_duration_since(begun).as_secs() - 1, until)
        });
        assert!(portions >= 3, "{portions}");
        // From the first portion on it has as long to live as it had where it came from.
        let most = Duration::from_secs(301) - Duration::from_millis(late);
        assert!(latest.is_some_and(|latest| latest <= begun + most), "{latest:?}");
    }
}
