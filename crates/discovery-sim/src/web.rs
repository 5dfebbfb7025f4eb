//! Pages of the scripted web: what a server sends, and what a careful reader makes of it.
//!
//! Knows nothing of documents or discovery.

use std::time::Duration;

use discovery_core::HttpResponse;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

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
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.clone());
        }
        let whole =
            |map, body| Reading::Whole(HttpResponse { status, headers: map, body, received: None });
        let Ok(announced) = announced_length(&map) else { return Ok(Reading::Contradictory) };
        if status != StatusCode::OK {
            return Ok(whole(map, Vec::new()));
        }
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

/// The length that the headers announce; an error where they contradict themselves.
fn announced_length(headers: &HeaderMap) -> Result<Option<usize>, ()> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let text = value.to_str().map_err(|_| ())?;
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(());
        }
        let this: usize = text.parse().map_err(|_| ())?;
        if length.is_some_and(|before| before != this) {
            return Err(());
        }
        length = Some(this);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(length),
        (Some(only), None)
            if only.as_bytes().eq_ignore_ascii_case(b"chunked") && length.is_none() =>
        {
            Ok(None)
        }
        _ => Err(()),
    }
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

    /// Whether the body never ends by itself.
    pub fn is_endless(&self) -> bool {
        matches!(self, Self::Repeat { count: None, .. })
    }
}
