//! A discovery for the examples, with the system's settings or with those of a lab from environment variables.
//!
//! `NAMESERVER` is the name server to ask, `CA_FILE` the certificates to trust, `FRONT_DOOR` where all documents are fetched from. With
//! any of them, addresses of every kind are allowed.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use discovery_core::{DefaultAction, Policy};
use discovery_tokio::{Builder, Discovery};
use discovery_wire::client_config;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The error type of the examples.
pub type Anyway<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A discovery, not running yet.
pub fn discovery() -> Anyway<Builder> {
    let mut builder = match env::var_os("CA_FILE") {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path)? {
                roots.add(certificate?)?;
            }
            let tls = client_config(rustls::crypto::ring::default_provider(), roots)?;
            Discovery::builder(Arc::new(tls))
        }
        None => Builder::with_system_roots()?,
    };
    let address =
        |variable| env::var(variable).ok().map(|text| text.parse::<SocketAddr>()).transpose();
    let (server, door) = (address("NAMESERVER")?, address("FRONT_DOOR")?);
    if server.is_some() || door.is_some() {
        let mut policy = Policy::default();
        policy.addresses.otherwise = DefaultAction::Any;
        builder = builder.policy(policy).probe_routes(false);
    }
    if let Some(server) = server {
        builder = builder.name_servers([server]);
    }
    if let Some(door) = door {
        builder = builder.fetch_from(move |_| door);
    }
    Ok(builder)
}

/// Resolves a name, and describes its endpoints and the number of requests in one line.
pub async fn tell(discovery: &Discovery, name: &str) -> Anyway<String> {
    let asked = || {
        let counters = discovery.counters();
        counters.dns_questions.saturating_add(counters.gets)
    };
    let before = asked();
    let outcome = discovery.resolve(name).await;
    let questions = asked().saturating_sub(before);
    let led = match &outcome {
        Ok(resolved) => {
            resolved.socket_addrs().map(|place| place.to_string()).collect::<Vec<_>>().join(" ")
        }
        Err(failed) => failed.to_string(),
    };
    Ok(format!("{name}: {led} ({questions} questions)"))
}
