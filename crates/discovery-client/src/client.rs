//! The client: resolves, takes or makes a connection, sends, and reports what became of it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use discovery_tokio::Discovery;
use discovery_tokio::discovery_core::{Feedback, Resolved, ServerName};
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tower_service::Service;

use crate::body::{InUse, Returning};
use crate::connect::{self, BoxBody, Connect, Connection, Connector, Sender, Stream};
use crate::pool::{Bounds, Lease, Pool, Taken};
use crate::spans::RequestSpan;
use crate::{ClientError, ClientErrorKind, Endpoint, PoolStats, ResponseBody, Reused};

/// The scheme of URIs that name a Matrix server: `matrix-federation://example.org/_matrix/federation/v1/version`.
pub const SCHEME: &str = "matrix-federation";

/// Decides from path, status and content type of a response whether a Matrix homeserver has sent it.
type Judge = Arc<dyn Fn(&str, StatusCode, Option<&str>) -> Option<Feedback> + Send + Sync>;

/// Sends HTTP requests to Matrix servers by server name. Cheap to clone: all clones share one pool.
///
/// Connections that serve a request when the last clone is dropped end with the response; all others end at once.
#[derive(Clone)]
pub struct FederationClient {
    shared: Arc<Shared>,
}

struct Shared {
    discovery: Discovery,
    pool: Arc<Pool>,
    connector: Connector,
    response_timeout: Duration,
    max_redirects: u8,
    judge: Judge,
}

/// Configures a [`FederationClient`].
#[must_use]
pub struct Builder {
    discovery: Discovery,
    tls: Option<Arc<ClientConfig>>,
    connect: Connect,
    connect_timeout: Duration,
    tls_timeout: Duration,
    response_timeout: Duration,
    bounds: Bounds,
    max_redirects: u8,
    uses_http2: bool,
    judge: Judge,
}

impl FederationClient {
    /// A client that resolves with the operating system's name servers and trusts its certificate authorities.
    ///
    /// # Errors
    /// Outside a tokio runtime; when there are no certificate authorities; when the system gives no randomness.
    #[cfg(any(feature = "native-roots", feature = "platform-verifier", feature = "webpki-roots"))]
    pub fn new() -> Result<Self, discovery_tokio::BuildError> {
        Ok(Self::builder(discovery_tokio::with_system_roots()?).build())
    }

    /// Begins to configure a client that resolves by this discovery and trusts the same certificate authorities.
    pub fn builder(discovery: Discovery) -> Builder {
        Builder {
            discovery,
            tls: None,
            connect: Arc::new(connect::tcp),
            connect_timeout: Duration::from_secs(10),
            tls_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(60),
            bounds: Bounds {
                max_idle: 1000,
                max_idle_per_route: 8,
                idle_timeout: Duration::from_secs(60),
                max_requests_per_route: 32,
            },
            max_redirects: 0,
            uses_http2: true,
            judge: Arc::new(judge),
        }
    }

