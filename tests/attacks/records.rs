//! TLS for a server that can send any record once it has keys, which rustls would not do. Plaintext behind a mark is
//! encrypted and sent as the type of the mark.
//!
//! The tests decide what is sent.

use std::sync::OnceLock;

use rustls::crypto::CryptoProvider;
use rustls::crypto::cipher::{
    AeadKey, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter, OutboundChunks,
    OutboundOpaqueMessage, OutboundPlainMessage, Tls12AeadAlgorithm, Tls13AeadAlgorithm,
    UnsupportedOperationError,
};
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::{
    CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite,
    Tls12CipherSuite, Tls13CipherSuite,
};

/// Marks a record that is not application data; the type of the record follows.
const MARK: &[u8] = b"\0as record \0";

/// A record, to be written as plaintext.
pub fn record(kind: ContentType, content: &[u8]) -> Vec<u8> {
    [MARK, &[u8::from(kind)], content].concat()
}

/// One suite for each version of TLS.
pub fn provider() -> CryptoProvider {
    static SUITES: OnceLock<[SupportedCipherSuite; 2]> = OnceLock::new();
    let make = || {
        let (SupportedCipherSuite::Tls12(tls12), SupportedCipherSuite::Tls13(tls13)) = (
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ) else {
            panic!("each is of its version");
        };
        let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
            suite: common.suite,
            hash_provider: common.hash_provider,
            confidentiality_limit: common.confidentiality_limit,
        };
        let tls12 = Tls12CipherSuite {
            common: common(&tls12.common),
            prf_provider: tls12.prf_provider,
            kx: tls12.kx,
            sign: tls12.sign,
            aead_alg: Box::leak(Box::new(Marked(tls12.aead_alg))),
        };
        let tls13 = Tls13CipherSuite {
            common: common(&tls13.common),
            hkdf_provider: tls13.hkdf_provider,
            aead_alg: Box::leak(Box::new(Marked(tls13.aead_alg))),
            quic: None,
        };
        [
            SupportedCipherSuite::Tls12(Box::leak(Box::new(tls12))),
            SupportedCipherSuite::Tls13(Box::leak(Box::new(tls13))),
        ]
    };
    let cipher_suites = SUITES.get_or_init(make).to_vec();
    CryptoProvider { cipher_suites, ..default_provider() }
}

struct Marked<T: ?Sized>(T);

impl Tls12AeadAlgorithm for Marked<&'static dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(Marked(self.0.encrypter(key, iv, extra)))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }
}

impl Tls13AeadAlgorithm for Marked<&'static dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Marked(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

impl MessageEncrypter for Marked<Box<dyn MessageEncrypter>> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        number: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let plain = message.payload.to_vec();
        let Some([kind, content @ ..]) = plain.strip_prefix(MARK) else {
            return self.0.encrypt(message, number);
        };
        let payload = OutboundChunks::Single(content);
        let typ = ContentType::from(*kind);
        self.0.encrypt(OutboundPlainMessage { typ, payload, ..message }, number)
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        self.0.encrypted_payload_len(length)
    }
}
