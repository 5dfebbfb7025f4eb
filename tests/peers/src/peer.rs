//! The three who are compared, each asked in its own way for the same: where to connect, and which `Host` to send.
//!
//! Each is set up as its documentation says, from the system's `resolv.conf`; they are only told to trust the lab.

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

/// Who is asked.
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
    /// Who is given a load, this project first: the others' figures are compared with its own.
    pub fn all(load: Load) -> Vec<Self> {
        match load {
            // The one load where speculation asks more than is needed.
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

    /// What stands in the table.
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

/// A peer, ready to be asked.
pub enum Resolver {
    Discovery(Discovery),
    ResolveMatrix(Arc<MatrixResolver>, MatrixDnsResolver),
    Oracle(Box<matrix_oracle::server::Resolver>),
}

impl Resolver {
    /// Sets a peer up; within the runtime that it is going to use.
    pub fn new(peer: Peer, authority: &[u8]) -> Result<Self, Box<dyn Error>> {
        Ok(match peer {
            Peer::Discovery | Peer::Frugal => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority)?)?;
                let tls =
                    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
                let mut policy = Policy::default();
                // The lab's addresses are for documentation and private networks.
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

    /// Asks for one name.
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
                    // Its client asks for the addresses of the host in the URL when it connects.
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

/// Whether an answer is right: there is a place to connect to, every one is of the lab's, and so is the `Host`.
pub fn is_right(found: &Place, expected: &Place) -> bool {
    !found.targets.is_empty()
        && found.targets.iter().all(|place| expected.targets.contains(place))
        && found.host == expected.host
}
