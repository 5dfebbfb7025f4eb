//! The spans of lookups and requests, as a subscriber sees them.
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

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use discovery_core::Policy;
use discovery_driver::{Action, Builder, Discovery, Driver, System};
use rustls::{ClientConfig, RootCertStore};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Records every closed span as `name field=value …`, and whether it had a parent.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Spans>>);

#[derive(Default)]
struct Spans {
    open: BTreeMap<u64, Line>,
    next: u64,
    closed: Vec<String>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push_str(&format!(" {field}={value}"));
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "discovery"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        let mut spans = self.0.lock().unwrap();
        spans.next += 1;
        let id = spans.next;
        spans.open.insert(id, line);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        values.record(self.0.lock().unwrap().open.get_mut(&id.into_u64()).unwrap());
    }

    fn try_close(&self, id: Id) -> bool {
        let mut spans = self.0.lock().unwrap();
        let line = spans.open.remove(&id.into_u64()).unwrap();
        spans.closed.push(line.0);
        true
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Listener {
    /// The spans that have closed since the last call.
    fn take(&self) -> Vec<String> {
        let mut closed = std::mem::take(&mut self.0.lock().unwrap().closed);
        closed.sort();
        closed
    }
}

fn open() -> (Discovery, Driver) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut policy = Policy::default();
    policy.dns.attempts = 1;
    let builder = Builder::new(Arc::new(tls))
        .policy(policy)
        .name_servers(["192.0.2.53:53".parse().unwrap()])
        .probe_routes(false);
    builder.build(System::default()).unwrap()
}

/// Starts all requests; none of them can open a socket.
fn fail(driver: &mut Driver) {
    while let Poll::Ready(action) = driver.poll_action(&Context::from_waker(Waker::noop())) {
        if let Action::Start(mut task) = action {
            task.opened(Err(io::ErrorKind::PermissionDenied.into()));
            task.finish();
        }
    }
}

#[test]
fn lookups_and_requests_have_spans() {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), || {
        let (discovery, mut driver) = open();
        drop(discovery.resolve("10.0.0.1"));
        assert_eq!(listener.take(), ["lookup name=10.0.0.1 hit=true outcome=blocked"]);
        drop(discovery.resolve("1.1.1.1:443"));
        assert_eq!(listener.take(), ["lookup name=1.1.1.1:443 hit=true step=1 outcome=resolved"]);
        let mut waiting = discovery.resolve("example.org:8449");
        fail(&mut driver);
        assert!(waiting.wait_timeout(Duration::ZERO).is_some());
        assert_eq!(
            listener.take(),
            [
                "request kind=dns question=example.org A place=192.0.2.53:53 attempt=0 result=Local",
                "request kind=dns question=example.org AAAA place=192.0.2.53:53 attempt=0 result=Local",
            ]
        );
        drop(waiting);
        assert_eq!(listener.take(), ["lookup name=example.org:8449 hit=false outcome=local"]);
        let abandoned = discovery.resolve("example.net");
        let Poll::Ready(Action::Start(task)) =
            driver.poll_action(&Context::from_waker(Waker::noop()))
        else {
            panic!("no request");
        };
        drop((abandoned, task));
        assert_eq!(
            listener.take(),
            [
                "lookup name=example.net hit=false outcome=abandoned",
                "request kind=dns question=example.net AAAA place=192.0.2.53:53 attempt=0 result=stopped",
            ]
        );
    });
}
