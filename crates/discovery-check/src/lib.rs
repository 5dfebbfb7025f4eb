//! Checks whether other Matrix servers can reach a server name, and says what to change.
//!
//! [`Checker::check`] resolves a name and tries every address of both families: TCP, TLS with any certificate, the server's
//! signing keys and version, and the `.well-known` document. It sends at most two requests to each address, none of which
//! needs authentication, and takes at most 10 s. What it saw is [`Evidence`], which can be written to a file.
//!
//! [`judge`] makes a [`Report`] of it: a verdict, and [findings](Finding) with stable ids, the values that show them and what
//! to do. It is a pure function, so a recorded check gives the same report on every machine.
#![allow(
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "a check opens connections and reads clocks; kinds of errors that it does not know have one finding"
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod certificate;
mod check;
mod findings;
mod json;
mod judge;
mod keys;
mod probe;
mod report;
mod tls;

pub use certificate::{Certificate, VerifyError};
pub use check::Checker;
pub use findings::{CATALOGUE, Finding, Kind, Severity, kind};
pub use judge::{Evidence, Lookup, Thresholds, judge, printable};
pub use keys::{Key, Keys, MAX_KEYS, Signature};
pub use probe::{Answer, Body, DocumentProbe, HttpFailure, Software, TargetProbe, Tcp};
pub use report::{Counts, Federates, Report, Resolution, SCHEMA, Verdict};
pub use tls::{TlsFailure, TlsProbe};
