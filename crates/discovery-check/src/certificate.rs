//! Certificates as they were presented, and what is wrong with them.

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Names of one certificate that are kept, at most.
const MAX_NAMES: usize = 100;
/// Certificates of a chain that are kept, at most.
pub(crate) const MAX_CHAIN: usize = 10;

/// A certificate as a server presented it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// Whom it is for, as a distinguished name.
    pub subject: String,
    /// Who issued it, as a distinguished name.
    pub issuer: String,
    /// From when it is valid, in seconds since 1970.
    pub not_before_s: i64,
    /// Until when it is valid, in seconds since 1970.
    pub not_after_s: i64,
    /// The host names that it is for; at most 100.
    pub dns_names: Vec<String>,
    /// The IP addresses that it is for; at most 100.
    pub ip_addresses: Vec<String>,
    /// Where the issuer's certificate can be had, as certificates of public authorities say.
    pub issuer_url: Option<String>,
}

/// Why a certificate was not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum VerifyError {
    /// It is for other names.
    WrongName,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// It is signed by itself.
    SelfSigned,
    /// It was issued by the staging environment of an authority, for tests.
    StagingCa,
    /// It was issued by Cloudflare for the way between Cloudflare and a web server, and nothing else trusts it.
    CloudflareOrigin,
    /// The certificate of its issuer is missing in what the server presents.
    IncompleteChain,
    /// No known authority has issued it.
    Untrusted,
    /// It is invalid for another reason.
    Other {
        /// The reason.
        message: String,
    },
}

impl Certificate {
    /// Reads a certificate; None: it is none.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = || names.iter().flat_map(|names| &names.value.general_names).take(MAX_NAMES);
        let dns = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        };
        let ip = |name: &GeneralName<'_>| match name {
            GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
                .map(std::net::IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from))
                .ok()
                .map(|ip| ip.to_string()),
            _ => None,
        };
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            not_before_s: certificate.validity().not_before.timestamp(),
            not_after_s: certificate.validity().not_after.timestamp(),
            dns_names: names().filter_map(dns).collect(),
            ip_addresses: names().filter_map(ip).collect(),
            issuer_url: issuer_url(&certificate),
        })
    }

    /// A short name of the issuer: its organisation and common name, as far as there are any.
    pub fn issuer_name(&self) -> String {
        let part = |key: &str| {
            let parts = self.issuer.split(", ");
            parts.filter_map(|part| part.strip_prefix(key)).next().unwrap_or_default().to_owned()
        };
        let name = format!("{} {}", part("O="), part("CN="));
        if name.trim().is_empty() { self.issuer.clone() } else { name.trim().to_owned() }
    }
}

fn issuer_url(certificate: &X509Certificate<'_>) -> Option<String> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.accessdescs.iter().find_map(|description| match &description.access_location {
                GeneralName::URI(url)
                    if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS =>
                {
                    Some((*url).to_owned())
                }
                _ => None,
            })
        }
        _ => None,
    })
}

/// What is wrong, by the verifier's error and the chain that was presented.
pub(crate) fn verify_error(error: &rustls::Error, chain: &[Certificate]) -> VerifyError {
    let rustls::Error::InvalidCertificate(why) = error else {
        return VerifyError::Other { message: error.to_string() };
    };
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            VerifyError::WrongName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => VerifyError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            VerifyError::NotYetValid
        }
        CertificateError::UnknownIssuer => match chain {
            [leaf, ..] if leaf.issuer.to_ascii_lowercase().contains("staging") => {
                VerifyError::StagingCa
            }
            [leaf, ..] if leaf.issuer.to_ascii_lowercase().contains("cloudflare origin") => {
                VerifyError::CloudflareOrigin
            }
            [leaf] if leaf.issuer == leaf.subject => VerifyError::SelfSigned,
            // Public authorities issue from certificates that are no roots and must be presented.
            [leaf] if leaf.issuer_url.is_some() => VerifyError::IncompleteChain,
            _ => VerifyError::Untrusted,
        },
        other => VerifyError::Other { message: format!("{other:?}") },
    }
}