    /// Sends a GET request for a path, such as `/_matrix/federation/v1/version`.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn get(
        &self,
        name: &ServerName,
        path: &str,
    ) -> Result<Response<ResponseBody>, ClientError> {
        let path = PathAndQuery::try_from(path)
            .map_err(|why| ClientError::new(ClientErrorKind::Request, why).of(name))?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = Uri::from(path);
        self.request(name, request).await
    }

    /// Sends a request to a server. Scheme and authority of its URI and its `Host` header are replaced by those that the resolution of
    /// the name gives.
    ///
    /// The response is returned whatever its status, once its head is there. Its extensions hold the [`Endpoint`], the
    /// [`Arc<Resolved>`](Resolved) and whether the connection was [`Reused`].
    ///
    /// Nothing is ever sent twice: another endpoint is tried only as long as no byte of the request was written.
    ///
    /// # Errors
    /// An error carries the phase that failed, the endpoint, the cause, and whether the request can be sent again safely.
    pub async fn request<B>(
        &self,
        name: &ServerName,
        request: Request<B>,
    ) -> Result<Response<ResponseBody>, ClientError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let span = RequestSpan::new(name, request.uri().path());
        let sent = span.follow(self.redirected(name, request.map(boxed))).await;
        span.end(&sent);
        sent.map_err(|error| error.of(name))
    }

    /// Numbers about the pool.
    pub fn pool_stats(&self) -> PoolStats {
        self.shared.pool.stats()
    }

    /// The discovery that names are resolved by.
    pub fn discovery(&self) -> &Discovery {
        &self.shared.discovery
    }

    /// Sends, and follows as many redirects within the route as the client was configured to.
    async fn redirected(
        &self,
        name: &ServerName,
        mut request: Request<BoxBody>,
    ) -> Result<Response<ResponseBody>, ClientError> {
        let can_follow = matches!(*request.method(), Method::GET | Method::HEAD);
        for _ in 0..if can_follow { self.shared.max_redirects } else { 0 } {
            let mut again = Request::new(boxed(Empty::new()));
            *again.method_mut() = request.method().clone();
            *again.headers_mut() = request.headers().clone();
            let response = self.routed(name, request).await?;
            match location(&response) {
                Some(path) => *again.uri_mut() = Uri::from(path),
                None => return Ok(response),
            }
            request = again;
        }
        self.routed(name, request).await
    }

    async fn routed(
        &self,
        name: &ServerName,
        mut request: Request<BoxBody>,
    ) -> Result<Response<ResponseBody>, ClientError> {
        let shared = &*self.shared;
        let resolved = shared.discovery.resolve(name).await.map_err(|why| {
            let is_temporary = why.is_temporary();
            ClientError::new(ClientErrorKind::Resolve, why).retryable(is_temporary)
        })?;
        if Handle::try_current().is_err() {
            return Err(ClientError::new(ClientErrorKind::Local, "outside a tokio runtime"));
        }
        let path = request.uri().path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let route = resolved.route();
        let mut lease = shared.pool.enter(name, route).await;
        loop {
            let (connection, is_reused) = self.connection(name, &resolved, &mut lease).await?;
            let Connection { endpoint, sender } = connection;
            let (sent, sender) = match sender {
                Sender::Http1(mut sender) => {
                    address(&mut request, &resolved, &path, false)?;
                    let sending = sender.try_send_request(request);
                    (timeout(shared.response_timeout, sending).await, Some(sender))
                }
                Sender::Http2(mut sender) => {
                    address(&mut request, &resolved, &path, true)?;
                    let sending = sender.try_send_request(request);
                    (timeout(shared.response_timeout, sending).await, None)
                }
            };
            let response = match sent {
                Ok(Ok(response)) => response,
                Ok(Err(mut failed)) => match failed.take_message() {
                    // A server may close a connection at any time: nothing was written, so the request goes to another one.
                    Some(unsent) if is_reused => {
                        request = unsent;
                        continue;
                    }
                    unsent => {
                        let error = ClientError::new(ClientErrorKind::Http, failed.into_error());
                        return Err(error.retryable(unsent.is_some()).at(&endpoint));
                    }
                },
                Err(late) => {
                    return Err(ClientError::new(ClientErrorKind::Timeout, late).at(&endpoint));
                }
            };
            let feedback = self.feedback(name, &path, &response, &endpoint, is_reused);
            let is_kept = feedback != Some(Feedback::Misdirected);
            if !is_kept {
                shared.pool.evict(route);
            }
            let returning = sender.filter(|_| is_kept).map(|sender| Returning {
                pool: Arc::downgrade(&shared.pool),
                route: Arc::clone(route),
                endpoint: endpoint.clone(),
                sender,
            });
            let connection = InUse { returning, lease };
            let (mut head, incoming) = response.into_parts();
            head.extensions.insert(endpoint.clone());
            head.extensions.insert(Arc::clone(&resolved));
            head.extensions.insert(Reused(is_reused));
            return Ok(Response::from_parts(
                head,
                ResponseBody::new(incoming, endpoint, connection),
            ));
        }
    }

    /// A connection to the route, and whether it has served another request.
    async fn connection(
        &self,
        name: &ServerName,
        resolved: &Arc<Resolved>,
        lease: &mut Lease,
    ) -> Result<(Connection, bool), ClientError> {
        let (shared, route) = (&*self.shared, resolved.route());
        if let Some(taken) = shared.pool.take(route) {
            return Ok((lease.hold(taken), true));
        }
        let dialing = shared.pool.dialing(route);
        let _only_one = match &dialing {
            Some(dialing) => Some(dialing.lock().await),
            None => None,
        };
        if dialing.is_some()
            && let Some(taken) = shared.pool.take(route)
        {
            return Ok((lease.hold(taken), true));
        }
        let report = |endpoint: &Endpoint, feedback| self.report(name, endpoint, feedback);
        let connection = shared.connector.open(resolved, report).await?;
        shared.pool.opened(route, matches!(connection.sender, Sender::Http1(_)));
        if let Sender::Http2(sender) = &connection.sender {
            lease.user = Some(shared.pool.share(route, &connection.endpoint, sender));
        }
        Ok((connection, false))
    }

    /// Reports what a response says of its endpoint.
    fn feedback(
        &self,
        name: &ServerName,
        path: &PathAndQuery,
        response: &Response<Incoming>,
        endpoint: &Endpoint,
        is_reused: bool,
    ) -> Option<Feedback> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let judged = (self.shared.judge)(path.path(), response.status(), content_type);
        // That an endpoint works is worth a report once for each connection.
        let feedback = judged.or((!is_reused).then_some(Feedback::Connected));
        if let Some(feedback) = feedback {
            self.report(name, endpoint, feedback);
        }
        judged
    }

    fn report(&self, name: &ServerName, endpoint: &Endpoint, feedback: Feedback) {
        if let Some(address) = endpoint.address {
            let _ = self.shared.discovery.report(name, address, feedback);
        }
    }
}

