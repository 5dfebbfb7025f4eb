//! Messages from the rest of a program to a loop that owns the machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use discovery_core::{ErrorKind, Instant, Outcome, ResolveError, Resolver, ServerName};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// Operations on the machine.
pub(crate) type Change = dyn FnOnce(&mut Resolver, Instant) + Send;

/// A message to the loop.
pub(crate) enum Message {
    Resolve(ServerName, oneshot::Sender<Outcome>),
    /// A lookup was dropped.
    Dropped,
    /// Any other operation on the machine, such as settings routes or reading counters.
    Change(Box<Change>),
}

/// The handle of the rest of the program, which is cheap to clone. The loop ends when the last handle and the last lookup
/// are dropped.
#[derive(Clone)]
pub(crate) struct Handle {
    messages: UnboundedSender<Message>,
}

/// A future outcome. Dropping it abandons the lookup.
pub(crate) struct Lookup {
    outcome: oneshot::Receiver<Outcome>,
    messages: UnboundedSender<Message>,
}

impl Handle {
    pub(crate) fn new() -> (Self, UnboundedReceiver<Message>) {
        let (messages, received) = unbounded_channel();
        (Self { messages }, received)
    }

    pub(crate) fn resolve(&self, name: &ServerName) -> Lookup {
        let (sender, outcome) = oneshot::channel();
        // If the loop has ended, `sender` is dropped here, which ends the lookup.
        let _ = self.messages.send(Message::Resolve(name.clone(), sender));
        Lookup { outcome, messages: self.messages.clone() }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Resolver, Instant) + Send + 'static) {
        let _ = self.messages.send(Message::Change(Box::new(change)));
    }
}

impl Future for Lookup {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        // The loop has ended: a local failure.
        let gone = |_| Err(Arc::new(ResolveError::bare(ErrorKind::Local)));
        Pin::new(&mut self.outcome).poll(cx).map(|outcome| outcome.unwrap_or_else(gone))
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if !self.outcome.is_terminated() {
            self.outcome.close();
            let _ = self.messages.send(Message::Dropped);
        }
    }
}
