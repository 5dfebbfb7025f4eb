//! From a result to an open connection: addresses race (RFC 8305), then the next SRV target.
//!
//! An attempt goes on to the end of the TLS handshake, so that an address that accepts connections and then is silent holds up nobody.
//! The next target begins when all addresses of the one before have failed: priorities of SRV records are an order, not a race.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use discovery_tokio::discovery_core::{Feedback, HttpError, Resolved};
use discovery_tokio::discovery_wire::{is_from_network, tls_error};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName as TlsServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{ClientError, ClientErrorKind, Endpoint};

/// A request body of any kind.
pub(crate) type BoxBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A byte stream to an endpoint: a TCP connection, or what a proxy makes of one.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// Opens byte streams to endpoints.
pub(crate) type Connect = Arc<dyn Fn(Endpoint) -> Opening + Send + Sync>;

/// An open connection.
pub(crate) struct Connection {
    pub(crate) endpoint: Endpoint,
    pub(crate) sender: Sender,
}

pub(crate) enum Sender {
    Http1(http1::SendRequest<BoxBody>),
    Http2(http2::SendRequest<BoxBody>),
}

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) connect: Connect,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) attempt_delay: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) tls_timeout: Duration,
}

/// Why an attempt failed, and what that says of its endpoint.
struct Failed {
    error: ClientError,
    feedback: Option<Feedback>,
}

impl Connector {
    /// A connection to the first endpoint that is up. Failures are reported as they come.
    pub(crate) async fn open(
        &self,
        resolved: &Resolved,
        report: impl Fn(&Endpoint, Feedback),
    ) -> Result<Connection, ClientError> {
        let name = TlsServerName::try_from(&resolved.tls_name)
            .map_err(|why| ClientError::new(ClientErrorKind::Tls, why).retryable(false))?;
        let mut last = None;
        for target in &resolved.targets {
            match self.race(Endpoint::all(target), &name, &report).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error.or(last),
            }
        }
        Err(last.unwrap_or_else(|| ClientError::new(ClientErrorKind::Connect, "no address")))
    }

    async fn race(
        &self,
        endpoints: Vec<Endpoint>,
        name: &TlsServerName<'static>,
        report: &impl Fn(&Endpoint, Feedback),
    ) -> Result<Connection, Option<ClientError>> {
        let mut left = endpoints.into_iter();
        // Dropped with the request: attempts that lose, or that nobody waits for, are aborted.
        let mut attempts = JoinSet::new();
        let mut last = None;
        loop {
            let next = left.next();
            let is_last = next.is_none();
            if let Some(endpoint) = next {
                attempts.spawn(self.clone().attempt(endpoint, name.clone()));
            }
            let ended = if is_last {
                attempts.join_next().await
            } else {
                match timeout(self.attempt_delay, attempts.join_next()).await {
                    Ok(ended) => ended,
                    // The delay is over: one more address.
                    Err(_) => continue,
                }
            };
            match ended {
                None => return Err(last),
                Some(Ok(Ok(connection))) => return Ok(connection),
                Some(Ok(Err(Failed { error, feedback }))) => {
                    if let (Some(feedback), Some(endpoint)) = (feedback, error.endpoint()) {
                        report(endpoint, feedback);
                    }
                    last = Some(error);
                }
                // The runtime is shutting down.
                Some(Err(why)) => last = Some(ClientError::new(ClientErrorKind::Local, why)),
            }
        }
    }

    async fn attempt(
        self,
        endpoint: Endpoint,
        name: TlsServerName<'static>,
    ) -> Result<Connection, Failed> {
        let failed = |kind, source: Box<dyn std::error::Error + Send + Sync>, feedback| Failed {
            error: ClientError::new(kind, source).retryable(true).at(&endpoint),
            feedback,
        };
        let stream = match timeout(self.connect_timeout, (self.connect)(endpoint.clone())).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(why)) => {
                let feedback = is_remote(&why, &endpoint).then_some(Feedback::ConnectFailed);
                return Err(failed(ClientErrorKind::Connect, why.into(), feedback));
            }
            Err(late) => {
                let feedback = Some(Feedback::ConnectFailed);
                return Err(failed(ClientErrorKind::Timeout, late.into(), feedback));
            }
        };
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
        let tls = match timeout(self.tls_timeout, handshake).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(why)) => {
                // A wrong clock of this machine is no fault of the endpoint.
                let is_local = why
                    .get_ref()
                    .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                    .is_some_and(|error| tls_error(error) == HttpError::WrongClock);
                let feedback = (!is_local).then_some(Feedback::TlsFailed);
                return Err(failed(ClientErrorKind::Tls, why.into(), feedback));
            }
            Err(late) => {
                let feedback = Some(Feedback::ConnectFailed);
                return Err(failed(ClientErrorKind::Timeout, late.into(), feedback));
            }
        };
        let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let sender = if is_http2 {
            let opened = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .handshake(TokioIo::new(tls))
                .await;
            opened.map(|(sender, connection)| {
                tokio::spawn(connection);
                Sender::Http2(sender)
            })
        } else {
            http1::handshake(TokioIo::new(tls)).await.map(|(sender, connection)| {
                tokio::spawn(connection);
                Sender::Http1(sender)
            })
        };
        match sender {
            Ok(sender) => Ok(Connection { endpoint, sender }),
            Err(why) => Err(failed(ClientErrorKind::Http, why.into(), None)),
        }
    }
}

/// Whether an error says something about the endpoint, and not about this machine: no route, no file descriptor.
fn is_remote(error: &io::Error, endpoint: &Endpoint) -> bool {
    let refused = [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset];
    refused.contains(&error.kind())
        || error.kind() == io::ErrorKind::TimedOut
        || endpoint.address.is_some_and(|address| is_from_network(error, address))
}

/// Opens a TCP connection.
pub(crate) fn tcp(endpoint: Endpoint) -> Opening {
    Box::pin(async move {
        let address = endpoint.address.ok_or_else(|| {
            io::Error::other("a host without addresses needs a proxy that resolves names")
        })?;
        let stream = TcpStream::connect(address).await?;
        let _ = stream.set_nodelay(true);
        Ok(Box::new(stream) as Box<dyn Stream>)
    })
}
