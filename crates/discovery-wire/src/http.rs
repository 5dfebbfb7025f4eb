//! HTTP/1.1 in bytes: one request head out, one response in (RFC 9112), strict and bounded.
//!
//! Knows nothing of TLS, and nothing of what the response means.
//!
//! A body that ends with the connection needs `close_notify`. A body with a length or in chunks does not, because its
//! framing shows whether it is complete.

use std::borrow::Cow;
use std::fmt::Write as _;

use discovery_core::{HttpError, HttpGet, HttpResponse, UnixTime};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::chunked::Chunked;

/// Longest response head in bytes, and most bytes of all interim (1xx) heads before the final one together. Policies and cookies
/// of 20 KB occur in the field; browsers and other clients take 256 KiB and more.
const MAX_HEAD: usize = 128 * 1024;
/// Most header fields in a response head.
const MAX_HEADERS: usize = 256;

/// The bytes of a request. None for a URL without host, which nothing can be got from.
pub(crate) fn request(get: &HttpGet) -> Option<Vec<u8>> {
    let host = get.url.host()?;
    let target = get.url.path_and_query().map_or("/", |target| target.as_str());
    let mut head = format!("GET {target} HTTP/1.1\r\nHost: {host}");
    // R33: a regular request, so the default port is not written.
    if let Some(port) = get.url.port_u16().filter(|port| *port != 443) {
        // Writing to a string does not fail.
        let _ = write!(head, ":{port}");
    }
    let mut head = head.into_bytes();
    head.extend_from_slice(b"\r\nConnection: close\r\n");
    for (name, value) in &get.headers {
        // These are written above or would announce a body; a second one would contradict.
        if [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
            continue;
        }
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    Some(head)
}

/// A response that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    state: State,
    /// The bytes of the head so far.
    head: Vec<u8>,
    /// The bytes of the interim heads so far.
    interim: usize,
    max_body: usize,
}

#[derive(Debug)]
enum State {
    Head,
    Body(Framing, HttpResponse),
}

/// How the end of a body is recognised.
#[derive(Debug)]
enum Framing {
    Length(u64),
    Chunked(Chunked),
    EndOfStream,
}

/// The progress of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More must come.
    Unfinished,
    /// It has ended, in this way.
    Finished(Result<HttpResponse, HttpError>),
}

impl From<HttpError> for Progress {
    fn from(error: HttpError) -> Self {
        Self::Finished(Err(error))
    }
}

impl Reading {
    pub(crate) fn new(max_body: usize) -> Self {
        Self { state: State::Head, head: Vec::new(), interim: 0, max_body }
    }

    /// Reads on. Nothing may be pushed after the end.
    pub(crate) fn push(&mut self, mut bytes: &[u8], now: Option<UnixTime>) -> Progress {
        while let State::Head = self.state {
            let Some(rest) = self.take_head(bytes) else {
                return if self.head.len() >= MAX_HEAD {
                    HttpError::Protocol.into()
                } else {
                    Progress::Unfinished
                };
            };
            bytes = rest;
            match self.read_head(now) {
                Ok(None) => {}
                Ok(Some(finished)) => return finished,
                Err(error) => return error.into(),
            }
        }
        self.push_body(bytes)
    }

    /// The stream has ended; `whole` if the server has said so (`close_notify`), so that it cannot have been truncated.
    pub(crate) fn end(&mut self, whole: bool) -> Result<HttpResponse, HttpError> {
        match std::mem::replace(&mut self.state, State::Head) {
            State::Body(Framing::EndOfStream, response) if whole => Ok(response),
            State::Body(..) | State::Head => Err(HttpError::Reset),
        }
    }

