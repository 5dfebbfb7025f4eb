//! Whether certificates that seem not valid yet mean that this machine's clock is wrong.
//!
//! Each counted host needs a certificate of its own, and any answer over TLS that was believed starts the count again. While the clock
//! is doubted nothing changes but the meaning of "not valid yet", so an attacker with several hosts can only make that error
//! temporary.

use crate::io::HttpError;
use crate::name::TlsName;

/// At so many hosts in a row a certificate must have seemed not valid yet. Fewer may be mistakes of their servers.
const ENOUGH: usize = 3;

/// The state of this machine's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OwnClock {
    /// The hosts whose certificates seemed not valid yet since the last one that showed the clock to be right. No more than are
    /// enough.
    doubted_by: Vec<TlsName>,
}

impl OwnClock {
    /// Reads the error of a GET: what it means, given what happened before.
    pub(crate) fn judge(&mut self, host: &TlsName, error: HttpError) -> HttpError {
        if error == HttpError::CertificateExpired {
            // A clock that is behind sees no certificate expire.
            self.trust();
        }
        if error != HttpError::CertificateNotYetValid {
            return error;
        }
        if !self.doubted_by.contains(host) && self.doubted_by.len() < ENOUGH {
            self.doubted_by.push(host.clone());
        }
        if self.doubted_by.len() >= ENOUGH { HttpError::WrongClock } else { error }
    }

    /// Notes that a certificate was valid.
    pub(crate) fn trust(&mut self) {
        self.doubted_by.clear();
    }
}
