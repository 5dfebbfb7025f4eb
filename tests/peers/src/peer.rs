//! The compared libraries, with the calls that return endpoints and `Host`.
//!
//! Each is configured as its documentation says, from the system's `resolv.conf`, and trusts the lab's authority.

use std::error::Error;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{AddressPolicy, Policy, Speculation};
use discovery_tokio::Discovery;
use hickory_resolver::TokioResolver;
use reqwest_resolvematrix::dns::Resolve as _;
use resolvematrix::resolution::ResolvedDestination;
use resolvematrix::server::{MatrixDnsResolver, MatrixResolver};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::load::{Load, Place};

/// A library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// This project's adapter for tokio.
    Discovery,
    /// The same without speculation.
    Frugal,
    /// resolvematrix.
    ResolveMatrix,
    /// matrix-oracle.
    Oracle,
}

impl Peer {
    /// The libraries for a load. This project is first, and the others are compared with it.
    pub fn all(load: Load) -> Vec<Self> {
        match load {
            // In this load speculation causes extra queries.
            Load::Shared => Self::ALL.to_vec(),
            _ => vec![Self::Discovery, Self::ResolveMatrix, Self::Oracle],
        }
    }

    const ALL: [Self; 4] = [Self::Discovery, Self::Frugal, Self::ResolveMatrix, Self::Oracle];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Frugal => "frugal",
            Self::ResolveMatrix => "resolvematrix",
            Self::Oracle => "oracle",
        }
    }

    /// The name in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Discovery => "discovery-tokio",
            Self::Frugal => "… with `Speculation::Off`",
            Self::ResolveMatrix => "resolvematrix 1.4.0",
            Self::Oracle => "matrix-oracle 0.2.0",
        }
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let peer = Self::ALL.into_iter().find(|peer| peer.word() == word);
        peer.ok_or_else(|| format!("there is no peer {word}"))
    }
}

/// A configured library.
pub enum Resolver {
    Discovery(Discovery),
    ResolveMatrix(Arc<MatrixResolver>, MatrixDnsResolver),
    Oracle(Box<matrix_oracle::server::Resolver>),
}

impl Resolver {
    /// Configures a library, within the runtime that it uses.
    pub fn new(peer: Peer, authority: &[u8]) -> Result<Self, Box<dyn Error>> {
        Ok(match peer {
            Peer::Discovery | Peer::Frugal => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority)?)?;
                let tls =
                    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
                let mut policy = Policy::default();
                // The lab uses documentation and private addresses.
                policy.addresses = AddressPolicy::any();
                if peer == Peer::Frugal {
                    policy.spec.speculation = Speculation::Off;
                }
                let builder = Discovery::builder(Arc::new(tls)).policy(policy);
                Self::Discovery(discovery_tokio::spawn(builder)?)
            }
            Peer::ResolveMatrix => {
                use reqwest_resolvematrix::{Certificate, Client};
                let client = Client::builder()
                    .tls_certs_only([Certificate::from_pem(authority)?])
                    .timeout(Duration::from_secs(10))
                    .build()?;
                let resolver = Arc::new(MatrixResolver::builder().http_client(client).build()?);
                let addresses = resolver.create_dns_resolver();
                Self::ResolveMatrix(resolver, addresses)
            }
            Peer::Oracle => {
                use reqwest_oracle::{Certificate, Client};
                let client = Client::builder()
                    .tls_built_in_root_certs(false)
                    .add_root_certificate(Certificate::from_pem(authority)?)
                    .build()?;
                let dns = TokioResolver::builder_tokio()?.build()?;
                Self::Oracle(Box::new(matrix_oracle::server::Resolver::with(client, dns)))
            }
        })
    }

    /// Resolves a name.
    pub async fn find(&self, name: &str) -> Result<Place, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Discovery(discovery) => {
                let resolved = discovery.resolve(name).await?;
                Ok(Place {
                    targets: resolved.socket_addrs().collect(),
                    host: resolved.host_header_str().to_owned(),
                })
            }
            Self::ResolveMatrix(resolver, addresses) => {
                let resolution = resolver.resolve_server(name).await?;
                let targets = match resolution.destination {
                    ResolvedDestination::Literal(address) => vec![address],
                    // Its client looks up the host of the URL when it connects.
                    ResolvedDestination::Named(..) => {
                        let host = resolution.host.split(':').next().unwrap_or_default();
                        addresses.resolve(host.parse()?).await?.collect()
                    }
                };
                Ok(Place { targets, host: resolution.host })
            }
            Self::Oracle(resolver) => {
                let server = resolver.resolve(name).await?;
                let target: SocketAddr = resolver.socket(&server).await?;
                Ok(Place { targets: vec![target], host: server.host_header() })
            }
        }
    }
}

/// Whether a result is correct: it has endpoints, all of them are the lab's, and so is `Host`.
pub fn is_right(found: &Place, expected: &Place) -> bool {
    !found.targets.is_empty()
        && found.targets.iter().all(|place| expected.targets.contains(place))
        && found.host == expected.host
}
