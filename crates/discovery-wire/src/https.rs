//! One GET over TLS: what to send when, and when the answer is there.
//!
//! Knows nothing of sockets.

use std::sync::Arc;

use discovery_core::{HttpError, HttpGet, HttpResponse, UnixTime};
use rustls::ClientConfig;

use crate::http::{self, Progress, Reading};
use crate::tls::{Received, Tls};

/// A GET on its way.
pub(crate) struct Https {
    tls: Tls,
    request: Vec<u8>,
    reading: Reading,
    up: bool,
}

impl Https {
    /// Prepares the request. Fails where TLS cannot express the name, or the URL names no host.
    pub(crate) fn new(get: &HttpGet, config: Arc<ClientConfig>) -> Result<Self, HttpError> {
        let tls = Tls::new(config, &get.tls_name)?;
        let request = http::request(get).ok_or(HttpError::Local)?;
        Ok(Self { tls, request, reading: Reading::new(get.max_body), up: false })
    }

    /// The connection is there.
    pub(crate) fn opened(&mut self, output: &mut Vec<u8>) {
        self.tls.flush(output);
    }

    /// Whether TLS is up: the other side has proven its name.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Bytes have come, or the end of the stream (none). `Some` is the end, with what must still be sent in `output`.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        now: Option<UnixTime>,
        output: &mut Vec<u8>,
    ) -> Option<Result<HttpResponse, HttpError>> {
        let result = if bytes.is_empty() {
            // Nobody said that this is the end: somebody may have cut it.
            Some(self.reading.end(false))
        } else {
            self.receive(bytes, now)
        };
        if result.as_ref().is_some_and(Result::is_ok) {
            self.tls.close();
        }
        // After an error too: the alert tells the other side what went wrong.
        self.tls.flush(output);
        result
    }

    fn receive(
        &mut self,
        mut bytes: &[u8],
        now: Option<UnixTime>,
    ) -> Option<Result<HttpResponse, HttpError>> {
        while !bytes.is_empty() {
            let mut progress = Progress::Unfinished;
            let reading = &mut self.reading;
            let received = self.tls.receive(&mut bytes, |plain| {
                if progress == Progress::Unfinished {
                    progress = reading.push(plain, now);
                }
            });
            if !self.up && self.tls.is_up() {
                self.up = true;
                if self.tls.is_other_protocol() {
                    return Some(Err(HttpError::Protocol));
                }
                if let Err(error) = self.tls.send(&std::mem::take(&mut self.request)) {
                    return Some(Err(error));
                }
            }
            if let Progress::Finished(result) = progress {
                return Some(result);
            }
            match received {
                Err(error) => return Some(Err(error)),
                Ok(Received::Closed) => return Some(self.reading.end(true)),
                Ok(Received::Open) => {}
            }
        }
        None
    }
}
