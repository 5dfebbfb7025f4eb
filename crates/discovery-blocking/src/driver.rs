//! What one thread does for all lookups: hands requests to the pools, and keeps the machine's deadline.

use std::fmt;
use std::task::{Context, Poll};
use std::thread;

use discovery_core::{Policy, RequestId};
use discovery_wire::{Todo, Work};

use crate::pool::Pool;

/// Does what the lookups need, on the thread that [runs](Self::run) it, and on one more for each request that is open.
///
/// There are at most as many more as the policy has slots for DNS questions, and twice those for GETs: one that is given up while it
/// connects, which no other thread can interrupt, keeps its thread until its own time is up.
#[must_use = "nothing is resolved unless the driver runs"]
pub struct Driver {
    work: Work,
    questions: Pool,
    gets: Pool,
}

impl Driver {
    pub(crate) fn new(work: Work, policy: &Policy) -> Self {
        Self {
            work,
            questions: Pool::new(policy.dns_slots, policy.dns_timeout),
            gets: Pool::new(policy.http_slots.saturating_mul(2), policy.well_known_timeout),
        }
    }

    /// Returns when nobody can ask any more, and all of its other threads have ended.
    pub fn run(mut self) {
        let waker = crate::unpark();
        let cx = Context::from_waker(&waker);
        loop {
            match self.work.poll(&cx) {
                Poll::Ready(Todo::Start(job)) => self.pool(job.id()).start(job),
                Poll::Ready(Todo::Stop(id)) => self.pool(id).stop(id),
                Poll::Ready(Todo::End) => break,
                Poll::Pending => match self.work.time_left() {
                    Some(left) if left.is_zero() => self.work.handle_timeout(),
                    // Being woken early costs a look at the clock.
                    Some(left) => thread::park_timeout(left),
                    None => thread::park(),
                },
            }
        }
        self.questions.end();
        self.gets.end();
        self.questions.wait();
        self.gets.wait();
    }

    fn pool(&self, id: RequestId) -> &Pool {
        match id {
            RequestId::Dns(_) => &self.questions,
            RequestId::Http(_) => &self.gets,
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
