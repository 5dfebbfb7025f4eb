//! Tests of guarantees against attackers, one file for each kind of attack.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    reason = "tests, and they serve as the attackers' side of the network"
)]

mod certificates;
mod dns;
mod floods;
mod http;
mod records;
mod renegotiation;
mod ssrf;
mod stack;
mod tls;
