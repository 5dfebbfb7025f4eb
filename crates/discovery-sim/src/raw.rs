//! A reader of HTTP/1.1 responses that has all the bytes at once, written from RFC 9110 and RFC 9112.
//!
//! The simulator reads raw responses with it, and fuzz targets compare the wire's reader with it. It shares no code with that reader.

use discovery_core::HttpResponse;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Longest response head, and most bytes of all interim heads together.
pub(crate) const MAX_HEAD: usize = 128 * 1024;
/// Most fields of a response head.
pub(crate) const MAX_FIELDS: usize = 256;
/// Most bytes of chunk extensions and trailers in one body.
const MAX_OVERHEAD: usize = 16 * 1024;

/// The end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The server closes the stream (`close_notify`).
    Closed,
    /// The connection breaks.
    Broken,
    /// Nothing: the stream stays open.
    Open,
}

/// The result of reading a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawReading {
    /// The response is not complete and the stream is still open.
    Unfinished,
    /// The stream ended before the response was complete.
    BrokenOff,
    /// The bytes are not a valid response.
    Refused,
    /// A complete response. Only status 200 has a body here, of at most one byte more than the limit.
    Whole(HttpResponse),
}

/// Reads the response at the start of `bytes`, with at most `max_body + 1` bytes of its body.
pub fn read_raw(bytes: &[u8], end: StreamEnd, max_body: usize) -> RawReading {
    let unfinished = match end {
        StreamEnd::Open => RawReading::Unfinished,
        StreamEnd::Closed | StreamEnd::Broken => RawReading::BrokenOff,
    };
    let (mut rest, mut interim) = (bytes, 0_usize);
    loop {
        let Some((head, behind)) = split_head(rest) else {
            return if rest.len() >= MAX_HEAD { RawReading::Refused } else { unfinished };
        };
        let Some(head) = Head::read(head) else { return RawReading::Refused };
        interim = interim.saturating_add(rest.len().saturating_sub(behind.len()));
        rest = behind;
        match head.status {
            0..=99 | 101 => return RawReading::Refused,
            100..=199 if interim > MAX_HEAD => return RawReading::Refused,
            100..=199 => continue,
            _ => {}
        }
        let Some(mut response) = head.response() else { return RawReading::Refused };
        if response.status != StatusCode::OK {
            return RawReading::Whole(response);
        }
        let Ok(framing) = Framing::of(&response.headers, head.minor == 0) else {
            return RawReading::Refused;
        };
        let limit = max_body.saturating_add(1);
        let first = |count: usize| rest.get(..count).map(<[u8]>::to_vec);
        let body = match framing {
            Framing::Length(length) => first(length.min(limit)).ok_or(Stop::More),
            Framing::Stream => match (first(limit), end) {
                (Some(body), _) => Ok(body),
                (None, StreamEnd::Closed) => Ok(rest.to_vec()),
                (None, StreamEnd::Broken | StreamEnd::Open) => Err(Stop::More),
            },
            Framing::Chunked => chunks(rest, limit),
        };
        return match body {
            Ok(body) => {
                response.body = body;
                RawReading::Whole(response)
            }
            Err(Stop::More) => unfinished,
            Err(Stop::Bad) => RawReading::Refused,
        };
    }
}

/// Splits behind the first empty line. Lines end with LF or CR LF.
fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    loop {
        let line = rest.iter().position(|byte| *byte == b'\n')?;
        rest = rest.get(line.saturating_add(1)..)?;
        if let [b'\n', behind @ ..] | [b'\r', b'\n', behind @ ..] = rest {
            return bytes.split_at_checked(bytes.len().saturating_sub(behind.len()));
        }
    }
}

/// A response head; the values of its fields are unfolded.
struct Head<'a> {
    minor: u8,
    status: u16,
    fields: Vec<(&'a [u8], Vec<u8>)>,
}

impl<'a> Head<'a> {
    /// RFC 9112 §2.1, §4 and §5. None where a line is malformed, or the head exceeds its limits.
    fn read(head: &'a [u8]) -> Option<Self> {
        if head.len() > MAX_HEAD {
            return None;
        }
        let mut lines = head
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .skip_while(|line| line.is_empty());
        let (minor, status) = status_line(lines.next()?)?;
        let mut fields: Vec<(&[u8], Vec<u8>)> = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                // RFC 9112 §5.2: a fold in a response is replaced by a space. Framing must be readable in one way only, so it has none.
                let (name, value) = fields.last_mut()?;
                if is_framing(name) || is_framing_line(line) || !line.iter().all(is_text) {
                    return None;
                }
                let more = line.trim_ascii();
                if !value.is_empty() && !more.is_empty() {
                    value.push(b' ');
                }
                value.extend_from_slice(more);
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            let value = value.strip_prefix(b":")?;
            if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(is_text) {
                return None;
            }
            if fields.len() == MAX_FIELDS {
                return None;
            }
            fields.push((name, value.trim_ascii().to_vec()));
        }
        Some(Self { minor, status, fields })
    }

    fn response(&self) -> Option<HttpResponse> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.fields {
            let name = HeaderName::from_bytes(name).ok()?;
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        let status = StatusCode::from_u16(self.status).ok()?;
        Some(HttpResponse::new(status, headers, Vec::new()))
    }
}