impl Lease {
    /// A connection out of the pool; the use of a shared one is counted with the request.
    fn hold(&mut self, taken: Taken) -> Connection {
        match taken {
            Taken::Http1(endpoint, sender) => {
                Connection { endpoint, sender: Sender::Http1(sender) }
            }
            Taken::Http2(endpoint, sender, user) => {
                self.user = Some(user);
                Connection { endpoint, sender: Sender::Http2(sender) }
            }
        }
    }
}

/// Requests with URIs of the scheme `matrix-federation`, whose authority is the server name.
impl<B> Service<Request<B>> for FederationClient
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<ResponseBody>;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = self.clone();
        Box::pin(async move {
            let name = server_name(request.uri())?;
            client.request(&name, request).await
        })
    }
}

/// The server that a URI names.
fn server_name(uri: &Uri) -> Result<ServerName, ClientError> {
    let invalid = |why: String| ClientError::new(ClientErrorKind::Request, why);
    if uri.scheme_str() != Some(SCHEME) {
        return Err(invalid(format!("the URI must begin with {SCHEME}://")));
    }
    let authority = uri.authority().map_or("", Authority::as_str);
    ServerName::parse(authority).map_err(|why| ClientError::new(ClientErrorKind::Request, why))
}

/// Gives a request the target form and the host that the protocol and the route want.
fn address(
    request: &mut Request<BoxBody>,
    resolved: &Resolved,
    path: &PathAndQuery,
    is_http2: bool,
) -> Result<(), ClientError> {
    if is_http2 {
        let mut parts = http::uri::Parts::default();
        let authority = Authority::try_from(resolved.host_header.as_bytes());
        let invalid = |why: http::Error| ClientError::new(ClientErrorKind::Request, why);
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(authority.map_err(|why| invalid(why.into()))?);
        parts.path_and_query = Some(path.clone());
        *request.uri_mut() = Uri::from_parts(parts).map_err(|why| invalid(why.into()))?;
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().remove(HOST);
    } else {
        *request.uri_mut() = Uri::from(path.clone());
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().insert(HOST, resolved.host_header.clone());
    }
    Ok(())
}

/// Where a redirect leads, if it stays at the same server.
fn location(response: &Response<ResponseBody>) -> Option<PathAndQuery> {
    let status = response.status();
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let resolved = response.extensions().get::<Arc<Resolved>>()?;
    let to: Uri = response.headers().get(LOCATION)?.as_bytes().try_into().ok()?;
    let stays = match (to.scheme(), to.authority()) {
        (None, None) => true,
        (Some(scheme), Some(authority)) => {
            *scheme == Scheme::HTTPS && resolved.host_header == *authority.as_str()
        }
        _ => false,
    };
    let is_path = |path: &&PathAndQuery| {
        // A path that begins with two slashes would be an authority.
        path.path().starts_with('/') && !path.path().starts_with("//")
    };
    to.path_and_query().filter(|path| stays && is_path(path)).cloned()
}

