//! Tries one address: TCP, TLS, and at most two requests.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::timeout;

use discovery_core::TlsName;

use crate::keys::Keys;
use crate::tls::{self, Tls, TlsFailure, TlsProbe};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a handshake or a request may take.
const REQUEST: Duration = Duration::from_secs(5);
/// Largest body of a document, in bytes.
const MAX_DOCUMENT: usize = 50 * 1024;
/// Largest body of other answers, in bytes.
const MAX_BODY: usize = 256 * 1024;
/// Longest value of a header or of a member that is kept, in characters.
const MAX_TEXT: usize = 300;
/// What servers see in their logs.
const AGENT: &str = concat!(
    "matrix-discovery/",
    env!("CARGO_PKG_VERSION"),
    " (+",
    env!("CARGO_PKG_REPOSITORY"),
    ")"
);

/// How a TCP connection went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tcp {
    /// It was accepted.
    Connected,
    /// It was refused.
    Refused,
    /// Nothing came in time.
    Timeout,
    /// A router or firewall says that there is no way.
    Unreachable,
    /// This machine has no route to the address: nothing was tried.
    NoRoute,
    /// This machine could not try.
    Local,
}

/// An HTTP answer, without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// How long it took in milliseconds.
    pub took_ms: u64,
    /// The length of the body in bytes.
    pub bytes: usize,
}

/// Why there was no HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HttpFailure {
    /// Nothing came in time.
    Timeout,
    /// The body is longer than is read.
    TooLarge,
    /// The connection broke, or what came is not HTTP.
    Broken {
        /// The reason.
        message: String,
    },
}

/// The document at one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DocumentProbe {
    /// The address.
    pub address: SocketAddr,
    /// How the connection went.
    pub tcp: Tcp,
    /// How the TLS handshake went; None: there was none.
    pub tls: Option<TlsProbe>,
    /// The answer; None: there was none.
    pub answer: Option<Answer>,
    /// Why there was no answer.
    pub error: Option<HttpFailure>,
    /// The value of `m.server`, if the body is a JSON object that has one.
    pub m_server: Option<String>,
    /// What the body looks like.
    pub body: Option<Body>,
}

/// What a body looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Body {
    /// An object with `m.server`.
    Document,
    /// The document for clients, with `m.homeserver`.
    ClientDocument,
    /// JSON of another kind.
    Json,
    /// A web page.
    Html,
    /// Anything else.
    Other,
}

/// A homeserver at one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetProbe {
    /// The address.
    pub address: SocketAddr,
    /// The host that has the address.
    pub host: String,
    /// How the connection went.
    pub tcp: Tcp,
    /// How long the connection took in milliseconds.
    pub tcp_ms: u64,
    /// How the TLS handshake went; None: there was none.
    pub tls: Option<TlsProbe>,
    /// The answer with the keys.
    pub keys_answer: Option<Answer>,
    /// Why there was no such answer.
    pub keys_error: Option<HttpFailure>,
    /// What the body of that answer looks like.
    pub keys_body: Option<Body>,
    /// The keys.
    pub keys: Option<Keys>,
    /// Why the body could not be read as keys.
    pub keys_unreadable: Option<String>,
    /// The answer with the version of the software.
    pub version_answer: Option<Answer>,
    /// The software.
    pub software: Option<Software>,
    /// Another value of `Host` with which the server answers, tried where the right one got no keys.
    pub other_host: Option<String>,
    /// By how many seconds the server's clock is ahead of ours; negative: behind.
    pub clock_offset_s: Option<i64>,
}

/// A homeserver's software, as it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Software {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Where to connect, and for whom.
pub(crate) struct Place<'a> {
    /// The address as DNS says.
    pub(crate) address: SocketAddr,
    /// Where to connect instead.
    pub(crate) real: SocketAddr,
    /// What the certificate must be valid for.
    pub(crate) tls_name: &'a TlsName,
    /// The value of `Host`.
    pub(crate) host: &'a str,
}

