//! One timer of a runtime that goes by another clock than the resolver's.
//!
//! Starts no timer: it is given one.
//!
//! The clock of the resolver belongs to the caller. Runtime timers are set for the time that is left on that clock and
//! set again when the driver wakes, so they may be early or late. Clocks that count suspended time work, and so do clocks
//! that a test moves.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant};

/// By how much a timer may be wrong without being set anew: the runtimes' are no finer.
const SLACK: Duration = Duration::from_millis(1);

/// Keeps a timer while it fires at the right time, and starts another when it doesn't.
pub(crate) struct Timer<T> {
    /// With the time at which it fires, by the runtime's clock.
    running: Option<(StdInstant, Pin<Box<T>>)>,
}

impl<T: Future> Timer<T> {
    /// Ready when the time that is left may have passed; pending without end if there is none. Poll it again after each
    /// [`Poll::Ready`], and whenever the driver is polled: `left` goes by the resolver's clock, `now` is the runtime's, and
    /// either may jump.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        left: Option<Duration>,
        now: StdInstant,
        start: impl FnOnce(Duration) -> T,
    ) -> Poll<()> {
        let Some((left, fires)) = left.and_then(|left| Some((left, now.checked_add(left)?))) else {
            self.running = None;
            return Poll::Pending;
        };
        if left.is_zero() {
            // Not by a timer: runtimes round up, and one that is set anew for "now" again and again never fires.
            self.running = None;
            return Poll::Ready(());
        }
        let wrong = |at: StdInstant| at.max(fires).saturating_duration_since(at.min(fires)) > SLACK;
        if self.running.as_ref().is_some_and(|(at, _)| wrong(*at)) {
            self.running = None;
        }
        let (_, timer) = self.running.get_or_insert_with(|| (fires, Box::pin(start(left))));
        let fired = timer.as_mut().poll(cx).map(|_| ());
        if fired.is_ready() {
            self.running = None;
        }
        fired
    }
}

impl<T> Default for Timer<T> {
    fn default() -> Self {
        Self { running: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
    use std::cell::Cell;
    use std::future::{Pending, Ready, pending, ready};
    use std::task::Waker;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn poll<T: Future>(
        timer: &mut Timer<T>,
        left: Option<Duration>,
        now: StdInstant,
        start: impl FnOnce(Duration) -> T,
    ) -> Poll<()> {
        timer.poll(&mut Context::from_waker(Waker::noop()), left, now, start)
    }

    #[test]
    fn a_timer_is_kept_while_it_fires_at_the_right_time() {
        let started = Cell::new(Vec::new());
        let start = |left| {
            let mut all = started.take();
            all.push(left);
            started.set(all);
            pending::<()>()
        };
        let mut timer = Timer::<Pending<()>>::default();
        let now = StdInstant::now();
        assert!(poll(&mut timer, Some(SECOND * 9), now, start).is_pending());
        // The same moment, seen later; then a little off.
        assert!(poll(&mut timer, Some(SECOND * 5), now + SECOND * 4, start).is_pending());
        assert!(poll(&mut timer, Some(SECOND * 5), now + SECOND * 4 + SLACK, start).is_pending());
        // The machine's clock has jumped ahead of the runtime's.
        assert!(poll(&mut timer, Some(SECOND), now + SECOND * 4, start).is_pending());
        // And back to no deadline, or one that is never reached.
        assert!(poll(&mut timer, None, now, start).is_pending());
        assert!(poll(&mut timer, Some(SECOND), now + SECOND * 4, start).is_pending());
        assert!(poll(&mut timer, Some(Duration::MAX), now, start).is_pending());
        assert_eq!(started.take(), [SECOND * 9, SECOND, SECOND]);
    }

    #[test]
    fn a_timeout_that_is_due_needs_no_timer() {
        let mut timer = Timer::<Pending<()>>::default();
        let now = StdInstant::now();
        assert!(poll(&mut timer, Some(SECOND), now, |_| pending()).is_pending());
        // Too late by more than the slack: a timer set anew each time would never fire.
        for late in 1..9 {
            let now = now + SECOND + SLACK * 2 * late;
            assert!(poll(&mut timer, Some(Duration::ZERO), now, |_| pending()).is_ready());
        }
    }

    #[test]
    fn a_timer_that_has_fired_is_started_again() {
        let mut timer = Timer::<Ready<()>>::default();
        let (now, started) = (StdInstant::now(), Cell::new(0));
        let start = |_left| {
            started.set(started.get() + 1);
            ready(())
        };
        assert!(poll(&mut timer, Some(SECOND), now, start).is_ready());
        // The machine's clock stands still: it is not its moment yet.
        assert!(poll(&mut timer, Some(SECOND), now, start).is_ready());
        assert_eq!(started.get(), 2);
    }
}
