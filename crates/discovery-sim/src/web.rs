//! Pages of the scripted web: what a server sends, and what a careful reader makes of it.
//!
//! Knows nothing of documents or discovery.

use std::time::Duration;

use discovery_core::HttpResponse;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::raw::{self, Framing, MAX_FIELDS, MAX_HEAD, RawReading, StreamEnd};
use crate::world::ConnectFault;

/// What is found under one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How long it takes until TLS is up.
    pub connect: Duration,
    /// How long it takes from there to the answer.
    pub after: Duration,
    /// What is served.
    pub answer: Served,
}

/// What a web server does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// It fails before any response.
    Fault(ConnectFault),
    /// It responds.
    Response {
        /// The status.
        status: StatusCode,
        /// The headers, in order; `Content-Length` and `Transfer-Encoding` are sent as written, true or not.
        headers: Vec<(HeaderName, HeaderValue)>,
        /// The body.
        body: Body,
        /// How the body ends.
        end: End,
    },
    /// It sends these bytes, which may or may not be a response.
    Raw {
        /// The bytes, in order.
        pieces: Vec<RawPiece>,
        /// What follows them.
        end: End,
    },
}

/// A part of a raw response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPiece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How often they are sent; None: without end.
    pub count: Option<u64>,
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A prefix, a unit many times over, and a suffix.
    Repeat {
        /// Sent first.
        prefix: String,
        /// Sent again and again.
        unit: String,
        /// How often; None: without end.
        count: Option<u64>,
        /// Sent last.
        suffix: String,
    },
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum End {
    /// As it should.
    #[default]
    Proper,
    /// The last byte announced never comes.
    Stall,
    /// The connection breaks before the last byte announced.
    Reset,
}

/// What a strict reader makes of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Whole(HttpResponse),
    BreaksOff,
    Contradictory,
    Stalls,
}

impl Page {
    /// A page that responds at once.
    pub fn response(
        status: StatusCode,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let body = Body::Bytes(body.into());
        Self::served(Served::Response { status, headers, body, end: End::Proper })
    }

    /// A page that fails at once.
    pub fn fault(fault: ConnectFault) -> Self {
        Self::served(Served::Fault(fault))
    }

    fn served(answer: Served) -> Self {
        Self { connect: Duration::ZERO, after: Duration::ZERO, answer }
    }

    /// What a strict reader makes of the page who reads at most `max_body + 1` bytes of a 200 response and none of
    /// another.
    ///
    /// # Errors
    /// Says what fails before any response.
    pub(crate) fn read(&self, max_body: usize) -> Result<Reading, ConnectFault> {
        let (status, headers, body, end) = match &self.answer {
            Served::Fault(fault) => return Err(*fault),
            Served::Response { status, headers, body, end } => (*status, headers, body, *end),
            Served::Raw { pieces, end } => return Ok(read_pieces(pieces, *end, max_body)),
        };
        let fields = headers.len().saturating_add(added(headers, body, end).len());
        // Few heads come near the limit of bytes, so most need not be written to know.
        let bytes = || written_head(status, headers, body, end).len();
        let large = headers.iter().any(|(_, value)| value.len() > MAX_HEAD / MAX_FIELDS / 2);
        if fields > MAX_FIELDS || (large && bytes() > MAX_HEAD) {
            return Ok(Reading::Contradictory);
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.clone());
        }
        let whole = |map, body| Reading::Whole(HttpResponse::new(status, map, body));
        if status != StatusCode::OK {
            return Ok(whole(map, Vec::new()));
        }
        let announced = match Framing::of(&map, false) {
            Ok(Framing::Length(length)) => Some(length),
            Ok(Framing::Chunked | Framing::Stream) => None,
            Err(raw::Unreadable) => return Ok(Reading::Contradictory),
        };
        let limit = max_body.saturating_add(1);
        let bytes = body.first(limit);
        if let Some(length) = announced.filter(|length| *length <= bytes.len()) {
            // What follows the announced length is not part of this response.
            return Ok(whole(map, bytes.get(..length).unwrap_or_default().to_vec()));
        }
        if bytes.len() >= limit {
            return Ok(whole(map, bytes));
        }
        Ok(match (end, announced) {
            (End::Stall, _) => Reading::Stalls,
            (End::Reset, _) => Reading::BreaksOff,
            (End::Proper, Some(_)) => Reading::BreaksOff,
            (End::Proper, None) if body.is_endless() => Reading::Stalls,
            (End::Proper, None) => whole(map, bytes),
        })
    }
}

