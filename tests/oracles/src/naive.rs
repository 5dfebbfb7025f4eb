//! A reader of HTTP/1.1 responses that has all of the bytes at once, written from RFC 9112 for comparison.
//!
//! Shares the tokenizer of heads (`httparse`) with what it is compared with, and nothing else.

use discovery_wire::fuzz::StreamEnd;

/// How a response ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// More would have to come.
    Unfinished,
    /// It breaks off.
    BrokenOff,
    /// It is refused.
    Refused,
    /// Its status and body.
    Done(u16, Vec<u8>),
}

const MAX_HEAD: usize = 16 * 1024;
const MAX_OVERHEAD: usize = 16 * 1024;

/// Reads a whole stream.
pub(crate) fn read(bytes: &[u8], end: StreamEnd, max_body: usize) -> Read {
    let more = match end {
        StreamEnd::Open => Read::Unfinished,
        StreamEnd::Told | StreamEnd::Cut => Read::BrokenOff,
    };
    let mut rest = bytes;
    for _ in 0..=4 {
        let Some(length) = head_length(rest) else {
            return if rest.len() >= MAX_HEAD { Read::Refused } else { more };
        };
        if length > MAX_HEAD {
            return Read::Refused;
        }
        let (head, behind) = rest.split_at(length);
        rest = behind;
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        if response.parse(head) != Ok(httparse::Status::Complete(length)) {
            return Read::Refused;
        }
        match (response.version, response.code) {
            (_, None | Some(0..=99 | 101)) => return Read::Refused,
            (_, Some(102..=199 | 100)) => {}
            (version, Some(200)) => {
                return body(&response, version == Some(0), rest, end, max_body, more);
            }
            (_, Some(status)) => return Read::Done(status, Vec::new()),
        }
    }
    Read::Refused
}

/// Up to and with the first empty line; lines end with LF, or CR and LF.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let crlf = bytes.windows(3).position(|window| window == b"\n\r\n").map(|at| at + 3);
    let lf = bytes.windows(2).position(|window| window == b"\n\n").map(|at| at + 2);
    crlf.into_iter().chain(lf).min()
}

fn body(
    head: &httparse::Response<'_, '_>,
    old: bool,
    rest: &[u8],
    end: StreamEnd,
    max_body: usize,
    more: Read,
) -> Read {
    let field = |name: &'static str| {
        head.headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    };
    let codings: Vec<&[u8]> = field("transfer-encoding").collect();
    let mut lengths = Vec::new();
    for value in field("content-length") {
        for part in value.split(|byte| *byte == b',') {
            let digits: Vec<u8> = part.iter().copied().filter(|b| !b" \t".contains(b)).collect();
            // A space between digits joins nothing.
            let inner = part.trim_ascii();
            let number =
                std::str::from_utf8(&digits).ok().and_then(|text| text.parse::<u64>().ok());
            match number {
                Some(number) if inner.iter().all(u8::is_ascii_digit) => lengths.push(number),
                Some(_) | None => return Read::Refused,
            }
        }
    }
    lengths.sort_unstable();
    lengths.dedup();
    let done = |body: &[u8]| Read::Done(200, body.to_vec());
    // One byte beyond the limit is all that is ever read.
    let limit = max_body + 1;
    match (codings.as_slice(), lengths.as_slice()) {
        ([], []) if rest.len() >= limit => done(&rest[..limit]),
        ([], []) => match end {
            StreamEnd::Told => done(rest),
            StreamEnd::Cut => Read::BrokenOff,
            StreamEnd::Open => Read::Unfinished,
        },
        ([], [length]) => {
            let length = usize::try_from(*length).unwrap_or(usize::MAX).min(limit);
            if rest.len() >= length { done(&rest[..length]) } else { more }
        }
        ([coding], []) if !old && coding.eq_ignore_ascii_case(b"chunked") => {
            chunks(rest, limit, more)
        }
        _ => Read::Refused,
    }
}

/// What may stand in extensions and trailers.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn chunks(bytes: &[u8], limit: usize, more: Read) -> Read {
    let (mut at, mut body, mut overhead) = (0, Vec::new(), 0_usize);
    let byte = |at: usize| bytes.get(at).copied();
    loop {
        let start = at;
        while byte(at).is_some_and(|b| b.is_ascii_hexdigit()) && at - start < 16 {
            at += 1;
        }
        let Some(next) = byte(at) else { return more };
        if at == start || ![b'\r', b';'].contains(&next) {
            return Read::Refused;
        }
        let digits = std::str::from_utf8(&bytes[start..at]).unwrap_or_default();
        let Ok(size) = u64::from_str_radix(digits, 16) else { return Read::Refused };
        if next == b';' {
            at += 1;
            while byte(at).is_some_and(is_text) {
                at += 1;
                overhead += 1;
                if overhead > MAX_OVERHEAD {
                    return Read::Refused;
                }
            }
        }
        match line_end(bytes, &mut at) {
            Line::Ended => {}
            Line::More => return more,
            Line::Bad => return Read::Refused,
        }
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let there = &bytes[at..];
        let data = &there[..size.min(there.len()).min(limit - body.len())];
        body.extend_from_slice(data);
        at += data.len();
        if body.len() == limit {
            return Read::Done(200, body);
        }
        if data.len() < size {
            return more;
        }
        match line_end(bytes, &mut at) {
            Line::Ended => {}
            Line::More => return more,
            Line::Bad => return Read::Refused,
        }
    }
    loop {
        let start = at;
        while byte(at).is_some_and(is_text) {
            at += 1;
            overhead += 1;
            if overhead > MAX_OVERHEAD {
                return Read::Refused;
            }
        }
        let empty = at == start;
        match line_end(bytes, &mut at) {
            Line::Ended if empty => return Read::Done(200, body),
            Line::Ended => {}
            Line::More => return more,
            Line::Bad => return Read::Refused,
        }
    }
}

enum Line {
    Ended,
    More,
    Bad,
}

/// Takes CR and LF.
fn line_end(bytes: &[u8], at: &mut usize) -> Line {
    match (bytes.get(*at), bytes.get(*at + 1)) {
        (None, _) | (Some(b'\r'), None) => Line::More,
        (Some(b'\r'), Some(b'\n')) => {
            *at += 2;
            Line::Ended
        }
        (Some(_), _) => Line::Bad,
    }
}
