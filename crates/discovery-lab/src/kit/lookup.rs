//! A lookup between a loop that has no futures and the kit, which waits for one.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use discovery_core::Outcome;

use super::adapter::Lookup;

/// Where a loop tells the outcome. Dropped without a word it tells nothing, ever.
pub struct Teller(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

struct Waits<A: FnOnce()> {
    told: Arc<Mutex<Told>>,
    /// None once there is nothing left to abandon.
    abandon: Option<A>,
}

/// A lookup, and where its outcome is to be told. `abandon` is called where the lookup is dropped before.
pub fn lookup(abandon: impl FnOnce() + Send + Unpin + 'static) -> (Teller, Lookup) {
    let told: Arc<Mutex<Told>> = Arc::default();
    (Teller(Arc::clone(&told)), Box::pin(Waits { told, abandon: Some(abandon) }))
}

impl Teller {
    /// This is the outcome.
    pub fn tell(self, outcome: Outcome) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.outcome = Some(outcome);
        let waker = told.waker.take();
        drop(told);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<A: FnOnce() + Unpin> Future for Waits<A> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(outcome) = told.outcome.take() else {
            told.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(told);
        self.abandon = None;
        Poll::Ready(outcome)
    }
}

impl<A: FnOnce()> Drop for Waits<A> {
    fn drop(&mut self) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).outcome.is_some();
        if let Some(abandon) = self.abandon.take()
            && !told
        {
            abandon();
        }
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::atomic::{AtomicBool, Ordering};

    use discovery_core::{ErrorKind, ResolveError};

    use super::*;

    #[test]
    fn a_lookup_is_abandoned_where_it_is_dropped_before_it_is_told() {
        for told in [false, true] {
            let abandoned = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&abandoned);
            let (teller, mut lookup) = lookup(move || flag.store(true, Ordering::Relaxed));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(lookup.as_mut().poll(&mut cx).is_pending());
            if told {
                teller.tell(Err(Arc::new(ResolveError::bare(ErrorKind::Local))));
                assert!(lookup.as_mut().poll(&mut cx).is_ready());
            }
            drop(lookup);
            assert_eq!(abandoned.load(Ordering::Relaxed), !told);
        }
    }
}
