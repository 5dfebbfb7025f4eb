//! One timer of a runtime that goes by another clock than the machine's.
//!
//! Starts no timer: it is given one.

use std::future::Future;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant};

/// By how much a timer may be wrong without being set anew: the runtimes' are no finer.
const SLACK: Duration = Duration::from_millis(1);

/// Keeps a timer for as long as it rings when it should, and asks for another when it doesn't.
#[derive(Debug)]
pub struct Alarm<T> {
    /// With when it rings, by the runtime's clock.
    timer: Option<(StdInstant, T)>,
}

impl<T: Future + Unpin> Alarm<T> {
    /// Ready when the time that is left may have passed; pending for ever where there is none. To be asked anew after each
    /// [`Poll::Ready`](Poll), and whenever the driver is polled: `left` goes by the machine's clock, `now` is the runtime's, and
    /// neither is trusted to know of the other.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        left: Option<Duration>,
        now: StdInstant,
        start: impl FnOnce(Duration) -> T,
    ) -> Poll<()> {
        let Some((left, rings)) = left.and_then(|left| Some((left, now.checked_add(left)?))) else {
            self.timer = None;
            return Poll::Pending;
        };
        if left.is_zero() {
            // Not by a timer: runtimes round up, and one that is set anew for "now" again and again never rings.
            self.timer = None;
            return Poll::Ready(());
        }
        let wrong = |at: StdInstant| at.max(rings).saturating_duration_since(at.min(rings)) > SLACK;
        if self.timer.as_ref().is_some_and(|(at, _)| wrong(*at)) {
            self.timer = None;
        }
        let (_, timer) = self.timer.get_or_insert_with(|| (rings, start(left)));
        let rung = std::pin::Pin::new(timer).poll(cx).map(|_| ());
        if rung.is_ready() {
            self.timer = None;
        }
        rung
    }
}

impl<T> Default for Alarm<T> {
    fn default() -> Self {
        Self { timer: None }
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

    fn poll<T: Future + Unpin>(
        alarm: &mut Alarm<T>,
        left: Option<Duration>,
        now: StdInstant,
        start: impl FnOnce(Duration) -> T,
    ) -> Poll<()> {
        alarm.poll(&mut Context::from_waker(Waker::noop()), left, now, start)
    }

    #[test]
    fn a_timer_is_kept_while_it_rings_when_it_should() {
        let started = Cell::new(Vec::new());
        let start = |left| {
            let mut all = started.take();
            all.push(left);
            started.set(all);
            pending::<()>()
        };
        let mut alarm = Alarm::<Pending<()>>::default();
        let now = StdInstant::now();
        assert!(poll(&mut alarm, Some(SECOND * 9), now, start).is_pending());
        // The same moment, seen later; then a little off.
        assert!(poll(&mut alarm, Some(SECOND * 5), now + SECOND * 4, start).is_pending());
        assert!(poll(&mut alarm, Some(SECOND * 5), now + SECOND * 4 + SLACK, start).is_pending());
        // The machine's clock has jumped ahead of the runtime's.
        assert!(poll(&mut alarm, Some(SECOND), now + SECOND * 4, start).is_pending());
        // And back to where nothing is to be done, or not in this life.
        assert!(poll(&mut alarm, None, now, start).is_pending());
        assert!(poll(&mut alarm, Some(SECOND), now + SECOND * 4, start).is_pending());
        assert!(poll(&mut alarm, Some(Duration::MAX), now, start).is_pending());
        assert_eq!(started.take(), [SECOND * 9, SECOND, SECOND]);
    }

    #[test]
    fn what_is_due_needs_no_timer() {
        let mut alarm = Alarm::<Pending<()>>::default();
        let now = StdInstant::now();
        assert!(poll(&mut alarm, Some(SECOND), now, |_| pending()).is_pending());
        // Too late by more than the slack: a timer set anew each time would never ring.
        for late in 1..9 {
            let now = now + SECOND + SLACK * 2 * late;
            assert!(poll(&mut alarm, Some(Duration::ZERO), now, |_| pending()).is_ready());
        }
    }

    #[test]
    fn one_that_has_rung_is_started_anew() {
        let mut alarm = Alarm::<Ready<()>>::default();
        let (now, started) = (StdInstant::now(), Cell::new(0));
        let start = |_left| {
            started.set(started.get() + 1);
            ready(())
        };
        assert!(poll(&mut alarm, Some(SECOND), now, start).is_ready());
        // The machine's clock stands still: it is not its moment yet.
        assert!(poll(&mut alarm, Some(SECOND), now, start).is_ready());
        assert_eq!(started.get(), 2);
    }
}
