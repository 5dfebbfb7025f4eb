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
pub(crate) enum Wish {
    Resolve(ServerName, oneshot::Sender<Outcome>),
    /// A lookup was dropped.
    Left,
    /// Any other operation on the machine, such as setting routes or reading counters.
    Change(Box<Change>),
}

/// The handle of the rest of the program, which is cheap to clone. The loop ends when the last handle and the last lookup
/// are dropped.
#[derive(Clone)]
pub(crate) struct Asking {
    wishes: UnboundedSender<Wish>,
}

/// A future outcome. Dropping it abandons the lookup.
pub(crate) struct Resolving {
    told: oneshot::Receiver<Outcome>,
    wishes: UnboundedSender<Wish>,
}

impl Asking {
    pub(crate) fn new() -> (Self, UnboundedReceiver<Wish>) {
        let (wishes, received) = unbounded_channel();
        (Self { wishes }, received)
    }

    pub(crate) fn resolve(&self, name: &ServerName) -> Resolving {
        let (tell, told) = oneshot::channel();
        // If the loop has ended, `tell` is dropped here, which ends the lookup.
        let _ = self.wishes.send(Wish::Resolve(name.clone(), tell));
        Resolving { told, wishes: self.wishes.clone() }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Resolver, Instant) + Send + 'static) {
        let _ = self.wishes.send(Wish::Change(Box::new(change)));
    }
}

impl Future for Resolving {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        // The loop has ended: a local failure.
        let gone = |_| Err(Arc::new(ResolveError::bare(ErrorKind::Local)));
        Pin::new(&mut self.told).poll(cx).map(|told| told.unwrap_or_else(gone))
    }
}

impl Drop for Resolving {
    fn drop(&mut self) {
        if !self.told.is_terminated() {
            self.told.close();
            let _ = self.wishes.send(Wish::Left);
        }
    }
}
