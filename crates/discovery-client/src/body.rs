//! The body of a response, and the return of its connection to the pool.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use discovery_tokio::discovery_core::Route;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::runtime::Handle;

use crate::connect::BoxBody;
use crate::pool::{Lease, Pool};
use crate::{ClientError, ClientErrorKind, Endpoint};

/// The body of a response, as a stream.
///
/// It counts as one of the server's concurrent requests until it ends or is dropped. The connection can serve the next request as soon
/// as the body has been read to its end. A body that is dropped before closes an HTTP/1.1 connection and resets an HTTP/2 stream.
pub struct ResponseBody {
    incoming: Incoming,
    endpoint: Endpoint,
    /// After `incoming`, so that a slot is free once its connection is.
    connection: Option<InUse>,
}

/// The connection of a response.
pub(crate) struct InUse {
    /// What returns to the pool: an HTTP/1.1 connection that may be used again.
    pub(crate) returning: Option<Returning>,
    pub(crate) lease: Lease,
}

pub(crate) struct Returning {
    pub(crate) pool: Weak<Pool>,
    pub(crate) route: Arc<Route>,
    pub(crate) endpoint: Endpoint,
    pub(crate) sender: http1::SendRequest<BoxBody>,
}

impl Returning {
    fn put(self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.put(&self.route, self.endpoint, self.sender);
        }
    }
}

impl ResponseBody {
    pub(crate) fn new(incoming: Incoming, endpoint: Endpoint, connection: InUse) -> Self {
        Self { incoming, endpoint, connection: Some(connection) }
    }

    /// Returns the connection once it can take another request, which is right after the last byte of the body.
    fn poll_return(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(InUse { returning: Some(returning), .. }) = &mut self.connection {
            let is_usable = ready!(returning.sender.poll_ready(cx)).is_ok();
            if let Some(InUse { returning: Some(returning), lease }) = self.connection.take() {
                if is_usable {
                    returning.put();
                }
                drop(lease);
            }
        }
        self.connection = None;
        Poll::Ready(())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            None => {
                ready!(self.poll_return(cx));
                None
            }
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(why)) => {
                self.connection = None;
                Some(Err(ClientError::new(ClientErrorKind::Body, why).at(&self.endpoint)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// A response without a body is often dropped unread.
impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(InUse { returning: Some(mut returning), lease }) = self.connection.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                if returning.sender.ready().await.is_ok() {
                    returning.put();
                }
                drop(lease);
            });
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
