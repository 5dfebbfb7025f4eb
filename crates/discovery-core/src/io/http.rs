//! HTTP at the border to the driver: one GET to one address, its response, and what can go wrong.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use crate::io::HttpId;
use crate::name::TlsName;
use crate::util::UnixTime;

/// One GET of one URL at one address, over TLS with HTTP/1.1 or later.
///
/// `Host` follows from the URL's authority and is not among the headers. Equal and hashed without them: they are the same
/// for every request of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HttpGet {
    /// The id for its answer.
    pub id: HttpId,
    /// The URL; its scheme is always `https`.
    #[serde(with = "http_serde::uri")]
    pub url: Uri,
    /// The address to connect to. The policy has allowed it; no other may be used.
    pub address: SocketAddr,
    /// What the certificate must be valid for; [`TlsName::sni`] is the server name indication.
    pub tls_name: TlsName,
    /// The headers to send besides `Host`.
    #[serde(with = "http_serde::header_map")]
    pub headers: HeaderMap,
    /// The longest body of use, in bytes. A driver may stop one byte later and answer with what it has: a longer body is
    /// refused by the machine. The body of a status other than 200 need not be read at all.
    pub max_body: usize,
}

impl HttpGet {
    /// A request without headers and with a limit of 50 KiB: for tests of drivers.
    pub fn new(id: HttpId, url: Uri, address: SocketAddr, tls_name: TlsName) -> Self {
        Self { id, url, address, tls_name, headers: HeaderMap::new(), max_body: 50 * 1024 }
    }
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

/// An HTTP response: a status, and for 200 a whole body (or one byte more than [`HttpGet::max_body`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status of the final response (1xx ones are not final).
    #[serde(with = "http_serde::status_code")]
    pub status: StatusCode,
    /// Its headers.
    #[serde(with = "http_serde::header_map")]
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// The wall clock when the head came in, if the driver has one: for `Expires` and `Date` (R117, R118).
    pub received: Option<UnixTime>,
}

impl HttpResponse {
    /// A response without a time of receipt.
    pub fn new(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        Self { status, headers, body, received: None }
    }
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

/// The failure of one GET without an HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HttpError {
    /// A local failure: no socket, no file descriptor, or the driver is ending.
    Local,
    /// There is no route to the address.
    NoRoute,
    /// There was no response in time.
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

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "could not be asked from here",
            Self::NoRoute => "no route",
            Self::Timeout => "no response in time",
            Self::Refused => "connection refused",
            Self::Rejected => "rejected by the network",
            Self::Reset => "connection broke off",
            Self::Tls => "TLS failed",
            Self::CertificateName => "certificate for another name",
            Self::CertificateExpired => "certificate out of date",
            Self::CertificateNotYetValid => "certificate not valid yet",
            Self::CertificateAlgorithm => "certificate signed with an unsupported algorithm",
            Self::CertificateChain => "certificate chain too long to be checked",
            Self::Certificate => "certificate not trusted",
            Self::Protocol => "not proper HTTP",
            Self::WrongClock => {
                "certificate not valid yet, which means that the clock of this machine is wrong"
            }
        })
    }
}

impl std::error::Error for HttpError {}
