//! Matrix server discovery as a pure state machine.
//!
//! A server name goes in; where to connect, which `Host` to send and what the certificate must be valid for come out.
//! In between the machine hands out requests (one DNS question to one name server, one GET to one address) and takes
//! answers, in any order. It opens no socket, reads no clock and draws no randomness of its own. The [`guide`] shows how to run it on
//! a loop of your own.

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

mod address;
mod addresses;
mod backoff;
mod board;
mod cache;
mod changes;
mod config;
mod counters;
mod explain;
mod export;
mod facts;
mod families;
mod feedback;
mod few;
mod freshness;
mod hosts;
mod inquiries;
mod inquiry;
pub mod life;
mod lookup;
mod name;
mod name_servers;
mod order;
mod outcome;
mod own_clock;
mod pause;
mod policy;
mod question;
mod rand;
mod reply;
mod request;
mod resolution;
mod resolver;
mod results;
mod revision;
mod segments;
mod slots;
mod spec;
mod special;
mod srv;
mod time;
mod url;
mod well_known;

pub use address::{AddressPolicy, Denied, DeniedReason, Otherwise};
pub use addresses::Addresses;
pub use changes::{BadCursor, Cursor};
pub use config::{Config, HashKey};
pub use counters::Counters;
pub use explain::{Decision, Effect, Explanation, MovedBack, Step};
pub use export::{BadExport, Export, Exported, Impossible, MAX_EXPORT_FACTS};
pub use families::{AddressFamily, FamiliesHealth, FamilyHealth};
pub use feedback::{FailedPlace, Feedback};
pub use freshness::Freshness;
pub use name::{
    DnsName, Host, InvalidDnsName, InvalidServerName, MAX_DNS_NAME_LENGTH, MAX_HOST_LENGTH,
    MAX_LABEL_LENGTH, ServerName, TlsName,
};
pub use name_servers::NameServer;
pub use outcome::{Failed, FailureKind, Fault, Outcome, Resolved, Target, Timed, Timeline};
pub use policy::{
    Families, Gone, OnFailure, OnInvalidDocument, Policy, Speculation, SrvTargetAlias,
};
pub use question::{DocumentError, Fact, Failure, NotFound, Question, RedirectError, Useless};
pub use request::{
    Answer, Deadline, Disposition, DnsError, DnsId, DnsRecord, DnsReply, DnsRequest, DnsTransport,
    EARLIEST_CLOCK, Event, HttpError, HttpGet, HttpId, HttpResponse, Noticed, RecordData,
    RecordKind, Request, RequestId, Routes, Service, Ticket, Why,
};
pub use resolution::{Resolution, State};
pub use resolver::{FromMemory, LastFailure, Missing, Resolver, Row, Standing, Taught};
pub use revision::{Revision, UnknownRevision};
pub use time::{Instant, UnixMillis, UnixTime};
pub use url::{BadUrl, Url};
pub use well_known::parse as parse_document;

#[cfg(doc)]
#[doc = include_str!("../SPECIFICATION.md")]
pub mod specification {}

/// The code of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

// Its code needs the wire, so it is compiled by the crate of the tests.
#[cfg(not(doctest))]
#[doc = include_str!("../EMBEDDING.md")]
pub mod guide {}
