//! One GET over TLS: what to send when, and when the answer is there.
//!
//! Knows nothing of sockets.
//!
//! TLS starts when the TCP connection is established. Creating keys is expensive, and many names have no server on port
//! 443.

use std::sync::Arc;

use discovery_core::{HttpError, HttpGet, HttpResponse, UnixTime};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::http::{self, Progress, Reading};
use crate::tls::{Received, Tls};

/// A GET on its way.
pub(crate) struct Https {
    stage: Stage,
    request: Vec<u8>,
    reading: Reading,
    up: bool,
}

enum Stage {
    /// Not connected. TLS begins by generating keys, which would be wasted on a connection that is refused.
    Before(Arc<ClientConfig>, ServerName<'static>),
    /// Connected.
    Open(Box<Tls>),
}

impl Https {
    /// Prepares the request. Fails where TLS cannot express the name, or the URL names no host.
    pub(crate) fn new(get: &HttpGet, config: Arc<ClientConfig>) -> Result<Self, HttpError> {
        let stage = Stage::Before(config, (&get.tls_name).try_into().map_err(|_| HttpError::Tls)?);
        let request = http::request(get).ok_or(HttpError::Local)?;
        Ok(Self { stage, request, reading: Reading::new(get.max_body), up: false })
    }

    /// The connection is up.
    pub(crate) fn opened(&mut self, output: &mut Vec<u8>) -> Result<(), HttpError> {
        if let Stage::Before(config, name) = &self.stage {
            let mut tls = Tls::new(Arc::clone(config), name.clone())?;
            tls.flush(output);
            self.stage = Stage::Open(Box::new(tls));
        }
        Ok(())
    }

    /// Whether the TLS handshake has completed.
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
            // No `close_notify`: the stream may have been truncated.
            Some(self.reading.end(false))
        } else {
            self.receive(bytes, now)
        };
        if let Stage::Open(tls) = &mut self.stage {
            if result.as_ref().is_some_and(Result::is_ok) {
                tls.close();
            }
            // After an error, too: the alert tells the server what went wrong.
            tls.flush(output);
        }
        result
    }

    fn receive(
        &mut self,
        mut bytes: &[u8],
        now: Option<UnixTime>,
    ) -> Option<Result<HttpResponse, HttpError>> {
        let Self { stage: Stage::Open(tls), request, reading, up } = self else { return None };
        while !bytes.is_empty() {
            let mut progress = Progress::Unfinished;
            let received = tls.receive(&mut bytes, |plain| {
                if progress == Progress::Unfinished {
                    progress = reading.push(plain, now);
                }
            });
            if !*up && tls.is_up() {
                *up = true;
                if tls.is_other_protocol() {
                    return Some(Err(HttpError::Protocol));
                }
                if let Err(error) = tls.send(&std::mem::take(request)) {
                    return Some(Err(error));
                }
            }
            if let Progress::Finished(result) = progress {
                return Some(result);
            }
            match received {
                Err(error) => return Some(Err(error)),
                Ok(Received::Closed) => return Some(reading.end(true)),
                Ok(Received::Open) => {}
            }
        }
        None
    }
}