impl TargetProbe {
    /// A homeserver of which nothing is known.
    pub(crate) fn silent(address: SocketAddr, host: String) -> Self {
        Self {
            address,
            host,
            tcp: Tcp::Timeout,
            tcp_ms: 0,
            tls: None,
            keys_answer: None,
            keys_error: None,
            keys_body: None,
            keys: None,
            keys_unreadable: None,
            version_answer: None,
            software: None,
            other_host: None,
            clock_offset_s: None,
        }
    }
}

type Sender = SendRequest<Empty<Bytes>>;

/// A connection, as far as it came.
struct Opened {
    tcp: Tcp,
    tcp_ms: u64,
    tls: Option<TlsProbe>,
    sender: Option<Sender>,
}

impl Tls {
    async fn open(&self, place: &Place<'_>) -> Opened {
        let begun = Instant::now();
        let connected = timeout(CONNECT, TcpStream::connect(place.real)).await;
        let tcp_ms = millis(begun);
        let stop = |tcp, tls| Opened { tcp, tcp_ms, tls, sender: None };
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return stop(connect_error(error.kind()), None),
            Err(_) => return stop(Tcp::Timeout, None),
        };
        let _ = stream.set_nodelay(true);
        let Ok(name) = place.tls_name.try_into() else {
            return stop(Tcp::Connected, Some(tls::failed(TlsFailure::NotTls)));
        };
        let Ok((stream, probe)) = timeout(REQUEST, self.connect(stream, name)).await else {
            return stop(Tcp::Connected, Some(tls::failed(TlsFailure::Timeout)));
        };
        let sender = match stream {
            Some(stream) => match handshake(TokioIo::new(stream)).await {
                Ok((sender, connection)) => {
                    // It ends when the sender is dropped.
                    tokio::spawn(async move { drop(connection.await) });
                    Some(sender)
                }
                Err(_) => None,
            },
            None => None,
        };
        Opened { tcp: Tcp::Connected, tcp_ms, tls: Some(probe), sender }
    }

    /// Fetches the document from one address.
    pub(crate) async fn document(&self, place: Place<'_>) -> DocumentProbe {
        let opened = self.open(&place).await;
        let mut probe = DocumentProbe {
            address: place.address,
            tcp: opened.tcp,
            tls: opened.tls,
            answer: None,
            error: None,
            m_server: None,
            body: None,
        };
        let Some(mut sender) = opened.sender else { return probe };
        match get(&mut sender, "/.well-known/matrix/server", place.host, MAX_DOCUMENT).await {
            Ok((answer, _, body)) => {
                let kind = Body::of(&body);
                if answer.status == 200 {
                    probe.m_server = member(&body, "m.server");
                    probe.body = Some(kind);
                }
                probe.answer = Some(answer);
            }
            Err(error) => probe.error = Some(error),
        }
        probe
    }

    /// Asks a homeserver at one address for its keys and its version. If there are no keys, the second request tries
    /// `other_hosts` instead.
    pub(crate) async fn target(
        &self,
        place: Place<'_>,
        host: String,
        other_host: Option<&str>,
    ) -> TargetProbe {
        let opened = self.open(&place).await;
        let mut probe = TargetProbe {
            tcp: opened.tcp,
            tcp_ms: opened.tcp_ms,
            tls: opened.tls,
            ..TargetProbe::silent(place.address, host)
        };
        let Some(mut sender) = opened.sender else { return probe };
        const KEYS: &str = "/_matrix/key/v2/server";
        match get(&mut sender, KEYS, place.host, MAX_BODY).await {
            Ok((answer, headers, body)) => {
                probe.clock_offset_s = clock_offset(&headers);
                probe.keys_body = Some(Body::of(&body));
                if answer.status == 200 {
                    match Keys::read(&body) {
                        Ok(keys) => probe.keys = Some(keys),
                        Err(why) => probe.keys_unreadable = Some(cut(&why)),
                    }
                }
                probe.keys_answer = Some(answer);
            }
            Err(error) => {
                probe.keys_error = Some(error);
                return probe;
            }
        }
        // The server may have closed the connection behind its answer.
        if sender.ready().await.is_err() {
            match self.open(&place).await.sender {
                Some(new) => sender = new,
                None => return probe,
            }
        }
        match (probe.keys.is_some(), other_host) {
            (false, Some(other)) => {
                let answered = get(&mut sender, KEYS, other, MAX_BODY).await;
                let works = answered.is_ok_and(|(answer, _, body)| {
                    answer.status == 200
                        && Keys::read(&body).is_ok_and(|keys| keys.server_name.is_some())
                });
                probe.other_host = works.then(|| other.to_owned());
            }
            _ => {
                let path = "/_matrix/federation/v1/version";
                if let Ok((answer, _, body)) = get(&mut sender, path, place.host, MAX_BODY).await {
                    probe.software = (answer.status == 200).then(|| software(&body)).flatten();
                    probe.version_answer = Some(answer);
                }
            }
        }
        probe
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn connect_error(kind: ErrorKind) -> Tcp {
    match kind {
        ErrorKind::ConnectionRefused => Tcp::Refused,
        ErrorKind::TimedOut => Tcp::Timeout,
        ErrorKind::HostUnreachable | ErrorKind::ConnectionReset => Tcp::Unreachable,
        ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => Tcp::NoRoute,
        _ => Tcp::Local,
    }
}

async fn get(
    sender: &mut Sender,
    path: &str,
    host: &str,
    max_body: usize,
) -> Result<(Answer, HeaderMap, Bytes), HttpFailure> {
    let begun = Instant::now();
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .body(Empty::new())
        .map_err(|error| HttpFailure::Broken { message: error.to_string() })?;
    let broken = |error: hyper::Error| HttpFailure::Broken { message: cut(&error.to_string()) };
    let exchange = async {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, max_body).collect().await;
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(HttpFailure::TooLarge);
            }
            Err(error) => return Err(HttpFailure::Broken { message: cut(&error.to_string()) }),
        };
        Ok((head.status, head.headers, body))
    };
    let answered = timeout(REQUEST, exchange).await.map_err(|_| HttpFailure::Timeout)?;
    let (status, headers, body): (StatusCode, HeaderMap, Bytes) = answered?;
    let text = |name: HeaderName| {
        headers.get(name).map(|value| cut(&String::from_utf8_lossy(value.as_bytes())))
    };
    let answer = Answer {
        status: status.as_u16(),
        content_type: text(CONTENT_TYPE),
        location: text(LOCATION),
        cache_control: text(CACHE_CONTROL),
        took_ms: millis(begun),
        bytes: body.len(),
    };
    Ok((answer, headers, body))
}

/// The beginning of a text that a server has sent.
fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// A string member of a JSON object.
fn member(body: &[u8], key: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let value = value.get(key)?;
    Some(cut(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

fn software(body: &[u8]) -> Option<Software> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let server = value.get("server")?;
    let text = |key| server.get(key).and_then(serde_json::Value::as_str).map(cut);
    Some(Software { name: text("name")?, version: text("version").unwrap_or_default() })
}

fn clock_offset(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    };
    Some(seconds(date)?.saturating_sub(seconds(now())?))
}

#[allow(
    clippy::disallowed_methods,
    reason = "a check reads the clock to compare it with the server's"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

impl Body {
    fn of(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
            return match value.as_object() {
                Some(object) if object.contains_key("m.server") => Self::Document,
                Some(object) if object.contains_key("m.homeserver") => Self::ClientDocument,
                _ => Self::Json,
            };
        }
        let start = String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default());
        let start =
            start.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).to_ascii_lowercase();
        let html = ["<!doctype html", "<html", "<head", "<body", "<!--"];
        if html.iter().any(|tag| start.starts_with(tag)) { Self::Html } else { Self::Other }
    }
}
