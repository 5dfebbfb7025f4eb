//! The effects of facts: what a decision leads to, in words.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::address::{AddressFamily, Denied};
use crate::name::{DnsName, InvalidDnsName, InvalidServerName, ServerName};
use crate::outcome::{ErrorKind, Feedback};

/// A place that comes behind all others for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MovedBack {
    /// The place.
    pub place: SocketAddr,
    /// How it fails.
    pub said: Feedback,
}

/// What follows from a fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// The text is no server name.
    InvalidServerName(InvalidServerName),
    /// Nothing can be asked for under this name.
    UnresolvableName(InvalidDnsName),
    /// The host is an IP literal: nothing is asked.
    IpLiteral(IpAddr),
    /// The port is explicit: no `.well-known`, no SRV.
    ExplicitPort(u16),
    /// The document delegates to this server name.
    Delegated(ServerName),
    /// The redirect or alias is followed.
    Followed,
    /// The redirect leads where the chain has been before (R112): no document.
    RedirectLoop,
    /// More redirects than the policy allows: no document.
    TooManyRedirects,
    /// No document: on at step 4.
    NoDocument,
    /// The host of the document has no address that may be used: no document.
    NoAddressForDocument,
    /// An invalid document ends the lookup in this revision (R75).
    Aborted,
    /// SRV records: these targets are used, in the order of priority; the draw of weights is not part of the
    /// explanation.
    Services,
    /// No such SRV record: on to the next step.
    NotFound,
    /// The failure counts as "not found", as the policy says.
    CountsAsNotFound,
    /// The only target is `.`: the service is not offered (R87).
    NotOffered,
    /// Target dropped: `.` among others, or port 0 (R87, R92).
    TargetDropped(DnsName),
    /// The target is an alias, which RFC 2782 forbids (R62); followed all the same.
    TargetIsAlias,
    /// The target is an alias and is dropped, as the policy says.
    TargetAliasRejected,
    /// More targets than the policy allows: so many were left out.
    TargetsLeftOut(usize),
    /// These addresses are used.
    Used,
    /// These addresses are used; they are from the hosts file.
    UsedFromHostsFile,
    /// No address of this family.
    NoAddress,
    /// The address may not be connected to.
    Denied(Box<Denied>),
    /// The last good answer is used, for no newer one could be had (RFC 8767).
    Stale,
    /// The question was not waited for any longer; the result lacks what it would have brought.
    WentWithout,
    /// The question could not be answered; what other questions brought is used.
    DidWithout,
    /// Port 8448 is used.
    DefaultPort,
    /// In this revision `Host` of a delegated IP carries the port even if none was given (R76).
    HostWithDefaultPort,
    /// The addresses of this family come behind the other's: it leads nowhere from here, as far as is remembered.
    TriedSecond(AddressFamily),
    /// This place comes behind all others for a while: a caller has told how it fails.
    MovedBack(Box<MovedBack>),
    /// The lookup fails, in this way.
    Failed(ErrorKind),
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidServerName(why) => write!(f, "not a server name: {why}"),
            Self::UnresolvableName(why) => write!(f, "nothing can be asked for: {why}"),
            Self::IpLiteral(ip) => write!(f, "{ip} is an IP literal, nothing is asked"),
            Self::ExplicitPort(port) => write!(f, "port {port} is explicit, no well-known, no SRV"),
            Self::Delegated(name) => write!(f, "delegated to {name}"),
            Self::Followed => f.write_str("followed"),
            Self::RedirectLoop => f.write_str("redirects lead in a circle, no document"),
            Self::TooManyRedirects => f.write_str("too many redirects, no document"),
            Self::NoDocument => f.write_str("no document, on at step 4"),
            Self::NoAddressForDocument => {
                f.write_str("no address to get the document from, on at step 4")
            }
            Self::Aborted => f.write_str("this revision aborts on an invalid document"),
            Self::Services => f.write_str("found"),
            Self::NotFound => f.write_str("not found"),
            Self::CountsAsNotFound => f.write_str("counts as not found, as the policy says"),
            Self::NotOffered => f.write_str("the service is not offered"),
            Self::TargetDropped(target) => write!(f, "target {target} is of no use and is dropped"),
            Self::TargetIsAlias => {
                f.write_str("an SRV target must not be an alias (RFC 2782); followed all the same")
            }
            Self::TargetAliasRejected => {
                f.write_str("an SRV target must not be an alias (RFC 2782); dropped")
            }
            Self::TargetsLeftOut(count) => write!(f, "{count} more targets are left out"),
            Self::Used => f.write_str("used"),
            Self::UsedFromHostsFile => f.write_str("used, from /etc/hosts"),
            Self::NoAddress => f.write_str("no address"),
            Self::Denied(denied) => {
                write!(f, "denied: {denied}; the address policy may allow it")
            }
            Self::Stale => f.write_str("the last good answer, for no newer one could be had"),
            Self::WentWithout => f.write_str("not waited for, the result lacks it"),
            Self::DidWithout => f.write_str("did without"),
            Self::TriedSecond(family) => {
                write!(f, "{family} comes second, it has led nowhere lately")
            }
            Self::MovedBack(moved) => {
                let MovedBack { place, said } = &**moved;
                write!(f, "{place} comes behind all others, as a caller has told: {said}")
            }
            Self::DefaultPort => f.write_str("no SRV record was found, port 8448"),
            Self::HostWithDefaultPort => f.write_str("this revision's Host carries the port"),
            Self::Failed(kind) => write!(f, "{kind}"),
        }
    }
}
