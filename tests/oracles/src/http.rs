//! HTTP responses: the same in every split, and the same as two other readers read them.

use discovery_core::{HttpError, HttpResponse};
use discovery_sim::{RawReading, read_raw};
use discovery_wire::fuzz::{StreamEnd, read_response};
use http::Request;
use ureq_proto::Error::{BadContentLengthHeader, TooManyContentLengthHeaders};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};

use crate::{cut, take};

/// The limit of the body, which is short so that inputs reach it.
const MAX_BODY: usize = 40;

/// Reads a stream from the bytes after the first five, which select its end and where it is cut.
///
/// # Panics If a split matters, if the simulator's reader disagrees, or if `ureq-proto` disagrees about an accepted
/// response.
pub fn http_target(bytes: &[u8]) {
    let mut stream = bytes;
    let [end, cuts @ ..] = take(&mut stream, 5) else { return };
    let end = [StreamEnd::Told, StreamEnd::Cut, StreamEnd::Open][usize::from(*end % 3)];
    let whole = read_response([stream], end, MAX_BODY);
    for parts in [cut(stream, cuts), cut(stream, &[1])] {
        assert_eq!(read_response(parts, end, MAX_BODY), whole, "{:?}", stream.escape_ascii());
    }
    let behind = match end {
        StreamEnd::Told => discovery_sim::StreamEnd::Closed,
        StreamEnd::Cut => discovery_sim::StreamEnd::Broken,
        StreamEnd::Open => discovery_sim::StreamEnd::Open,
    };
    let other = read_raw(stream, behind, MAX_BODY);
    let seen = match &whole {
        None => RawReading::Unfinished,
        Some(Ok(response)) => {
            let mut response = response.clone();
            response.received = None;
            RawReading::Whole(response)
        }
        Some(Err(HttpError::Reset)) => RawReading::BrokenOff,
        Some(Err(_)) => RawReading::Refused,
    };
    assert_eq!(seen, other, "{:?} {end:?}", stream.escape_ascii().to_string());
    if let Some(Ok(response)) = &whole {
        assert!(response.body.len() <= MAX_BODY + 1);
        if is_beyond_ureq(stream) {
            return;
        }
        same_as_ureq(stream, response);
    }
}

/// An accepted response is one for `ureq-proto`, too, with the same status and body. (The reverse does not hold: it accepts
/// signs before sizes, and `Transfer-Encoding` with `Content-Length`.)
fn same_as_ureq(stream: &[u8], ours: &HttpResponse) {
    let shown = || stream.escape_ascii().to_string();
    let Ok(request) = Request::get("https://a.example/").body(()) else { return };
    let Ok(call) = Call::new(request) else { return };
    let mut call = call.proceed();
    let mut sink = [0; 1024];
    let _ = call.write(&mut sink);
    let Ok(Some(SendRequestResult::RecvResponse(mut call))) = call.proceed() else { return };
    let mut rest = stream;
    let response = loop {
        let (used, response) = match call.try_response(rest, false) {
            Ok(read) => read,
            // It refuses fields in a 100 response, which is skipped here (RFC 9110 §15.2).
            Err(ureq_proto::Error::HeadersWith100) => return,
            // It validates the length of an interim response, which has no body whatever it states (RFC 9112 §6.3).
            Err(BadContentLengthHeader | TooManyContentLengthHeaders) if is_interim(rest) => return,
            // Errors about redirects and long heads are not compared.
            Err(error) => {
                assert_ne!(ours.status, 200, "{error}: {}", shown());
                return;
            }
        };
        rest = &rest[used..];
        match response {
            Some(response) => break response,
            None if used == 0 => panic!("not finished: {}", shown()),
            None => {}
        }
    };
    assert_eq!(response.status(), ours.status, "{}", shown());
    if ours.status != 200 {
        return;
    }
    let mut body = vec![0; stream.len() + 1];
    let mut length = 0;
    if let Some(RecvResponseResult::RecvBody(mut call)) = call.proceed() {
        loop {
            let (used, written) = match call.read(rest, &mut body[length..]) {
                Ok(read) => read,
                // After the limit this project stops reading, and `ureq-proto` reads no trailers; the bytes before are the
                // same.
                Err(error) => {
                    let theirs = &body[..length.min(ours.body.len())];
                    assert!(ours.body.starts_with(theirs), "{error}: {}", shown());
                    return;
                }
            };
            rest = &rest[used..];
            length += written;
            if used == 0 {
                break;
            }
        }
        let _: Option<RecvBodyResult> = call.proceed();
    }
    let theirs = &body[..length];
    let limit = theirs.len().min(MAX_BODY + 1);
    assert_eq!(ours.body, &theirs[..limit], "{}", shown());
}

/// Whether a response may need features that RFC 9110 and RFC 9112 require and `ureq-proto` lacks: folded lines, minor
/// versions above 1, empty elements of `Transfer-Encoding`, blanks before a chunk extension, more than 100 fields.
fn is_beyond_ureq(stream: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stream).to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let minor = text.split("http/1.").skip(1).any(|rest| !rest.starts_with(['0', '1']));
    let listed = has(&["transfer-encoding"]) && text.contains(',');
    let empty = text.matches("transfer-encoding").count() > 1;
    has(&["\n ", "\n\t", " ;", "\t;"]) || minor || listed || empty || text.lines().count() > 100
}

/// Whether an interim head begins here.
fn is_interim(stream: &[u8]) -> bool {
    let head = stream.trim_ascii_start();
    head.starts_with(b"HTTP/1.") && head.get(8..10) == Some(b" 1")
}
