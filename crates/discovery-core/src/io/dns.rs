//! DNS at the border to the driver: one question to one name server, its reply, and what can go wrong.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::io::DnsId;
use crate::name::DnsName;
use crate::policy::DnsTransport;

/// One DNS question for one name server. Names are absolute: no search list applies, ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DnsRequest {
    /// The id for its answer.
    pub id: DnsId,
    /// The index of the name server, below the number that the driver has set.
    pub server: u8,
    /// The number of the attempt at this question, from 0.
    pub attempt: u8,
    /// Whether the query carries an OPT record (RFC 6891). Where the server rejects that with FORMERR, NOTIMP or BADVERS, a driver asks
    /// once more without, and says so by [`Noticed::rejects_edns`].
    pub edns: bool,
    /// The transport. A driver changes from UDP to TCP if the reply is truncated, or repeats the question with letters in another case
    /// than in the query, which it reports by [`Noticed::folds_letters`].
    pub transport: DnsTransport,
    /// The name in question.
    pub name: DnsName,
    /// The record type in question.
    pub kind: RecordType,
}

impl DnsRequest {
    /// The first query of a question, to the first name server, over UDP and with EDNS: for tests of drivers.
    pub fn new(id: DnsId, name: DnsName, kind: RecordType) -> Self {
        let (server, attempt, edns, transport) = (0, 0, true, DnsTransport::Udp);
        Self { id, server, attempt, edns, transport, name, kind }
    }
}

/// What a driver noticed about a name server on the way to a reply. A resolver remembers it for a while, so that the next query is sent in
/// a form that the server understands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(default)]
pub struct Noticed {
    /// The server rejected a query with an OPT record, and answered one without.
    pub rejects_edns: bool,
    /// Over UDP the server did not repeat the letters of the question as they were sent (upper and lower case), so the reply came over TCP.
    pub folds_letters: bool,
}

impl Noticed {
    /// Whether nothing out of the ordinary was noticed.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The record types of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// IPv6 addresses.
    Aaaa,
    /// IPv4 addresses.
    A,
    /// Services (RFC 2782).
    Srv,
}

impl RecordType {
    /// The name of the type in DNS.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A reply with code NOERROR or NXDOMAIN, and the records of its answer section.
///
/// Records that do not belong to the alias chain from the question's name may be left in: they are ignored. Any other
/// response code is a [`DnsError`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DnsReply {
    /// Whether the code was NXDOMAIN (of the last name in the alias chain, RFC 6604).
    pub nxdomain: bool,
    /// The answer section: addresses, services and aliases, in the order received.
    pub records: Vec<DnsRecord>,
    /// For a negative answer, the lesser of TTL and MINIMUM of the SOA record in the authority section, in seconds (R96).
    pub negative_ttl: Option<u32>,
    /// What the driver noticed about the name server.
    pub noticed: Noticed,
}

impl DnsReply {
    /// A reply with code NOERROR and these records of its answer section.
    pub fn with_records(records: Vec<DnsRecord>) -> Self {
        Self { nxdomain: false, records, negative_ttl: None, noticed: Noticed::default() }
    }

    /// A reply without records: NXDOMAIN or NODATA, and the negative TTL of its SOA record, in seconds.
    pub fn not_found(nxdomain: bool, negative_ttl: Option<u32>) -> Self {
        Self { nxdomain, records: Vec::new(), negative_ttl, noticed: Noticed::default() }
    }
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DnsRecord {
    /// The owner name.
    pub owner: DnsName,
    /// The TTL in seconds, as received: a value with the top bit set counts as 0 (RFC 2181 §8).
    pub ttl: u32,
    /// The data.
    pub data: RecordData,
}

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The owner is an alias of this name.
    Cname(DnsName),
    /// The data of an SRV record.
    Srv(SrvRecord),
    /// A record of the type asked for, or an alias, whose name no host can have (a space or a dot within a label, for
    /// instance): it is there, and of no use.
    Unusable,
}

/// The data of an SRV record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SrvRecord {
    /// Targets with a lower priority are tried first.
    pub priority: u16,
    /// The share among targets of one priority.
    pub weight: u16,
    /// The port to connect to; 0 is of no use (R92).
    pub port: u16,
    /// The host; the root says that the service is not offered (R87).
    pub target: DnsName,
}

/// The failure of one DNS request. NXDOMAIN and NODATA are facts, not errors.
///
/// Order is from the least telling to the most: of several attempts, the most telling error is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DnsError {
    /// A local failure: no socket, no file descriptor, or the driver is ending.
    Local,
    /// No name server is configured.
    NoServer,
    /// There is no route to the name server.
    NoRoute,
    /// Nothing listens at the name server's UDP port: an ICMP message said so. Counts as our own side's failure, for the name
    /// servers are the asker's.
    NotListening(SocketAddr),
    /// The network rejects what is sent to the name server (an ICMP error other than "port unreachable"), although there is a
    /// route to it. Counts as our own side's failure, too.
    Rejected(SocketAddr),
    /// No reply came in time.
    Timeout,
    /// The TCP connection to the name server was refused or broke.
    Unreachable,
    /// The reply could not be read, or was truncated over TCP.
    Malformed,
    /// The reply's code is none of the others (FORMERR over plain DNS, for instance).
    OtherCode,
    /// NOTIMP.
    NotImplemented,
    /// REFUSED.
    Refused,
    /// SERVFAIL.
    ServerFailure,
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotListening(server) => {
                return write!(
                    f,
                    "connection refused by name server {server}; is it running, and is its address right?"
                );
            }
            Self::Rejected(server) => {
                return write!(f, "the network rejects packets to name server {server}");
            }
            Self::Local => "could not be asked from here",
            Self::NoServer => "no usable name server is configured",
            Self::NoRoute => "no route to the name server",
            Self::Timeout => "no reply",
            Self::Unreachable => "name server unreachable",
            Self::Malformed => "unreadable reply",
            Self::OtherCode => "error reply",
            Self::NotImplemented => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::ServerFailure => "SERVFAIL",
        })
    }
}

impl std::error::Error for DnsError {}
