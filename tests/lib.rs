//! What the test binaries of this project share: adapters, layers to run scenarios through, and cases in JSON.
//!
//! Tests and chores depend on it; nothing that is published does.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may tell the time; what must be deterministic is what they test"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "each example brings what it has in common with the others"
)]

pub mod adapters;
pub mod cases;
pub mod layers;

/// The code of the guide to embedding, compiled.
#[cfg(doctest)]
#[doc = include_str!("../crates/discovery-core/EMBEDDING.md")]
struct Guide;
