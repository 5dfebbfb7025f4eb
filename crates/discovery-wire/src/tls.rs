//! TLS by rustls, over slices: the only module that names rustls' connection.
//!
//! Knows nothing of HTTP. Which authorities are trusted, which provider computes and which protocols are offered is all
//! the caller's configuration (R16).

use std::io::{BufRead, Write};
use std::sync::Arc;

use discovery_core::{EARLIEST_CLOCK, HttpError};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, InvalidMessage, OtherError};

use crate::bounded::ChainTooLong;

/// One TLS connection, seen from the client.
pub(crate) struct Tls {
    connection: ClientConnection,
}

impl Tls {
    /// Begins a connection to a server with a certificate for `name` from a trusted authority of the configuration (R15):
    /// generates keys, and queues the first message.
    pub(crate) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, HttpError> {
        let connection = ClientConnection::new(config, name).map_err(|error| tls_error(&error))?;
        Ok(Self { connection })
    }

    /// Appends what must be sent now.
    pub(crate) fn flush(&mut self, output: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // Writing to a vector neither fails nor stops short.
            if !matches!(self.connection.write_tls(output), Ok(1..)) {
                return;
            }
        }
    }

    /// Takes in a portion of what was received, and moves `bytes` behind it. Plaintext goes to `plain`, also where the
    /// portion ends with an error: what came before the error counts.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut &[u8],
        mut plain: impl FnMut(&[u8]),
    ) -> Result<Received, HttpError> {
        let before = bytes.len();
        self.connection.read_tls(bytes).map_err(|_| HttpError::Tls)?;
        let state = self.connection.process_new_packets();
        let mut reader = self.connection.reader();
        while let Ok(chunk @ [_, ..]) = reader.fill_buf() {
            let count = chunk.len();
            plain(chunk);
            reader.consume(count);
        }
        match state {
            Err(error) => Err(tls_error(&error)),
            Ok(state) if state.peer_has_closed() => Ok(Received::Closed),
            // rustls takes nothing only behind the end of the connection.
            Ok(_) if bytes.len() == before => Ok(Received::Closed),
            Ok(_) => Ok(Received::Open),
        }
    }

    /// Whether the handshake is done and the other side has proven its name.
    pub(crate) fn is_up(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Whether the two sides agreed on a protocol that is not HTTP/1.1.
    pub(crate) fn is_other_protocol(&self) -> bool {
        self.connection.alpn_protocol().is_some_and(|name| name != b"http/1.1")
    }

    /// Encrypts and queues.
    pub(crate) fn send(&mut self, plain: &[u8]) -> Result<(), HttpError> {
        self.connection.writer().write_all(plain).map_err(|_| HttpError::Tls)
    }

    /// Queues the alert that says that nothing more will be sent.
    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
    }
}

/// The state of a connection after some received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// More may come.
    Open,
    /// The other side has said that nothing more will come.
    Closed,
}

/// The kind of a rustls error, for the answer to a request. Errors that do not concern the certificate are failures of TLS.
///
/// For drivers that use rustls through another library. An error on account of time is [`HttpError::WrongClock`] where the clock
/// that the certificate was judged by shows a time before [`EARLIEST_CLOCK`].
#[must_use]
pub fn tls_error(error: &Error) -> HttpError {
    use CertificateError as Bad;
    if let Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) =
        error
    {
        HttpError::CertificateName
    } else if let Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) = error {
        HttpError::CertificateExpired
    } else if let Error::InvalidCertificate(Bad::NotValidYetContext { time, .. }) = error
        && time.as_secs() < EARLIEST_CLOCK.0
    {
        HttpError::WrongClock
    } else if let Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) =
        error
    {
        HttpError::CertificateNotYetValid
    } else if let Error::InvalidCertificate(
        Bad::UnsupportedSignatureAlgorithmContext { .. }
        | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
    ) = error
    {
        HttpError::CertificateAlgorithm
    } else if is_chain_too_long(error) {
        HttpError::CertificateChain
    } else if matches!(error, Error::InvalidCertificate(_) | Error::NoCertificatesPresented) {
        HttpError::Certificate
    } else if matches!(error, Error::FailedToGetCurrentTime | Error::FailedToGetRandomBytes) {
        // Our own side: no clock to judge the certificate by, no randomness for the keys.
        HttpError::Local
    } else {
        HttpError::Tls
    }
}

fn is_chain_too_long(error: &Error) -> bool {
    if let Error::InvalidCertificate(CertificateError::Other(OtherError(why))) = error {
        return why.is::<ChainTooLong>();
    }
    // No other handshake message gets as large.
    matches!(
        error,
        Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge
        )
    )
}
