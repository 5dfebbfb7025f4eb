//! A response on its way, portion by portion: the head, the body as it is framed, and how it ends.
//!
//! Knows nothing of TLS.

use std::collections::VecDeque;

use discovery_sim::{Body, End, RawPiece, is_chunked, written_head};
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
    body: VecDeque<Source>,
    chunked: bool,
    end: Act,
}

/// The rest of a body.
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
        let head = written_head(status, headers, &body, end);
        let endless = body.is_endless();
        let chunked = is_chunked(headers);
        Self {
            head,
            body: VecDeque::from([Source::from(body)]),
            chunked,
            end: last_act(end, endless),
        }
    }

    /// These bytes.
    pub(super) fn raw(pieces: Vec<RawPiece>, end: End) -> Self {
        let source = |piece: RawPiece| Source {
            prefix: Vec::new(),
            left: if piece.bytes.is_empty() { Some(0) } else { piece.count },
            unit: piece.bytes,
            suffix: Vec::new(),
            sent: 0,
        };
        let body: VecDeque<Source> = pieces.into_iter().map(source).collect();
        let endless = body.iter().any(|piece| piece.left.is_none());
        Self { head: Vec::new(), body, chunked: false, end: last_act(end, endless) }
    }

    /// Bytes that are not HTTP.
    pub(super) fn garbage() -> Self {
        let head = b"220 mail.invalid ESMTP\r\n\r\n".to_vec();
        Self { head, body: VecDeque::new(), chunked: false, end: Act::Close }
    }

    /// The next portion; None: everything has been sent.
    pub(super) fn next_part(&mut self) -> Option<Vec<u8>> {
        if !self.head.is_empty() {
            return Some(std::mem::take(&mut self.head));
        }
        let mut part = Vec::new();
        while part.is_empty()
            && let Some(source) = self.body.front_mut()
        {
            part = source.next_portion();
            if part.is_empty() {
                self.body.pop_front();
            }
        }
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

    /// The action after the last byte.
    pub(super) fn end(&self) -> Act {
        self.end.clone()
    }
}

/// The action after the last byte.
fn last_act(end: End, endless: bool) -> Act {
    match end {
        End::Proper if endless => Act::Hang,
        End::Proper => Act::Close,
        End::Stall => Act::Hang,
        End::Reset => Act::Break,
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
