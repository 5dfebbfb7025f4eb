//! For fuzz targets: reads a response without TLS. Not part of the API: it is behind a feature and changes without notice.

use discovery_core::{HttpError, HttpResponse, UnixTime};

use crate::http::{Progress, Reading};

/// How the stream of a response goes on behind its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The other side says that it ends.
    Told,
    /// It just ends.
    Cut,
    /// It does not end.
    Open,
}

/// Reads a response that comes in these parts. None: more would have to come.
pub fn read_response<'a>(
    parts: impl IntoIterator<Item = &'a [u8]>,
    end: StreamEnd,
    max_body: usize,
) -> Option<Result<HttpResponse, HttpError>> {
    let mut reading = Reading::new(max_body);
    for part in parts {
        if let Progress::Finished(result) = reading.push(part, Some(UnixTime(1_700_000_000))) {
            return Some(result);
        }
    }
    match end {
        StreamEnd::Told => Some(reading.end(true)),
        StreamEnd::Cut => Some(reading.end(false)),
        StreamEnd::Open => None,
    }
}
