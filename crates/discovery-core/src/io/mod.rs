//! The border to the driver: requests, answers and their errors, as data.
//!
//! An enum is exhaustive where a driver has to match every variant, and `non_exhaustive` where new kinds of errors may be added.

mod dns;
mod http;
mod request;

pub use dns::{
    DnsError, DnsRecord, DnsReply, DnsRequest, Noticed, RecordData, RecordType, SrvRecord,
};
pub use http::{EARLIEST_CLOCK, HttpError, HttpGet, HttpResponse};
pub(crate) use request::id;
pub use request::{Answer, DnsId, HttpId, Request, RequestId};
