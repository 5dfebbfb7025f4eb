//! The machine's fifteen invariants, each as a property of arbitrary runs, for one name and for many.
//!
//! A run is adversarial: true and false answers, late, duplicate and unsolicited ones; clocks that jump and go back; few
//! slots, many names. Scenarios test the results in well-behaved worlds.
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
