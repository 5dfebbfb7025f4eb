//! SIGINT and SIGTERM: the first one ends a batch early, a second one ends the program at once.
//!
//! Knows nothing of what there is to end.

use std::io;
use std::task::{Context, Poll};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Tells that a signal has come.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    #[cfg(unix)]
    signals: Vec<(u8, Signal)>,
}

impl Stop {
    /// From now on the first signal is told, and does not end the program. Within a runtime of tokio.
    #[cfg(unix)]
    pub(crate) fn on_signals() -> io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag;
        use std::sync::Arc;
        use std::sync::atomic::AtomicBool;

        let mut signals = Vec::new();
        let before = Arc::new(AtomicBool::new(false));
        for (kind, number) in [(SIGINT, 2), (SIGTERM, 15)] {
            // In this order: the first one finds the flag as it was.
            flag::register_conditional_shutdown(kind, 128 + kind, Arc::clone(&before))?;
            flag::register(kind, Arc::clone(&before))?;
            signals.push((number, signal(SignalKind::from_raw(kind))?));
        }
        Ok(Self { signals })
    }

    /// Elsewhere the system ends the program.
    #[cfg(not(unix))]
    pub(crate) fn on_signals() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// The number of a signal that has come.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<u8> {
        #[cfg(unix)]
        for (number, signal) in &mut self.signals {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(*number);
            }
        }
        let _ = context;
        Poll::Pending
    }
}