/// The minor version and the status. RFC 9110 §2.5: any minor version of HTTP/1 is read.
fn status_line(line: &[u8]) -> Option<(u8, u16)> {
    let line = line.strip_prefix(b"HTTP/1.")?;
    let (minor, line) = line.split_first()?;
    let (digits, reason) = line.strip_prefix(b" ")?.split_at_checked(3)?;
    let right = minor.is_ascii_digit()
        && digits.iter().all(u8::is_ascii_digit)
        && (reason.is_empty() || reason.starts_with(b" "))
        && reason.iter().all(is_text);
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    right.then_some((minor.saturating_sub(b'0'), status))
}

/// RFC 9110 §5.6.2.
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// What may stand in a value, a reason phrase, a chunk extension or a trailer.
fn is_text(byte: &u8) -> bool {
    *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)
}

fn is_framing(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
}

/// Whether a reader that overlooks the fold would take the line for a field that frames the body.
fn is_framing_line(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.len() < line.len() && is_framing(name.trim_ascii())
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    Stream,
}

/// The framing is contradictory or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Framing {
    /// `old`: the response is one of HTTP/1.0, which has no transfer codings.
    pub(crate) fn of(headers: &HeaderMap, old: bool) -> Result<Self, Unreadable> {
        let mut length = None;
        for value in headers.get_all(CONTENT_LENGTH) {
            for part in value.as_bytes().split(|byte| *byte == b',') {
                let part = std::str::from_utf8(part.trim_ascii()).map_err(|_| Unreadable)?;
                if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Unreadable);
                }
                let part: u64 = part.parse().map_err(|_| Unreadable)?;
                if length.is_some_and(|other| other != part) {
                    return Err(Unreadable);
                }
                length = Some(part);
            }
        }
        // RFC 9110 §5.6.1: empty elements of a list are ignored.
        let codings: Vec<&[u8]> = headers
            .get_all(TRANSFER_ENCODING)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|coding| !coding.is_empty())
            .collect();
        match (headers.contains_key(TRANSFER_ENCODING), codings.as_slice(), length) {
            (false, _, Some(length)) => {
                Ok(Self::Length(usize::try_from(length).unwrap_or(usize::MAX)))
            }
            (false, _, None) => Ok(Self::Stream),
            (true, [one], None) if !old && one.eq_ignore_ascii_case(b"chunked") => {
                Ok(Self::Chunked)
            }
            (true, _, _) => Err(Unreadable),
        }
    }
}

enum Stop {
    More,
    Bad,
}

/// The body of these chunks, up to `limit` bytes (RFC 9112 §7.1).
fn chunks(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Stop> {
    let mut at = Cursor { rest: bytes, overhead: 0 };
    let mut body = Vec::new();
    loop {
        let mut digits = String::new();
        while let Some(byte) = at.peek().filter(u8::is_ascii_hexdigit)
            && digits.len() < 16
        {
            digits.push(char::from(byte));
            at.skip(1);
        }
        let next = at.peek().ok_or(Stop::More)?;
        let size = u64::from_str_radix(&digits, 16).map_err(|_| Stop::Bad)?;
        match next {
            // RFC 9112 §7.1.1: blanks may stand before the semicolon of an extension, but an extension must follow.
            b' ' | b'\t' => {
                at.skip_while(|byte| b" \t".contains(byte))?;
                if at.peek().ok_or(Stop::More)? != b';' {
                    return Err(Stop::Bad);
                }
                at.skip(1);
                at.skip_while(is_text)?;
            }
            b';' => {
                at.skip(1);
                at.skip_while(is_text)?;
            }
            _ => {}
        }
        at.line_end()?;
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let wanted = size.min(limit.saturating_sub(body.len()));
        let data = at.rest.get(..wanted).unwrap_or(at.rest);
        body.extend_from_slice(data);
        at.skip(data.len());
        if body.len() >= limit {
            return Ok(body);
        }
        if data.len() < size {
            return Err(Stop::More);
        }
        at.line_end()?;
    }
    loop {
        let before = at.rest.len();
        at.skip_while(is_text)?;
        let empty = at.rest.len() == before;
        at.line_end()?;
        if empty {
            return Ok(body);
        }
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
    overhead: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Skips what is not body, within the bound for all of it.
    fn skip_while(&mut self, which: impl Fn(&u8) -> bool) -> Result<(), Stop> {
        while self.rest.first().is_some_and(&which) {
            self.skip(1);
            self.overhead = self.overhead.saturating_add(1);
            if self.overhead > MAX_OVERHEAD {
                return Err(Stop::Bad);
            }
        }
        Ok(())
    }

    /// Takes CR LF.
    fn line_end(&mut self) -> Result<(), Stop> {
        match self.rest {
            [] | [b'\r'] => Err(Stop::More),
            [b'\r', b'\n', rest @ ..] => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Stop::Bad),
        }
    }
}
