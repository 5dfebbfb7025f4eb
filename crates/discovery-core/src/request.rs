//! The border to the driver: what the machine asks for, what it is told, and the ids that pair the two.
//!
//! Knows nothing of why something is asked. What a driver must match on is exhaustive here; what the world can do wrong
//! may grow.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use crate::name::{DnsName, TlsName};
use crate::outcome::Outcome;
use crate::time::{Instant, UnixTime};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub(crate) u64);

        impl $name {
            /// The number behind the id: minted in order from zero, never reused by the same machine.
            pub const fn number(self) -> u64 {
                self.0
            }

            /// The id with that number, for drivers that keep ids as numbers and for tests that send unknown ones: an id
            /// that was never minted is answered with [`Disposition::Unknown`].
            pub const fn from_number(number: u64) -> Self {
                Self(number)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// Names one DNS request.
    DnsId
}
id! {
    /// Names one HTTP request.
    HttpId
}
id! {
    /// Names one call of `resolve`.
    Ticket
}

/// Either kind of id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestId {
    /// Of a DNS request.
    Dns(DnsId),
    /// Of an HTTP request.
    Http(HttpId),
}

/// What `poll` hands out, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Start this, and answer it when it is done. Answering before the next `poll` is fine.
    Request(Request),
    /// Nobody waits for this request any more: stop it. An answer that comes all the same changes nothing.
    Cancel(RequestId),
    /// The end of a lookup, exactly once for each ticket (I11).
    Finished(Ticket, Outcome),
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// One question to one name server.
    Dns(DnsRequest),
    /// One GET to one address. Boxed: it is the larger by far, and the rarer.
    Http(Box<HttpGet>),
}

impl Request {
    /// The id under which this request is answered.
    pub fn id(&self) -> RequestId {
        match self {
            Self::Dns(request) => RequestId::Dns(request.id),
            Self::Http(get) => RequestId::Http(get.id),
        }
    }
}

/// One DNS question for one name server. Names are absolute: no search list applies, ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsRequest {
    /// Under which it is answered.
    pub id: DnsId,
    /// Which of the driver's name servers to ask, from 0 to one less than the driver said there are.
    pub server: u8,
    /// Which attempt at the question this is, from 0.
    pub attempt: u8,
    /// Whether the query carries an OPT record (RFC 6891). Where the server rejects that with FORMERR, NOTIMP or BADVERS, a driver asks
    /// once more without, and says so by [`Noticed::rejects_edns`].
    pub edns: bool,
    /// Over which transport to ask. From UDP a driver changes to TCP where the reply is truncated, and where it repeats the question in
    /// other letters than were sent, which it says by [`Noticed::folds_letters`].
    pub transport: DnsTransport,
    /// The name asked for.
    pub name: DnsName,
    /// The type asked for.
    pub kind: RecordKind,
}

/// The transports of DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsTransport {
    /// UDP first, TCP where that is needed.
    Udp,
    /// TCP alone (RFC 7766).
    Tcp,
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

/// The record types that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordKind {
    /// IPv6 addresses.
    Aaaa,
    /// IPv4 addresses.
    A,
    /// Services (RFC 2782).
    Srv,
}

impl RecordKind {
    /// The name of the type in DNS.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a name server replied: NOERROR or NXDOMAIN, with the records of its answer section.
///
/// Records that do not belong to the alias chain from the question's name may be left in: they are ignored. Any other
/// response code is a [`DnsError`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsRecord {
    /// Whose record it is.
    pub owner: DnsName,
    /// For how long it may be reused, in seconds, as received: a value with the top bit set counts as 0 (RFC 2181 §8).
    pub ttl: u32,
    /// What it says.
    pub data: RecordData,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The owner is an alias of this name.
    Cname(DnsName),
    /// A service.
    Srv(Service),
    /// A record of the type asked for, or an alias, whose name no host can have (a space or a dot within a label, for
    /// instance): it is there, and of no use.
    Unusable,
}

/// The data of an SRV record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Service {
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share among targets of one priority.
    pub weight: u16,
    /// The port to connect to; 0 is of no use (R92).
    pub port: u16,
    /// The host; the root says that the service is not offered (R87).
    pub target: DnsName,
}

/// What can go wrong with one DNS request. NXDOMAIN and NODATA are facts, not errors.
///
/// Order is from the least telling to the most: of several attempts, the most telling error is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DnsError {
    /// Our own side could not ask: no socket, no file descriptor, the driver is going away.
    Local,
    /// There is no name server to ask: the driver knows of none.
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

/// One GET of one URL at one address, over TLS with HTTP/1.1 or later.
///
/// `Host` follows from the URL's authority and is not among the headers. Equal and hashed without them: they are the same
/// for every request of a machine.
#[derive(Clone, Debug)]
pub struct HttpGet {
    /// Under which it is answered.
    pub id: HttpId,
    /// What to get; always `https`.
    pub url: Uri,
    /// Where to connect: the address has been vetted, no other may be used.
    pub address: SocketAddr,
    /// What the certificate must be valid for; [`TlsName::sni`] is the server name indication.
    pub tls_name: TlsName,
    /// The headers to send besides `Host`.
    pub headers: HeaderMap,
    /// The longest body of use, in bytes. A driver may stop one byte later and answer with what it has: a longer body is
    /// refused by the machine. The body of a status other than 200 need not be read at all.
    pub max_body: usize,
}

impl PartialEq for HttpGet {
    fn eq(&self, other: &Self) -> bool {
        (self.id, &self.url, self.address, &self.tls_name, self.max_body)
            == (other.id, &other.url, other.address, &other.tls_name, other.max_body)
    }
}