/// What a strict reader makes of raw bytes.
fn read_pieces(pieces: &[RawPiece], end: End, max_body: usize) -> Reading {
    // More than any head and any framing of the body needs: behind that, every reader has come to an end.
    let limit = max_body.saturating_mul(16).saturating_add(4 * MAX_HEAD);
    let mut bytes = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.bytes.is_empty()) {
        let mut left = piece.count;
        while bytes.len() < limit && left != Some(0) {
            bytes.extend_from_slice(&piece.bytes);
            left = left.map(|left| left.saturating_sub(1));
        }
    }
    let end = match end {
        _ if bytes.len() >= limit => StreamEnd::Open,
        End::Proper => StreamEnd::Closed,
        End::Stall => StreamEnd::Open,
        End::Reset => StreamEnd::Broken,
    };
    match raw::read_raw(&bytes, end, max_body) {
        RawReading::Unfinished => Reading::Stalls,
        RawReading::BrokenOff => Reading::BreaksOff,
        RawReading::Refused => Reading::Contradictory,
        RawReading::Whole(response) => Reading::Whole(response),
    }
}

/// The head of a response as a server of the world sends it: with `Content-Length` where nothing else frames the body, and
/// with `Connection: close`.
pub fn written_head(
    status: StatusCode,
    headers: &[(HeaderName, HeaderValue)],
    body: &Body,
    end: End,
) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Unnamed");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers.iter().chain(&added(headers, body, end)) {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The fields that a server adds to those that are written.
fn added(
    headers: &[(HeaderName, HeaderValue)],
    body: &Body,
    end: End,
) -> Vec<(HeaderName, HeaderValue)> {
    let says = |wanted: HeaderName| headers.iter().any(|(name, _)| *name == wanted);
    let mut added = Vec::new();
    if !says(CONTENT_LENGTH)
        && !says(TRANSFER_ENCODING)
        && let Some(length) = body.length()
    {
        // A body that breaks off or stalls misses its last byte.
        let length = length.saturating_add(u64::from(end != End::Proper));
        added.push((CONTENT_LENGTH, HeaderValue::from(length)));
    }
    if !says(CONNECTION) {
        added.push((CONNECTION, HeaderValue::from_static("close")));
    }
    added
}

/// Whether these headers have the body sent in chunks.
pub fn is_chunked(headers: &[(HeaderName, HeaderValue)]) -> bool {
    let coding = headers.iter().find(|(name, _)| *name == TRANSFER_ENCODING);
    coding.is_some_and(|(_, value)| {
        let mut parts = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        parts.any(|part| part.eq_ignore_ascii_case(b"chunked"))
    })
}

impl Body {
    /// The first bytes of the body, at most so many.
    pub fn first(&self, limit: usize) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.iter().take(limit).copied().collect(),
            Self::Repeat { prefix, unit, count, suffix } => {
                let mut out: Vec<u8> = prefix.bytes().take(limit).collect();
                let mut left = if unit.is_empty() { Some(0) } else { *count };
                while out.len() < limit && left != Some(0) {
                    out.extend_from_slice(unit.as_bytes());
                    left = left.map(|left| left.saturating_sub(1));
                }
                if left == Some(0) {
                    out.extend(suffix.bytes().take(limit));
                }
                out.truncate(limit);
                out
            }
        }
    }

    /// How long the whole body is, in bytes; None: it never ends.
    pub fn length(&self) -> Option<u64> {
        let count = |text: &str| u64::try_from(text.len()).ok();
        match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
            Self::Repeat { prefix, unit, count: times, suffix } => {
                let units =
                    if unit.is_empty() { 0 } else { count(unit)?.saturating_mul((*times)?) };
                Some(count(prefix)?.saturating_add(count(suffix)?).saturating_add(units))
            }
        }
    }

    /// Whether the body never ends by itself.
    pub fn is_endless(&self) -> bool {
        self.length().is_none()
    }
}
