//! How much work a certificate chain can cause: signatures are counted, not timed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::sync::Mutex;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, UnixTime,
};

use super::*;

/// A certificate of an authority, or of a server.
struct Made {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn make(subject: &str, issuer: Option<&Made>, is_ca: bool) -> Made {
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, subject);
    if is_ca {
        params.subject_alt_names.clear();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, &issuer.issuer),
        None => params.self_signed(&key),
    };
    let der = certificate.unwrap().der().clone();
    Made { der, issuer: Issuer::new(params, key) }
}

/// A root, so many authorities in a row below it, and a server's certificate.
fn row(authorities: usize) -> (Made, Vec<CertificateDer<'static>>, CertificateDer<'static>) {
    let root = make("root", None, true);
    let mut all: Vec<Made> = Vec::new();
    for number in 0..authorities {
        let above = all.last().unwrap_or(&root);
        all.push(make(&number.to_string(), Some(above), true));
    }
    let leaf = make("leaf", Some(all.last().unwrap_or(&root)), false).der;
    (root, all.into_iter().rev().map(|made| made.der).collect(), leaf)
}

/// Counts how often a signature is verified.
#[derive(Debug)]
struct Counting {
    inner: &'static dyn SignatureVerificationAlgorithm,
    count: Arc<Mutex<usize>>,
}

impl SignatureVerificationAlgorithm for Counting {
    fn verify_signature(&self, key: &[u8], m: &[u8], s: &[u8]) -> Result<(), InvalidSignature> {
        *self.count.lock().unwrap() += 1;
        self.inner.verify_signature(key, m, s)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}

/// What comes of a chain, and how many signatures were verified for it.
fn judge(
    root: &Made,
    leaf: &CertificateDer<'static>,
    chain: &[CertificateDer<'static>],
) -> (Result<(), Error>, usize) {
    let count = Arc::new(Mutex::new(0));
    let mut provider = rustls::crypto::ring::default_provider();
    let algorithms = provider.signature_verification_algorithms.all.iter();
    let counting: Vec<&'static dyn SignatureVerificationAlgorithm> = algorithms
        .map(|&inner| {
            let counting = Counting { inner, count: Arc::clone(&count) };
            &*Box::leak(Box::new(counting)) as &dyn SignatureVerificationAlgorithm
        })
        .collect();
    provider.signature_verification_algorithms.all = Box::leak(counting.into_boxed_slice());
    let provider = remembering_signatures(provider);
    let mut roots = RootCertStore::empty();
    roots.add(root.der.clone()).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider))
        .build()
        .unwrap();
    let name = ServerName::try_from("a.example").unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
    let said = bounded_verification(verifier).verify_server_cert(leaf, chain, &name, &[], now);
    let count = *count.lock().unwrap();
    (said.map(|_| ()), count)
}

fn is_refused(said: &Result<(), Error>) -> bool {
    let Err(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) = said else {
        return false;
    };
    why.is::<ChainTooLong>()
}

#[test]
fn a_chain_of_six_authorities_is_believed_and_one_of_ten_certificates_is_judged() {
    let (root, chain, leaf) = row(6);
    assert_eq!(judge(&root, &leaf, &chain), (Ok(()), 7));
    // Superfluous certificates, up to ten in all; in the wrong order.
    let mut more = chain.clone();
    more.reverse();
    more.extend([root.der.clone(), leaf.clone(), make("other", None, true).der]);
    assert_eq!(more.len() + 1, MAX_CERTIFICATES);
    assert_eq!(judge(&root, &leaf, &more), (Ok(()), 7));
    more.push(make("one more", None, true).der);
    let (said, signatures) = judge(&root, &leaf, &more);
    assert!(is_refused(&said) && signatures == 0, "{said:?}");
}

#[test]
fn a_chain_over_64_kib_is_refused_unparsed() {
    let (root, chain, leaf) = row(1);
    let large = |bytes: usize| [chain.clone(), vec![CertificateDer::from(vec![0; bytes])]].concat();
    let rest = MAX_BYTES - leaf.len() - chain[0].len();
    assert!(is_refused(&judge(&root, &leaf, &large(rest + 1)).0));
    // What cannot be parsed is skipped where it is not needed, but not by rustls.
    assert!(!is_refused(&judge(&root, &leaf, &large(rest)).0));
}

#[test]
fn r33_authorities_that_all_issue_each_other_are_refused_before_a_path_is_built() {
    // Nine certificates of one name, each signed by another one: 79,209 paths.
    let root = make("root", None, true);
    let strange = make("same", None, true);
    let same: Vec<_> = (0..9).map(|_| make("same", Some(&strange), true).der).collect();
    let leaf = make("leaf", Some(&strange), false).der;
    let (said, signatures) = judge(&root, &leaf, &same);
    assert!(is_refused(&said) && signatures == 0, "{said:?}");
    // Six layers of shared names with one or two in each are as many as are checked.
    let two: Vec<_> = same.iter().take(3).cloned().collect();
    assert!(!is_refused(&judge(&root, &leaf, &two).0));
}

#[test]
fn twins_and_cross_signed_authorities_are_no_reason_to_refuse() {
    let (root, chain, leaf) = row(2);
    let other = make("other", None, true);
    let cross = make("root", Some(&other), true).der;
    let twins = [&chain[..], &chain[..], &[cross, other.der.clone(), root.der.clone()]].concat();
    let (said, signatures) = judge(&root, &leaf, &twins);
    assert_eq!(said, Ok(()));
    assert!(signatures <= 3, "{signatures}");
}

#[test]
fn no_more_than_sixteen_signatures_are_verified_for_one_chain() {
    // Three authorities with the root's name, and a certificate that none of them has signed: 15 paths, 31 signatures.
    let root = make("root", None, true);
    let same: Vec<_> = (0..3).map(|_| make("root", Some(&root), true).der).collect();
    let leaf = make("leaf", Some(&make("root", None, true)), false).der;
    let (said, signatures) = judge(&root, &leaf, &same);
    assert!(is_refused(&said), "{said:?}");
    assert_eq!(signatures, MAX_SIGNATURES);
    // The next chain has as many again.
    let (root, chain, leaf) = row(6);
    assert_eq!(judge(&root, &leaf, &chain), (Ok(()), 7));
}

#[test]
fn a_configuration_without_roots_is_none() {
    let provider = rustls::crypto::ring::default_provider();
    assert!(client_config(provider, RootCertStore::empty()).is_err());
}
