//! The cache: facts, results and reports, in bounded memory.

pub(crate) mod changes;
mod facts;
pub mod life;
pub(crate) mod reports;
pub(crate) mod results;
pub(crate) mod slru;
mod staleness;

pub(crate) use facts::{Cache, Entry, ReadMode};
pub(crate) use staleness::due;
