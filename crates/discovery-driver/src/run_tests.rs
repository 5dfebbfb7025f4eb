//! Futures of requests and their wakers, without any runtime.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use discovery_core::{Config, Policy, Resolver};

use super::*;

/// A future of any kind.
type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// Which futures were polled.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(usize, Waker)>>>);

impl Log {
    /// A future that logs when it is polled, and ends when it has been polled so often.
    fn run(&self, number: usize, polls: usize) -> Boxed {
        let (log, mut left) = (self.clone(), polls);
        Box::pin(poll_fn(move |cx| {
            log.0.lock().unwrap().push((number, cx.waker().clone()));
            left -= 1;
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        }))
    }

    fn take(&self) -> Vec<usize> {
        self.0.lock().unwrap().drain(..).map(|(number, _)| number).collect()
    }

    fn wake(&self, number: usize) {
        let found = self.0.lock().unwrap().iter().find(|it| it.0 == number).cloned();
        found.unwrap().1.wake();
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ids as the core gives them: there is no other way to make one.
fn ids(count: usize) -> Vec<RequestId> {
    let mut config = Config::new(Policy::default());
    config.seed = 1;
    let mut resolver = Resolver::new(config, discovery_core::Instant::ORIGIN);
    let mut ids = Vec::new();
    for number in 0..count {
        let name = format!("host{number}.example:1").parse().unwrap();
        resolver.resolve(&name, discovery_core::Instant::ORIGIN);
        while let Some(event) = resolver.poll() {
            if let discovery_core::Event::Request(request) = event {
                ids.push(request.id());
            }
        }
    }
    ids
}

#[test]
fn only_woken_requests_are_polled_and_wake_the_driver_once() {
    let (log, mut requests, ids) = (Log::default(), Requests::<Boxed>::default(), ids(2));
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let cx = Context::from_waker(&waker);
    requests.start(ids[0], log.run(0, 3));
    requests.start(ids[1], log.run(1, 2));
    requests.poll(&cx);
    assert_eq!(log.0.lock().unwrap().len(), 2);
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    log.wake(1);
    log.wake(1);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    log.take();
    requests.poll(&cx);
    assert_eq!(log.take(), [1], "once, and only this");
    assert_eq!(requests.running.len(), 1, "it has ended");
    requests.poll(&cx);
    assert_eq!(log.take(), [0; 0]);
}

#[test]
fn a_stopped_request_is_dropped_and_its_waker_does_nothing() {
    let (log, mut requests, ids) = (Log::default(), Requests::<Boxed>::default(), ids(1));
    let cx = Context::from_waker(Waker::noop());
    requests.start(ids[0], log.run(0, 3));
    requests.poll(&cx);
    requests.stop(ids[0]);
    assert!(requests.running.is_empty());
    // Only the log still holds a waker.
    assert_eq!(Arc::strong_count(&log.0), 1, "the future is dropped");
    log.wake(0);
    log.take();
    requests.poll(&cx);
    assert_eq!(log.take(), [0; 0]);
}

#[test]
fn a_request_that_panics_ends_alone() {
    let (log, mut requests, ids) = (Log::default(), Requests::<Boxed>::default(), ids(2));
    let cx = Context::from_waker(Waker::noop());
    requests.start(ids[0], Box::pin(async { panic!("a request panics") }));
    requests.start(ids[1], log.run(1, 2));
    requests.poll(&cx);
    assert_eq!(log.0.lock().unwrap().len(), 1);
    assert_eq!(requests.running.len(), 1);
}

#[test]
fn a_request_that_yields_lets_the_others_run() {
    let (log, mut requests, ids) = (Log::default(), Requests::<Boxed>::default(), ids(2));
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let cx = Context::from_waker(&waker);
    let greedy = log.clone();
    requests.start(
        ids[0],
        Box::pin(async move {
            for _ in 0..2 {
                greedy.0.lock().unwrap().push((0, Waker::noop().clone()));
                let mut yielded = false;
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::replace(&mut yielded, true) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
            }
        }),
    );
    requests.start(ids[1], log.run(1, 2));
    requests.poll(&cx);
    assert_eq!(log.take(), [0, 1]);
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "and wants to be polled again");
    requests.poll(&cx);
    requests.poll(&cx);
    assert_eq!(log.take(), [0]);
    assert_eq!(requests.running.len(), 1);
}
