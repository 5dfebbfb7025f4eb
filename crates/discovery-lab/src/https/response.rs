//! A response on its way, portion by portion: the head, the body as it is framed, and how it ends.
//!
//! Knows nothing of TLS.

use discovery_sim::{Body, End};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode};

use super::Act;

/// Bytes of one portion of a body.
const PORTION: usize = 16 * 1024;
/// No endless body is longer than this: whoever reads so far has lost his limit, and the lab must not lose its own.
const MAX_ENDLESS: usize = 64 * 1024 * 1024;

/// A response on its way.
#[derive(Debug)]
pub(super) struct Response {
    head: Vec<u8>,
    body: Source,
    chunked: bool,
    end: Act,
}

/// What is left of a body.
#[derive(Debug)]
struct Source {
    prefix: Vec<u8>,
    unit: Vec<u8>,
    left: Option<u64>,
    suffix: Vec<u8>,
    sent: usize,
}

impl Response {
    pub(super) fn new(
        status: StatusCode,
        headers: &[(HeaderName, HeaderValue)],
        body: Body,
        end: End,
    ) -> Self {
        let reason = status.canonical_reason().unwrap_or("Unnamed");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
        let mut put = |name: &HeaderName, value: &[u8]| {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        };
        for (name, value) in headers {
            put(name, value.as_bytes());
        }
        let source = Source::from(body);
        let says = |wanted: HeaderName| headers.iter().any(|(name, _)| *name == wanted);
        let announced = says(CONTENT_LENGTH);
        let coded = headers.iter().find(|(name, _)| *name == TRANSFER_ENCODING);
        let chunked =
            coded.is_some_and(|(_, value)| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !announced
            && coded.is_none()
            && let Some(length) = source.length()
        {
            // A body that breaks off or stalls misses its last byte.
            let length = length.saturating_add(u64::from(end != End::Proper));
            put(&CONTENT_LENGTH, length.to_string().as_bytes());
        }
        if !says(CONNECTION) {
            put(&CONNECTION, b"close");
        }
        head.extend_from_slice(b"\r\n");
        let endless = source.length().is_none();
        let end = match end {
            End::Proper if endless => Act::Hang,
            End::Proper => Act::Close,
            End::Stall => Act::Hang,
            End::Reset => Act::Break,
        };
        Self { head, body: source, chunked, end }
    }

    /// What no reader of HTTP understands.
    pub(super) fn garbage() -> Self {
        let head = b"220 mail.invalid ESMTP\r\n\r\n".to_vec();
        let body = Source::from(Body::Bytes(Vec::new()));
        Self { head, body, chunked: false, end: Act::Close }
    }

    /// The next portion; None: everything has been sent.
    pub(super) fn next_part(&mut self) -> Option<Vec<u8>> {
        if !self.head.is_empty() {
            return Some(std::mem::take(&mut self.head));
        }
        let part = self.body.next_portion();
        if !self.chunked {
            return (!part.is_empty()).then_some(part);
        }
        if part.is_empty() {
            self.chunked = false;
            return (self.end == Act::Close).then(|| b"0\r\n\r\n".to_vec());
        }
        let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
        chunk.extend_from_slice(&part);
        chunk.extend_from_slice(b"\r\n");
        Some(chunk)
    }

    /// What to do when everything has been sent.
    pub(super) fn end(&self) -> Act {
        self.end.clone()
    }
}

impl From<Body> for Source {
    fn from(body: Body) -> Self {
        match body {
            Body::Bytes(bytes) => {
                Self { prefix: bytes, unit: Vec::new(), left: Some(0), suffix: Vec::new(), sent: 0 }
            }
            Body::Repeat { prefix, unit, count, suffix } => {
                let left = if unit.is_empty() { Some(0) } else { count };
                Self {
                    prefix: prefix.into(),
                    unit: unit.into(),
                    left,
                    suffix: suffix.into(),
                    sent: 0,
                }
            }
        }
    }
}

impl Source {
    /// How long the whole body is; None: it never ends.
    fn length(&self) -> Option<u64> {
        let fixed = self.prefix.len().saturating_add(self.suffix.len());
        let (fixed, unit) = (u64::try_from(fixed).ok()?, u64::try_from(self.unit.len()).ok()?);
        Some(fixed.saturating_add(unit.saturating_mul(self.left?)))
    }

    fn next_portion(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.sent >= MAX_ENDLESS {
            return out;
        }
        out.append(&mut self.prefix);
        while out.len() < PORTION && self.left != Some(0) {
            out.extend_from_slice(&self.unit);
            self.left = self.left.map(|left| left.saturating_sub(1));
        }
        if self.left == Some(0) {
            out.append(&mut self.suffix);
        }
        self.sent = self.sent.saturating_add(out.len());
        out
    }
}
