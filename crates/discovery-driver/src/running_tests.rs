//! Runs and their wakers, without any runtime.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use discovery_core::{Config, Policy, Resolver};

use super::*;

/// What runs do and have done.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(usize, Waker)>>>);

impl Log {
    /// A run that says when it is polled, and ends when it has been so often.
    fn run(&self, number: usize, polls: usize) -> Run {
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

/// Ids as the core gives them: nobody else can make one.
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
fn only_what_was_woken_is_polled_and_a_waker_wakes_the_driver_once() {
    let (log, mut running, ids) = (Log::default(), Running::default(), ids(2));
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let cx = Context::from_waker(&waker);
    running.start(ids[0], log.run(0, 3));
    running.start(ids[1], log.run(1, 2));
    running.poll(&cx);
    assert_eq!(log.0.lock().unwrap().len(), 2);
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    log.wake(1);
    log.wake(1);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    log.take();
    running.poll(&cx);
    assert_eq!(log.take(), [1], "once, and only this");
    assert_eq!(running.len(), 1, "it has ended");
    running.poll(&cx);
    assert_eq!(log.take(), [0; 0]);
}

#[test]
fn what_is_stopped_is_dropped_and_its_waker_wakes_nothing() {
    let (log, mut running, ids) = (Log::default(), Running::default(), ids(1));
    let cx = Context::from_waker(Waker::noop());
    running.start(ids[0], log.run(0, 3));
    running.poll(&cx);
    running.stop(ids[0]);
    assert!(running.is_empty());
    // Only what is logged holds a waker still.
    assert_eq!(Arc::strong_count(&log.0), 1, "the run is dropped");
    log.wake(0);
    log.take();
    running.poll(&cx);
    assert_eq!(log.take(), [0; 0]);
}

#[test]
fn a_run_that_panics_ends_alone() {
    let (log, mut running, ids) = (Log::default(), Running::default(), ids(2));
    let cx = Context::from_waker(Waker::noop());
    running.start(ids[0], Box::pin(async { panic!("a run panics") }));
    running.start(ids[1], log.run(1, 2));
    running.poll(&cx);
    assert_eq!(log.0.lock().unwrap().len(), 1);
    assert_eq!(running.len(), 1);
}

#[test]
fn one_that_yields_lets_the_others_have_their_turn() {
    let (log, mut running, ids) = (Log::default(), Running::default(), ids(2));
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let cx = Context::from_waker(&waker);
    let greedy = log.clone();
    running.start(
        ids[0],
        Box::pin(async move {
            for _ in 0..2 {
                greedy.0.lock().unwrap().push((0, Waker::noop().clone()));
                yield_now().await;
            }
        }),
    );
    running.start(ids[1], log.run(1, 2));
    running.poll(&cx);
    assert_eq!(log.take(), [0, 1]);
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "and wants to be polled again");
    running.poll(&cx);
    running.poll(&cx);
    assert_eq!(log.take(), [0]);
    assert_eq!(running.len(), 1);
}
