//! The code that test binaries share: adapters, and layers to run scenarios through.
//!
//! Tests and chores depend on it, published crates do not.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may tell the time; what must be deterministic is what they test"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "each example brings what it has in common with the others"
)]

#[cfg(feature = "sockets")]
pub mod adapters;
pub mod layers;

/// The code of the guide to embedding, compiled.
#[cfg(doctest)]
#[doc = include_str!("../crates/discovery-core/docs/guide.md")]
struct Guide;

/// The code of the project's README, compiled.
#[cfg(all(doctest, feature = "sockets"))]
#[doc = include_str!("../README.md")]
struct Readme;
