//! The effects of facts: what a decision leads to, in words.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::address::{AddressFamily, Denied};
use crate::name::{DnsName, InvalidDnsName, InvalidServerName, ServerName};
use crate::outcome::{ErrorKind, Feedback};

/// An endpoint that is tried last for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MovedBack {
    /// The place.
    pub place: SocketAddr,
    /// The reported failure.
    pub said: Feedback,
}

/// The consequence of a fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// The text is no server name.
    InvalidServerName(InvalidServerName),
    /// The name cannot be resolved.
    UnresolvableName(InvalidDnsName),
    /// The host is an IP literal: nothing is asked.
    IpLiteral(IpAddr),
    /// The port is explicit: no `.well-known`, no SRV.
    ExplicitPort(u16),
    /// The document delegates to this server name.
    Delegated(ServerName),
    /// The redirect or alias is followed.
    Followed,
    /// The redirect leads to an earlier URL of the chain (R112): no document.
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
    /// The target was dropped: it is the root name beside other targets, or has port 0 (R87, R92).
    TargetDropped(DnsName),
    /// The target is an alias, which RFC 2782 forbids (R62), and is followed.
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
    /// An expired fact is used, because its refresh failed (RFC 8767).
    Stale,
    /// The answer was late; the result does without it.
    WentWithout,
    /// The question failed; the answers to other questions are used.
    DidWithout,
    /// Port 8448 is used.
    DefaultPort,
    /// In this revision `Host` of a delegated IP carries the port even if none was given (R76).
    HostWithDefaultPort,
    /// The addresses of this family come last, because recent connections over it failed.
    TriedSecond(AddressFamily),
    /// This endpoint comes last for a while, because a caller has reported a failure.
    MovedBack(Box<MovedBack>),
    /// The lookup fails with an error of this kind.
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
