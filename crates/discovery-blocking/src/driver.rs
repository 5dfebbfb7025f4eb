//! What one thread does for all lookups: hands requests to the pools, and keeps the machine's deadline.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use discovery_core::{Policy, RequestId};
use discovery_driver::{Job, Todo, Work};

use crate::pool::{Finished, Pool};

/// Does what the lookups need, on the thread that [runs](Self::run) it, and on one more for each request that is open.
///
/// There are at most as many more as the policy has slots for DNS questions, and twice those for GETs: one that is given up while it
/// connects, which no other thread can interrupt, keeps its thread until its own time is up.
#[must_use = "nothing is resolved unless the driver runs"]
pub struct Driver {
    work: Work,
    policy: Policy,
}

impl Driver {
    pub(crate) fn new(work: Work, policy: &Policy) -> Self {
        Self { work, policy: policy.clone() }
    }

    /// Returns when nobody can ask any more, and all of its other threads have ended.
    pub fn run(self) {
        let Self { mut work, policy } = self;
        let finished = Finished::new();
        let pool = |limit, patience| Pool::new(limit, patience, Arc::clone(&finished));
        let questions = pool(policy.dns_slots, policy.dns_timeout);
        let gets = pool(policy.http_slots.saturating_mul(2), policy.well_known_timeout);
        let of = |id| match id {
            RequestId::Dns(_) => &questions,
            RequestId::Http(_) => &gets,
        };
        let waker = crate::unpark();
        let cx = Context::from_waker(&waker);
        loop {
            // Answers that are here come before what their silence would lead to.
            finished.take().into_iter().for_each(Job::finish);
            match work.poll(&cx) {
                Poll::Ready(Todo::Start(job)) => of(job.id()).start(job),
                Poll::Ready(Todo::Stop(id)) => of(id).stop(id),
                Poll::Ready(Todo::End) => break,
                Poll::Pending => match work.time_left() {
                    Some(left) if left.is_zero() => work.handle_timeout(),
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
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
