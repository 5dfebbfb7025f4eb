//! Bodies of the fuzz targets that need bytes of the wire, or another reader of the same text to compare with.
//!
//! Each body takes bytes and panics where something does not hold; where the other reader is known to read differently, and why
//! we do not, stands beside the line that lets the difference pass. What needs neither is in `discovery_sim::fuzz`.

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

/// Cuts bytes into parts as long as the cuts say, in turn; all of them, in order.
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

/// Takes so many bytes from the front; fewer where there are fewer.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (front, rest) = bytes.split_at(count.min(bytes.len()));
    *bytes = rest;
    front
}
