//! How the rest of a program asks a loop that owns the machine: by messages. Knows nothing of what the loop does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use discovery_core::{ErrorKind, Instant, Outcome, ResolveError, Resolver, ServerName};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// What is to be done with the machine.
pub(crate) type Change = dyn FnOnce(&mut Resolver, Instant) + Send;

/// What the loop is asked for.
pub(crate) enum Wish {
    Resolve(ServerName, oneshot::Sender<Outcome>),
    /// Somebody no longer waits.
    Left,
    /// Whatever else the machine is to be told or asked: its routes, its counters.
    Change(Box<Change>),
}

/// How the rest of the program asks: cheap to clone. The loop ends when the last one, and the last who waits, is gone.
#[derive(Clone)]
pub(crate) struct Asking {
    wishes: UnboundedSender<Wish>,
}

/// One outcome, some time; dropping it abandons the lookup.
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
        // Where the loop is gone `tell` is dropped here, and that is what whoever waits will see.
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
        // The loop went away in the middle: a failure of our own side, which says nothing about the world.
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
