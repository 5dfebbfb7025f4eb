//! The driver's thread: hands requests to the pools, and keeps the timeout.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use discovery_core::RequestId;
use discovery_driver::{Action, Driver, RequestTask};

use crate::pool::{Finished, Pool};

/// Runs a driver on this thread, and each open request on one more. Returns when all handles are dropped or the discovery is
/// closed, and all of these threads have ended.
///
/// There are at most as many more threads as the policy has slots for DNS questions, and twice its slots for GETs: one that is
/// abandoned while it connects, which no other thread can interrupt, keeps its thread until its own timeout.
pub fn run(mut driver: Driver) {
    let policy = driver.policy();
    let finished = Finished::new();
    let pool = |limit, timeout| Pool::new(limit, timeout, Arc::clone(&finished));
    let questions = pool(policy.limits.dns_slots, policy.dns.timeout);
    let gets = pool(policy.limits.http_slots.saturating_mul(2), policy.well_known.timeout);
    let of = |id| match id {
        RequestId::Dns(_) => &questions,
        RequestId::Http(_) => &gets,
    };
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let cx = Context::from_waker(&waker);
    loop {
        // Answers that are here come before the timeouts of their requests.
        finished.take().into_iter().for_each(RequestTask::finish);
        match driver.poll_action(&cx) {
            Poll::Ready(Action::Start(task)) => of(task.id()).start(task),
            Poll::Ready(Action::Stop(id)) => of(id).stop(id),
            Poll::Ready(Action::Finished) => break,
            Poll::Pending => match driver.next_timeout() {
                Some(left) if left.is_zero() => driver.handle_timeout(),
                // Being woken early costs a look at the clock.
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            },
        }
    }
    questions.end();
    gets.end();
    questions.wait();
    gets.wait();
}

/// Wakes the driver's thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
