//! The cache of a resolver, in specific worlds and in random sessions that are compared with a model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::missing_panics_doc,
    reason = "tests"
)]

mod bounds;
mod concurrency;
mod diagram;
mod families;
mod feedback;
mod session;
mod servers;
mod time;
mod inspect;
