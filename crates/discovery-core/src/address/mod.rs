//! Addresses: which may be connected to, and in which order they are tried.

mod list;
mod order;
mod policy;

pub use list::Addresses;
pub(crate) use order::order;
pub use order::{AddressFamily, Routes};
pub use policy::{AddressPolicy, DefaultAction, Denied, DeniedReason, Families};
