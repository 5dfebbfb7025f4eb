//! A cache of certificate signatures that were verified before.
//!
//! Chains, names and times are not cached: rustls judges them for every connection. Whether a key has signed a message is
//! arithmetic, and comes out the same each time.

use std::cell::Cell;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

/// Signatures remembered for each algorithm, at most: there are about a dozen authorities that nearly everybody's certificates are
/// from, and what is in use stays.
const REMEMBERED: usize = 32;
/// Bytes of one of them, at most: of the certificate, its signature and the key.
const MAX_BYTES: usize = 8192;

/// Makes a provider remember which signatures on certificates it has found good, so that those which many servers present (the ones on
/// the certificates of intermediate authorities, and on wildcard certificates of hosting companies) are verified once.
///
/// Everything else about a certificate is still judged for each connection: its name, its time, the chain that it is in, and whether the server has
/// its key (R15, R16). A signature counts as known only if key, message and signature are the same, byte for byte. At most 32 are kept for each
/// algorithm, each of at most 8 KiB; those that were found bad are not kept.
///
/// It makes a few small tables that live as long as the process: call it once for a provider, not for each connection.
#[must_use]
pub fn remembering_signatures(mut provider: CryptoProvider) -> CryptoProvider {
    let WebPkiSupportedAlgorithms { all, mapping } = provider.signature_verification_algorithms;
    let remembering: Vec<&'static dyn SignatureVerificationAlgorithm> = all
        .iter()
        .map(|&algorithm| {
            let remembering = Remembering { algorithm, known: Mutex::default() };
            &*Box::leak(Box::new(remembering)) as &dyn SignatureVerificationAlgorithm
        })
        .collect();
    // What the server signs for this connection alone goes by `mapping`: it never comes again.
    provider.signature_verification_algorithms =
        WebPkiSupportedAlgorithms { all: Box::leak(remembering.into_boxed_slice()), mapping };
    provider
}

thread_local! {
    /// How many signatures may still be verified for the chain that is being judged on this thread; None: any number.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    /// Whether more were asked for.
    static EXCEEDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `judge` with so many verifications of signatures that are not remembered, of algorithms from [`remembering_signatures`].
/// All others fail. Gives whether there were others.
pub(crate) fn with_signatures<T>(limit: usize, judge: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(Some(limit));
    EXCEEDED.set(false);
    let said = judge();
    LEFT.set(None);
    (said, EXCEEDED.get())
}

/// Takes one verification from those that are left.
fn take_one() -> Result<(), InvalidSignature> {
    let Some(left) = LEFT.get() else { return Ok(()) };
    let Some(left) = left.checked_sub(1) else {
        EXCEEDED.set(true);
        return Err(InvalidSignature);
    };
    LEFT.set(Some(left));
    Ok(())
}

/// A good signature: key, message and signature.
type Known = [Box<[u8]>; 3];

struct Remembering {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    /// The one used last comes last.
    known: Mutex<Vec<Known>>,
}

impl Remembering {
    /// Whether this is known. Marks the entry as used.
    fn knows(&self, it: [&[u8]; 3]) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &Known| known.iter().map(|part| &**part).eq(it);
        let Some(place) = known.iter().rposition(same) else {
            return false;
        };
        if let Some(rest) = known.get_mut(place..) {
            rest.rotate_left(1);
        }
        true
    }

    fn remember(&self, it: [&[u8]; 3]) {
        if it.iter().map(|part| part.len()).sum::<usize>() > MAX_BYTES || self.knows(it) {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.remove(0);
        }
        known.push(it.map(Box::from));
    }
}

impl SignatureVerificationAlgorithm for Remembering {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let it = [public_key, message, signature];
        if !self.knows(it) {
            take_one()?;
            self.algorithm.verify_signature(public_key, message, signature)?;
            self.remember(it);
        }
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.algorithm.fips()
    }
}

impl fmt::Debug for Remembering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.algorithm.fmt(f)
    }
}

#[cfg(test)]
#[path = "signature_cache_tests.rs"]
mod tests;
