//! Instants, the deterministic random generator, and small containers.

mod backoff;
pub(crate) mod duration;
mod few;
pub(crate) mod links;
mod rand;
mod time;

pub(crate) use backoff::Backoff;
pub(crate) use few::{Few, few_more};
pub(crate) use rand::Draw;
pub use time::{Instant, UnixMillis, UnixTime};
