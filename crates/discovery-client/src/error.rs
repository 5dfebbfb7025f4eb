//! Errors: the phase that failed, the endpoint, and whether the request may be sent again.

use std::error::Error;
use std::fmt;

use discovery_tokio::discovery_core::ServerName;

use crate::Endpoint;

type Source = Box<dyn Error + Send + Sync>;

/// Why a request has no response.
///
/// Its [`source`](Error::source) is the error below: a [`ResolveError`](discovery_tokio::discovery_core::ResolveError), an I/O error, or
/// one of hyper.
pub struct ClientError(Box<Parts>);

struct Parts {
    kind: ClientErrorKind,
    server_name: Option<ServerName>,
    endpoint: Option<Endpoint>,
    is_retryable: bool,
    source: Source,
}

/// The phase of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The request cannot be sent to any server: its URI has no server name or an invalid one.
    Request,
    /// The server name could not be resolved.
    Resolve,
    /// No endpoint accepted a connection.
    Connect,
    /// The TLS handshake failed, for instance because the certificate is not valid for the name.
    Tls,
    /// The connection broke, or the response is not valid HTTP.
    Http,
    /// The connection, the TLS handshake or the response head took longer than the limit.
    Timeout,
    /// The response body broke off.
    Body,
    /// The client itself could not go on: outside a tokio runtime, or the runtime is shutting down.
    Local,
}

impl ClientErrorKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Request => "invalid request",
            Self::Resolve => "the server name cannot be resolved",
            Self::Connect => "connection failed",
            Self::Tls => "TLS failed",
            Self::Http => "no valid response",
            Self::Timeout => "timed out",
            Self::Body => "response body broke off",
            Self::Local => "the client cannot run",
        }
    }
}

impl ClientError {
    pub(crate) fn new(kind: ClientErrorKind, source: impl Into<Source>) -> Self {
        let is_retryable = matches!(kind, ClientErrorKind::Connect | ClientErrorKind::Tls);
        Self(Box::new(Parts {
            kind,
            server_name: None,
            endpoint: None,
            is_retryable,
            source: source.into(),
        }))
    }

    pub(crate) fn retryable(mut self, is_retryable: bool) -> Self {
        self.0.is_retryable = is_retryable;
        self
    }

    pub(crate) fn at(mut self, endpoint: &Endpoint) -> Self {
        self.0.endpoint.get_or_insert_with(|| endpoint.clone());
        self
    }

    pub(crate) fn of(mut self, name: &ServerName) -> Self {
        self.0.server_name.get_or_insert_with(|| name.clone());
        self
    }

    /// The phase that failed.
    pub fn kind(&self) -> ClientErrorKind {
        self.0.kind
    }

    /// The server that the request was for, if that was known.
    pub fn server_name(&self) -> Option<&ServerName> {
        self.0.server_name.as_ref()
    }

    /// The endpoint that failed; of several, the last.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.endpoint.as_ref()
    }

    /// Whether the same request can be sent again without the risk that a server handles it twice, and may then succeed: nothing of it
    /// was written, and the failure is temporary.
    pub fn is_retryable(&self) -> bool {
        self.0.is_retryable
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, server_name, endpoint, source, .. } = &*self.0;
        if let Some(name) = server_name {
            write!(f, "{name}: ")?;
        }
        f.write_str(kind.as_str())?;
        if let Some(endpoint) = endpoint {
            write!(f, " at {endpoint}")?;
        }
        write!(f, ": {source}")
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientError({:?}: {self})", self.0.kind)
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0.source)
    }
}