impl Eq for HttpGet {}

impl Hash for HttpGet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.id, &self.url, self.address, &self.tls_name, self.max_body).hash(state);
    }
}

impl From<&HttpGet> for http::Request<()> {
    /// The request for an HTTP library, which adds `Host`, dials `address` and checks the certificate.
    fn from(get: &HttpGet) -> Self {
        let mut request = Self::new(());
        *request.uri_mut() = get.url.clone();
        request.headers_mut().clone_from(&get.headers);
        request
    }
}

/// An HTTP answer: a status, and for 200 a whole body (or one byte more than was asked for).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status of the final response (1xx ones are not final).
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// The wall clock when the head came in, if the driver has one: for `Expires` and `Date` (R117, R118).
    pub received: Option<UnixTime>,
}

impl<B: Into<Vec<u8>>> From<http::Response<B>> for HttpResponse {
    fn from(response: http::Response<B>) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, headers: head.headers, body: body.into(), received: None }
    }
}

impl From<HttpResponse> for http::Response<Vec<u8>> {
    fn from(response: HttpResponse) -> Self {
        let mut out = Self::new(response.body);
        *out.status_mut() = response.status;
        *out.headers_mut() = response.headers;
        out
    }
}

/// The earliest time that a correct clock can show, in the month of this release: 2026-11-01T00:00:00Z.
///
/// A constant in the source, so that builds are reproducible; it is raised with each release. Drivers report
/// [`HttpError::WrongClock`] instead of [`HttpError::CertificateNotYetValid`] where the clock shows an earlier time.
pub const EARLIEST_CLOCK: UnixTime = UnixTime(1_793_491_200);

/// What can go wrong with one GET before it is an HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HttpError {
    /// Our own side could not ask: no socket, no file descriptor, the driver is going away.
    Local,
    /// There is no route to the address.
    NoRoute,
    /// Nothing came back in time.
    Timeout,
    /// The connection was refused.
    Refused,
    /// The network rejected the connection (an ICMP error), although there is a route to the address: a firewall, or a host that
    /// is down.
    Rejected,
    /// The connection broke, or ended before the response was whole.
    Reset,
    /// TLS failed for a reason other than the certificate.
    Tls,
    /// The certificate is not valid for the name asked for.
    CertificateName,
    /// The certificate has expired.
    CertificateExpired,
    /// The validity period of the certificate has not begun yet. At three hosts in a row it is taken for
    /// [`WrongClock`](Self::WrongClock).
    CertificateNotYetValid,
    /// A certificate of the chain is signed with an algorithm that the client's TLS provider does not support.
    CertificateAlgorithm,
    /// The certificate chain is too long, too large or too branched to be checked.
    CertificateChain,
    /// The certificate was not issued by a known authority, or is otherwise invalid.
    Certificate,
    /// What came back is not HTTP, or HTTP that must not be trusted (contradictory framing, an endless head).
    Protocol,
    /// The client's own clock is wrong, so no certificate can be judged: its time is before [`EARLIEST_CLOCK`], or several
    /// hosts in a row had certificates that seemed not valid yet. A failure of our own side.
    WrongClock,
}

/// What a driver tells: the result of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of a DNS request.
    Dns(DnsId, Result<DnsReply, DnsError>),
    /// Of an HTTP request.
    Http(HttpId, Result<HttpResponse, HttpError>),
}

impl Answer {
    /// The request that this answers.
    pub fn id(&self) -> RequestId {
        match self {
            Self::Dns(id, _) => RequestId::Dns(*id),
            Self::Http(id, _) => RequestId::Http(*id),
        }
    }

    /// The answer of a driver that cannot carry out a request because of its own side.
    pub fn local_failure(id: RequestId) -> Self {
        match id {
            RequestId::Dns(id) => Self::Dns(id, Err(DnsError::Local)),
            RequestId::Http(id) => Self::Http(id, Err(HttpError::Local)),
        }
    }
}

/// What became of an input (I3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a driver may want to count answers that came to nothing"]
pub enum Disposition {
    /// It was waited for.
    Accepted,
    /// Its request (or ticket) has ended: answered before, cancelled, or abandoned; or the name does not lead to that place. Nothing changed.
    Stale,
    /// No such id was ever minted; or nothing is remembered of the name. Nothing changed.
    Unknown,
}

/// When the machine wants to be called although nothing was answered, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline {
    /// Call `handle_timeout` at this instant or later.
    pub at: Instant,
    /// What happens then.
    pub why: Why,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The next attempt at a question begins: another name server, or another address.
    NextAttempt,
    /// A question is given up.
    QuestionTimeout,
    /// A GET begins with the addresses of one family, the other being late.
    ResolutionDelay,
    /// A result goes out without the addresses that are late.
    LateAddresses,
    /// The `.well-known` request is given up.
    WellKnownTimeout,
    /// The last good fact is used while its refresh hangs.
    LastGood,
    /// A lookup is given up.
    LookupDeadline,
    /// A lookup that never got a slot is given up.
    QueueDeadline,
    /// Nothing: the call shows that the driver is there ([`Config::heartbeat`](crate::Config::heartbeat)).
    Heartbeat,
}

/// Which address families have a route to the outside, as far as the driver can tell (a connected UDP socket tells,
/// without a packet). One without goes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Routes {
    /// Whether IPv4 goes anywhere.
    pub v4: bool,
    /// Whether IPv6 goes anywhere.
    pub v6: bool,
}

impl Default for Routes {
    fn default() -> Self {
        Self { v4: true, v6: true }
    }
}

impl Routes {
    /// Whether the address's family has a route.
    pub fn reaches(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }
}
