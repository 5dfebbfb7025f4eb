//! Bodies of the fuzz targets that need the wire, or another parser to compare with.
//!
//! Each body takes bytes and panics on a violation. Known differences to other parsers are explained at the line that
//! accepts them. Bodies that need neither are in `discovery_sim::fuzz`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "whatever panics here is a finding"
)]

mod config;
mod dns;
mod exchange;
mod freshness;
mod http;
mod url;

pub use config::{hosts_target, resolv_conf_target};
pub use dns::dns_target;
pub use exchange::exchange_target;
pub use freshness::freshness_target;
pub use http::http_target;
pub use url::url_target;

/// Splits bytes into parts of the given lengths, in turn.
fn cut<'a>(bytes: &'a [u8], cuts: &'a [u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let wanted = cuts.next().map_or(rest.len(), |cut| usize::from(*cut).max(1));
        let (part, behind) = rest.split_at(wanted.min(rest.len()));
        parts.push(part);
        rest = behind;
    }
    parts
}

/// Takes up to a number of bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (front, rest) = bytes.split_at(count.min(bytes.len()));
    *bytes = rest;
    front
}