    /// Moves bytes into the head up to the empty line that ends it; what stands behind is given back. None where it has
    /// not come, or not within bounds.
    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        for (index, byte) in bytes.iter().enumerate() {
            if self.head.len() >= MAX_HEAD {
                return None;
            }
            self.head.push(*byte);
            if *byte == b'\n' && (self.head.ends_with(b"\n\r\n") || self.head.ends_with(b"\n\n")) {
                return bytes.get(index.saturating_add(1)..);
            }
        }
        None
    }

    /// Reads the head that is complete. `Some` where the response has ended with it.
    fn read_head(&mut self, now: Option<UnixTime>) -> Result<Option<Progress>, HttpError> {
        let mut bytes = std::mem::take(&mut self.head);
        if folds_framing(&bytes) {
            return Err(HttpError::Protocol);
        }
        read_minor_version_as_1(&mut bytes);
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut fields);
        // RFC 9112 §5.2: a user agent unfolds header lines; see `unfolded`.
        let mut config = httparse::ParserConfig::default();
        config.allow_obsolete_multiline_headers_in_responses(true);
        match config.parse_response(&mut head, &bytes) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) | Err(_) => return Err(HttpError::Protocol),
        }
        let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(HttpError::Protocol)?;
        if status.is_informational() {
            self.interim = self.interim.saturating_add(bytes.len());
            // An upgrade was not asked for.
            if status == StatusCode::SWITCHING_PROTOCOLS || self.interim > MAX_HEAD {
                return Err(HttpError::Protocol);
            }
            return Ok(None);
        }
        let mut headers = HeaderMap::with_capacity(head.headers.len());
        for field in head.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let value = HeaderValue::from_bytes(&unfolded(field.value));
            match (name, value) {
                (Ok(name), Ok(value)) => headers.append(name, value),
                (Err(_), _) | (_, Err(_)) => return Err(HttpError::Protocol),
            };
        }
        let old = head.version == Some(0);
        let mut response = HttpResponse::new(status, headers, Vec::new());
        response.received = now;
        if status != StatusCode::OK {
            // Nothing but a 200 response has a body of use.
            return Ok(Some(Progress::Finished(Ok(response))));
        }
        let framing = framing(&response.headers, old)?;
        self.state = State::Body(framing, response);
        Ok(None)
    }

    fn push_body(&mut self, bytes: &[u8]) -> Progress {
        let State::Body(framing, response) = &mut self.state else { return Progress::Unfinished };
        let body = &mut response.body;
        let limit = self.max_body.saturating_add(1);
        let room = limit.saturating_sub(body.len());
        let ended = match framing {
            Framing::Length(left) => {
                let count = bytes.len().min(room).min(usize::try_from(*left).unwrap_or(usize::MAX));
                body.extend_from_slice(bytes.get(..count).unwrap_or_default());
                *left = left.saturating_sub(count as u64);
                *left == 0
            }
            Framing::Chunked(chunked) => {
                if chunked.decode(bytes, body, limit).is_err() {
                    return HttpError::Protocol.into();
                }
                chunked.is_done()
            }
            Framing::EndOfStream => {
                body.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
                false
            }
        };
        if !ended && response.body.len() < limit {
            return Progress::Unfinished;
        }
        match std::mem::replace(&mut self.state, State::Head) {
            State::Body(_, response) => Progress::Finished(Ok(response)),
            State::Head => HttpError::Protocol.into(),
        }
    }
}

/// Whether a fold touches a field that frames the body: such a field must be readable in one way only. A continuation line that
/// looks like one counts, too, because a reader that overlooks the fold would obey it.
fn folds_framing(head: &[u8]) -> bool {
    let lines = head.split(|byte| *byte == b'\n');
    let is_framing = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let known = [CONTENT_LENGTH, TRANSFER_ENCODING];
        let name_is =
            |known: &HeaderName| name.trim_ascii().eq_ignore_ascii_case(known.as_str().as_bytes());
        name.len() < line.len() && known.iter().any(name_is)
    };
    lines.clone().zip(lines.skip(1)).any(|(line, next)| {
        let folded = next.starts_with(b" ") || next.starts_with(b"\t");
        folded && (is_framing(line) || is_framing(next))
    })
}

/// Replaces a minor version above 1: such a response is read as one of HTTP/1.1 (RFC 9110 §2.5).
fn read_minor_version_as_1(head: &mut [u8]) {
    let start = head.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(0);
    if let Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9', b' ', ..]) =
        head.get_mut(start..)
    {
        *minor = b'1';
    }
}

/// A field value without folds: each is replaced by one space (RFC 9112 §5.2).
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    Cow::Owned(lines.join(&b' '))
}

/// How the end of the body is recognised (RFC 9112 §6.3). Framing that two readers could understand differently is refused.
fn framing(headers: &HeaderMap, old: bool) -> Result<Framing, HttpError> {
    // RFC 9110 §5.6.1: empty elements of a list are ignored.
    let mut codings = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty());
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let text = value.to_str().map_err(|_| HttpError::Protocol)?;
        for part in text.split(',') {
            let part = part.trim_matches([' ', '\t']);
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(HttpError::Protocol);
            }
            let part: u64 = part.parse().map_err(|_| HttpError::Protocol)?;
            if length.replace(part).is_some_and(|other| other != part) {
                return Err(HttpError::Protocol);
            }
        }
    }
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(length.map_or(Framing::EndOfStream, Framing::Length));
    }
    match (codings.next(), codings.next(), length) {
        (Some(coding), None, None) if !old && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked(Chunked::new()))
        }
        _ => Err(HttpError::Protocol),
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
