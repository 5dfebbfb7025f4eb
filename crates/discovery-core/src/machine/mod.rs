//! The machines: one lookup, one resolution, and the resolver of many names.
//!
//! `Resolution` and `Resolver` share `Lookup` and `InFlight`; neither wraps the other. `Resolution` therefore stays a
//! value that is small enough for the explorer to copy it millions of times.

mod counters;
mod forget;
mod import;
mod inspect;
mod lookup;
mod patience;
mod report;
mod resolution;
mod resolver;
mod run;

pub use counters::Counters;
pub use import::ImportSummary;
pub use inspect::{CacheEntry, CacheLookup, Delegation, LastFailure, Missing, Standing};
pub(crate) use lookup::{Lookup, LookupState};
pub(crate) use patience::Due;
pub use resolution::{Resolution, State};
pub(crate) use resolver::{Detached, Running};
pub use resolver::{FactEntry, Resolver};