/// Whether a response comes from another server than the one that was looked for. The default of [`Builder::judge`].
///
/// Status 421 means [`Misdirected`](Feedback::Misdirected). An HTML page for a path below `/_matrix/`, unless it is an error of a proxy
/// in front of the server (a status of 500 or above), means [`NotMatrix`](Feedback::NotMatrix).
pub fn judge(path: &str, status: StatusCode, content_type: Option<&str>) -> Option<Feedback> {
    if status == StatusCode::MISDIRECTED_REQUEST {
        return Some(Feedback::Misdirected);
    }
    let is_html = content_type
        .and_then(|it| it.get(.."text/html".len()))
        .is_some_and(|it| it.eq_ignore_ascii_case("text/html"));
    let is_matrix = path.starts_with("/_matrix/") && !status.is_server_error();
    (is_html && is_matrix && !status.is_redirection()).then_some(Feedback::NotMatrix)
}

fn boxed<B>(body: B) -> BoxBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    body.map_err(Into::into).boxed_unsync()
}

impl Builder {
    /// The TLS configuration of connections to homeservers; its ALPN protocols are set by the client. Default: that of the discovery.
    pub fn tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Opens the byte streams to endpoints: for proxies, and for tests. Default: TCP connections.
    ///
    /// With the policy's
    /// [`resolve_hosts_only`](discovery_tokio::discovery_core::AddressPolicy::resolve_hosts_only) an endpoint has a host and a port alone,
    /// for proxies that resolve names.
    pub fn connect<F, T>(mut self, connect: impl Fn(Endpoint) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<T>> + Send + 'static,
        T: Stream,
    {
        self.connect = Arc::new(move |endpoint| {
            let opening = connect(endpoint);
            Box::pin(async move { Ok(Box::new(opening.await?) as Box<dyn Stream>) })
        });
        self
    }

    /// The longest time until a connection is open. Default: 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The longest time for a TLS handshake. Default: 10 s.
    pub fn tls_timeout(mut self, limit: Duration) -> Self {
        self.tls_timeout = limit;
        self
    }

    /// The longest time from sending a request to the head of its response. Default: 60 s.
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.response_timeout = limit;
        self
    }

    /// How long an unused connection is kept. Default: 60 s.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.bounds.idle_timeout = limit;
        self
    }

    /// Most unused HTTP/1.1 connections, in all and to one route. Default: 1,000 and 8.
    pub fn max_idle(mut self, in_all: usize, per_route: usize) -> Self {
        (self.bounds.max_idle, self.bounds.max_idle_per_route) = (in_all, per_route);
        self
    }

    /// Most concurrent requests to one route; further ones wait. It also bounds the connections to it. Default: 32; 0 counts as 1.
    pub fn max_requests_per_route(mut self, limit: usize) -> Self {
        self.bounds.max_requests_per_route = limit;
        self
    }

    /// Most redirects followed for one GET or HEAD request, within its route only. Default: 0; the federation API has none.
    pub fn max_redirects(mut self, limit: u8) -> Self {
        self.max_redirects = limit;
        self
    }

    /// Whether HTTP/2 is offered. Default: true.
    pub fn http2(mut self, is_offered: bool) -> Self {
        self.uses_http2 = is_offered;
        self
    }

    /// Decides from path, status and content type of each response whether the wrong server has sent it. Default: [`judge`].
    pub fn judge(
        mut self,
        judge: impl Fn(&str, StatusCode, Option<&str>) -> Option<Feedback> + Send + Sync + 'static,
    ) -> Self {
        self.judge = Arc::new(judge);
        self
    }

    /// The client.
    pub fn build(self) -> FederationClient {
        let mut tls = ClientConfig::clone(&self.tls.unwrap_or_else(|| self.discovery.tls()));
        let protocols: &[&[u8]] =
            if self.uses_http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let connector = Connector {
            connect: self.connect,
            tls: Arc::new(tls),
            attempt_delay: self.discovery.policy().addresses.connection_attempt_delay,
            connect_timeout: self.connect_timeout,
            tls_timeout: self.tls_timeout,
        };
        let shared = Shared {
            discovery: self.discovery,
            pool: Pool::new(self.bounds),
            connector,
            response_timeout: self.response_timeout,
            max_redirects: self.max_redirects,
            judge: self.judge,
        };
        FederationClient { shared: Arc::new(shared) }
    }
}

impl fmt::Debug for FederationClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FederationClient").field("pool", &self.pool_stats()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
