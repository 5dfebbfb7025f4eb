//! The phases that a lookup goes through outside, and what can go wrong in each.

use std::fmt;

/// How far a request has come when something happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Phase {
    /// A datagram has gone to the name server.
    DnsDatagram,
    /// The name server is being connected to, for a reply that was too long for a datagram.
    DnsConnect,
    /// The name server has taken the connection.
    DnsAccepted,
    /// A part of its reply has come.
    DnsReply,
    /// The web server is being connected to.
    Connect,
    /// The web server has taken the connection.
    Accepted,
    /// A part of its side of the TLS handshake has come.
    Handshake,
    /// TLS is up, and the head of the response has begun.
    Head,
    /// The body of the response has begun.
    Body,
}

/// The fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fault {
    /// Nothing more comes, neither a refusal.
    Stall,
    /// A refusal, or the connection breaks.
    Reset,
    /// The other side closes its half of the connection, and keeps ours open.
    HalfClosed,
    /// What comes next means nothing.
    Garbage,
}

impl Phase {
    /// All of them, in the order in which a lookup goes through them.
    pub(super) const ALL: [Self; 9] = [
        Self::DnsDatagram,
        Self::DnsConnect,
        Self::DnsAccepted,
        Self::DnsReply,
        Self::Connect,
        Self::Accepted,
        Self::Handshake,
        Self::Head,
        Self::Body,
    ];

    /// The faults that are possible in this phase.
    pub(super) const fn faults(self) -> &'static [Fault] {
        match self {
            Self::DnsDatagram => &[Fault::Stall, Fault::Reset, Fault::Garbage],
            Self::DnsConnect | Self::Connect => &[Fault::Stall, Fault::Reset],
            Self::DnsAccepted
            | Self::DnsReply
            | Self::Accepted
            | Self::Handshake
            | Self::Head
            | Self::Body => &[Fault::Stall, Fault::Reset, Fault::HalfClosed, Fault::Garbage],
        }
    }

    /// Whether a name server is spoken to.
    pub(super) const fn is_dns(self) -> bool {
        matches!(self, Self::DnsDatagram | Self::DnsConnect | Self::DnsAccepted | Self::DnsReply)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DnsDatagram => "DNS by UDP",
            Self::DnsConnect => "DNS by TCP, connecting",
            Self::DnsAccepted => "DNS by TCP, connected",
            Self::DnsReply => "DNS by TCP, within the reply",
            Self::Connect => "HTTPS, connecting",
            Self::Accepted => "HTTPS, connected",
            Self::Handshake => "HTTPS, within the handshake",
            Self::Head => "HTTPS, within the head",
            Self::Body => "HTTPS, within the body",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stall => "stall",
            Self::Reset => "reset",
            Self::HalfClosed => "half closed",
            Self::Garbage => "garbage",
        })
    }
}
