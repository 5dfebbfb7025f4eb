//! What is verified once and what is not, by an algorithm that counts, and by a real one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::alg_id;

use super::*;

/// Finds good what is signed by `good`, and counts how often it is asked.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl SignatureVerificationAlgorithm for Counting {
    fn verify_signature(&self, _: &[u8], _: &[u8], by: &[u8]) -> Result<(), InvalidSignature> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if by == b"good" { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

const GOOD: [&[u8]; 3] = [b"key", b"message", b"good"];

/// How often the algorithm itself is asked for each of these, asked for one after the other.
fn asked(these: &[[&[u8]; 3]]) -> Vec<usize> {
    let counting: &'static Counting = Box::leak(Box::default());
    let remembering = Remembering { algorithm: counting, known: Mutex::default() };
    let ask = |[key, message, signature]: &[&[u8]; 3]| {
        let before = counting.0.load(Ordering::Relaxed);
        let verdict = remembering.verify_signature(key, message, signature);
        assert_eq!(verdict.is_ok(), *signature == b"good");
        counting.0.load(Ordering::Relaxed) - before
    };
    these.iter().map(ask).collect()
}

#[test]
fn a_good_signature_is_verified_once() {
    assert_eq!(asked(&[GOOD; 3]), [1, 0, 0]);
}

#[test]
fn a_bad_signature_is_verified_each_time() {
    assert_eq!(asked(&[[b"key".as_slice(), b"message", b"bad"]; 3]), [1, 1, 1]);
}

#[test]
fn another_key_message_or_signature_is_another_matter() {
    let these: [[&[u8]; 3]; 6] = [
        [b"key", b"message", b"good"],
        [b"other", b"message", b"good"],
        [b"key", b"other", b"good"],
        [b"key", b"message", b"bad"],
        // The same bytes in all, cut elsewhere.
        [b"keym", b"essage", b"good"],
        [b"key", b"message", b"good"],
    ];
    assert_eq!(asked(&these), [1, 1, 1, 1, 1, 0]);
}

#[test]
fn what_is_in_use_stays_known_whatever_else_comes_and_what_is_not_is_forgotten() {
    let others: Vec<[u8; 2]> = (0..200_u16).map(u16::to_be_bytes).collect();
    let mut these: Vec<[&[u8]; 3]> = vec![[b"unused", b"message", b"good"]];
    for other in &others {
        these.push([b"used", b"message", b"good"]);
        these.push([other, b"message", b"good"]);
    }
    these.push([b"unused", b"message", b"good"]);
    let asked = asked(&these);
    // The first time of the one in use, each other once, and the unused one at the beginning and at the end.
    assert_eq!(asked.iter().sum::<usize>(), 1 + others.len() + 2);
    assert_eq!(asked.last(), Some(&1));
}

#[test]
fn nothing_huge_is_kept() {
    let huge = vec![0; MAX_BYTES + 1];
    assert_eq!(asked(&[[b"key".as_slice(), &huge, b"good"]; 2]), [1, 1]);
}

#[test]
fn of_a_provider_only_what_certificates_bear_is_remembered() {
    let before = rustls::crypto::ring::default_provider();
    let after = remembering_signatures(before.clone());
    let (before, after) =
        (before.signature_verification_algorithms, after.signature_verification_algorithms);
    let ids = |it: &WebPkiSupportedAlgorithms| -> Vec<_> {
        it.all.iter().map(|it| (it.public_key_alg_id(), it.signature_alg_id())).collect()
    };
    assert_eq!(ids(&before), ids(&after));
    assert!(std::ptr::eq(before.mapping, after.mapping), "signatures of connections never recur");
    assert!(after.all.iter().all(|it| it.verify_signature(b"", b"", b"").is_err()));
}

/// R15, R16: that a signature is known says nothing of another name, another time, or a certificate that was changed.
#[test]
fn r15_a_known_certificate_is_still_judged_by_its_name_its_time_and_every_byte() {
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{CertificateParams, Issuer, KeyPair};
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2026, 2, 1));
    let good = params.signed_by(&key, &issuer).unwrap().der().clone();

    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let provider = remembering_signatures(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider));
    let verifier = verifier.build().unwrap();
    let believed = |certificate: &CertificateDer<'_>, name: &'static str, day: u64| {
        let name = ServerName::try_from(name).unwrap();
        // The first of January 2026, and so many days.
        let now = Duration::from_secs(1_767_225_600 + day * 86_400);
        let now = UnixTime::since_unix_epoch(now);
        verifier.verify_server_cert(certificate, &[], &name, &[], now).is_ok()
    };
    assert!(believed(&good, "a.example", 3), "so that its signature is known");
    assert!(believed(&good, "a.example", 3));
    assert!(!believed(&good, "b.example", 3), "another name");
    assert!(!believed(&good, "a.example", 40), "out of date");
    for place in 0..good.len() {
        let mut changed = good.to_vec();
        changed[place] ^= 1;
        assert!(!believed(&changed.into(), "a.example", 3), "byte {place} is another");
    }
    assert!(believed(&good, "a.example", 3));
}
