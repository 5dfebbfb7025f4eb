//! Matrix server discovery as a state machine without I/O.
//!
//! Given a server name, a [`Resolution`] (one name) or a [`Resolver`] (many names and a cache) says where to connect, which `Host`
//! to send and what the certificate must be valid for. It hands out requests — one DNS question to one name server, one GET to
//! one address — and takes their answers, in any order. It opens no socket, reads no clock and draws no randomness.
//!
//! ```
//! use discovery_core::{
//!     Answer, Config, DnsRecord, DnsReply, Event, Instant, RecordData, RecordType, Request,
//!     Resolution,
//! };
//!
//! let now = Instant::ORIGIN;
//! // The name has a port, so addresses are all that is asked for (step 2).
//! let mut resolution = Resolution::new("example.org:8448".parse()?, &Config::default(), now);
//! while let Some(event) = resolution.poll() {
//!     match event {
//!         // A driver sends the query; here the reply is made up.
//!         Event::Request(Request::Dns(query)) => {
//!             let data = RecordData::A([93, 184, 215, 14].into());
//!             let record = DnsRecord { owner: query.name, ttl: 300, data };
//!             let records = if query.kind == RecordType::A { vec![record] } else { Vec::new() };
//!             let reply = DnsReply::with_records(records);
//!             let _ = resolution.handle_answer(Answer::Dns(query.id, Ok(reply)), now);
//!         }
//!         Event::Request(Request::Http(get)) => unreachable!("{get:?}"),
//!         Event::Cancel(_) => {}
//!         Event::Finished(_, outcome) => {
//!             let resolved = outcome?;
//!             assert_eq!(resolved.host_header_str(), "example.org:8448");
//!             assert!(resolved.socket_addrs().eq(["93.184.215.14:8448".parse()?]));
//!         }
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The [`guide`] leads from here to a driver on an event loop of your own. Programs on tokio, smol, async-std or threads use
//! `discovery-tokio` and its siblings instead.

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::get_unwrap,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable
    )
)]

// In layers: each module uses only itself and those above it (checked by `cargo xtask tidy`).
mod util; // instants, the deterministic random generator
mod name; // what a name is
mod address; // which addresses may be used, and in which order
mod revision; // the revisions of the specification
mod policy; // every choice that the specification leaves open
mod config; // what a machine is made with
mod io; // the border to the driver: requests and answers
mod fact; // questions, facts, and how long they may be used
mod outcome; // results, errors, explanations
mod events; // what a machine hands out
mod cache; // what outlives a lookup
mod export; // facts as text
mod spec; // the specification as a function over facts
mod query; // questions on their way to an answer
mod machine; // lookup, resolution, resolver

pub use address::{
    AddressFamily, AddressPolicy, Addresses, DefaultAction, Denied, DeniedReason, Families, Routes,
};
pub use cache::changes::{BadCursor, Cursor};
pub use config::{Config, HashKey};
pub use events::{Deadline, DeadlineKind, Disposition, Event, Ticket};
pub use export::{BadExport, Export, Exported, Impossible};
pub use fact::from_http::parse as parse_document;
pub use fact::{DocumentError, Fact, Failure, NotFound, Question, RedirectError, UnusableResponse};
pub use io::{
    Answer, DnsError, DnsId, DnsRecord, DnsReply, DnsRequest, EARLIEST_CLOCK, HttpError, HttpGet,
    HttpId, HttpResponse, Noticed, RecordData, RecordType, Request, RequestId, SrvRecord,
};
pub use machine::{
    CacheEntry, CacheLookup, Counters, Delegation, FactEntry, ImportSummary, LastFailure, Missing,
    Resolution, Resolver, Standing,
};
pub use name::{
    BadUrl, DnsName, Host, InvalidDnsName, InvalidServerName, MAX_DNS_NAME_LENGTH, MAX_HOST_LENGTH,
    MAX_LABEL_LENGTH, ServerName, TlsName, Url,
};
pub use outcome::{
    Decision, Effect, ErrorKind, ErrorOrigin, Explanation, FailedEndpoint, Feedback, MovedBack,
    Outcome, ResolveError, Resolved, Route, SrvRank, Step, Target, Timed, Timeline,
};
pub use policy::{
    CachePolicy, DnsPolicy, DnsTransport, FeedbackPolicy, LimitsPolicy, OnFailure, OnHttpGone,
    OnInvalidDocument, Policy, SpecPolicy, Speculation, SrvTargetAlias, WellKnownPolicy,
};
pub use query::{FamiliesHealth, FamilyHealth, NameServer};
pub use revision::{Revision, UnknownRevision};
pub use util::{Instant, UnixMillis, UnixTime};

/// Requests and responses are made of its types.
pub use http;

// For the tests of this workspace, which explore states and read headers; no part of the interface.
#[doc(hidden)]
pub use cache::life;
#[doc(hidden)]
pub use export::MAX_EXPORT_FACTS;
#[doc(hidden)]
pub use fact::lifetime::Freshness;
#[doc(hidden)]
pub use machine::State;

#[cfg(doc)]
#[doc = include_str!("../docs/invariants.md")]
pub mod invariants {}

#[cfg(doc)]
#[doc = include_str!("../docs/policy.md")]
pub mod settings {}

#[cfg(doc)]
#[doc = include_str!("../docs/specification.md")]
pub mod specification {}

// Its code needs the wire, so it is compiled by the crate of the tests.
#[cfg(not(doctest))]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
