//! The addresses of one host and family. A single address, the usual case, needs no allocation.
//!
//! Knows nothing of where they come from or what they are for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Addresses in the order received, without duplicates. Cheap to clone; otherwise a slice.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Vec<IpAddr>", into = "Vec<IpAddr>")]
pub struct Addresses(Kept);

#[derive(Clone)]
enum Kept {
    One(IpAddr),
    Several(Arc<[IpAddr]>),
}

impl Addresses {
    /// The heap memory of this value, in bytes.
    pub(crate) fn size(&self) -> usize {
        match &self.0 {
            Kept::One(_) => 0,
            Kept::Several(addresses) => size_of_val(&**addresses),
        }
    }
}

impl Deref for Addresses {
    type Target = [IpAddr];

    fn deref(&self) -> &[IpAddr] {
        match &self.0 {
            Kept::One(address) => std::slice::from_ref(address),
            Kept::Several(addresses) => addresses,
        }
    }
}

impl From<Vec<IpAddr>> for Addresses {
    fn from(addresses: Vec<IpAddr>) -> Self {
        Self(match *addresses {
            [address] => Kept::One(address),
            _ => Kept::Several(addresses.into()),
        })
    }
}

impl From<Addresses> for Vec<IpAddr> {
    fn from(addresses: Addresses) -> Self {
        addresses.to_vec()
    }
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        Vec::from_iter(addresses).into()
    }
}

impl PartialEq for Addresses {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Addresses {}

impl Hash for Addresses {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
