//! The machine's fifteen invariants, each as a property of arbitrary runs, for one name and for many.
//!
//! A run is whatever an adversary does: answers true and false, late, twice, never asked for; clocks that jump and go back; few
//! slots, many names. What must come out of a well-behaved world is the business of scenarios, not of these tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[macro_use]
mod runs;
mod consequences;
mod edit;
mod invariants;
