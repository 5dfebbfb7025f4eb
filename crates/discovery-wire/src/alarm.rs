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
