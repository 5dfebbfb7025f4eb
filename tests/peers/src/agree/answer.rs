//! The compared parts of a result: endpoints, `Host`, the name for the certificate, SNI.
//!
//! It does not depend on scenarios.

use std::net::{IpAddr, SocketAddr};

use discovery_tokio::Discovery;
use reqwest_resolvematrix::Url;
use reqwest_resolvematrix::dns::Resolve as _;
use resolvematrix::resolution::ResolvedDestination;
use serde::{Deserialize, Serialize};

use crate::peer::Resolver;

/// The result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A result.
    Leads(Lead),
    /// An error, with its text.
    Fails(String),
}

/// The parts of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The endpoints, in order.
    pub places: Vec<SocketAddr>,
    /// The `Host`.
    pub host: String,
    /// The name for the certificate. None: it is not reported.
    pub tls: Option<String>,
    /// The server name indication, empty for none. None: it is not reported.
    pub sni: Option<String>,
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Resolves a name with a fresh client.
pub async fn ask(resolver: &Resolver, name: &str) -> Answer {
    let found = match resolver {
        Resolver::Discovery(discovery) => ask_discovery(discovery, name).await,
        Resolver::ResolveMatrix(..) | Resolver::Oracle(_) => ask_rival(resolver, name).await,
    };
    match found {
        Ok(lead) if lead.places.is_empty() => Answer::Fails("no address".to_owned()),
        Ok(lead) => Answer::Leads(lead),
        Err(trouble) => Answer::Fails(trouble.to_string()),
    }
}

async fn ask_discovery(discovery: &Discovery, name: &str) -> Result<Lead, Trouble> {
    let resolved = discovery.resolve(name).await?;
    Ok(Lead {
        places: resolved.socket_addrs().collect(),
        host: resolved.host_header_str().to_owned(),
        tls: Some(resolved.tls_name.to_string()),
        sni: Some(resolved.sni().unwrap_or_default().to_owned()),
    })
}

async fn ask_rival(resolver: &Resolver, name: &str) -> Result<Lead, Trouble> {
    match resolver {
        Resolver::ResolveMatrix(resolver, addresses) => {
            let resolution = resolver.resolve_server(name).await?;
            // Like its client, which connects to this URL and looks up addresses with this crate.
            let url = Url::parse(&resolution.base_url())?;
            let host = url.host_str().unwrap_or_default().to_owned();
            let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
            let places = match (ip, &resolution.destination) {
                (Some(ip), _) => {
                    vec![SocketAddr::new(ip, url.port_or_known_default().unwrap_or_default())]
                }
                (None, ResolvedDestination::Literal(address)) => vec![*address],
                (None, ResolvedDestination::Named(..)) => {
                    let found = addresses.resolve(host.parse()?).await?;
                    // A port in the URL has precedence over one from its resolver.
                    let port = url.port();
                    found.map(|at| SocketAddr::new(at.ip(), port.unwrap_or(at.port()))).collect()
                }
            };
            let tls = ip.map_or_else(|| host.clone(), |ip| ip.to_string());
            let sni = if ip.is_some() { String::new() } else { host };
            Ok(Lead { places, host: resolution.host, tls: Some(tls), sni: Some(sni) })
        }
        Resolver::Oracle(resolver) => {
            let server = resolver.resolve(name).await?;
            let place = resolver.socket(&server).await?;
            Ok(Lead { places: vec![place], host: server.host_header(), tls: None, sni: None })
        }
        Resolver::Discovery(_) => Err("it is no rival".into()),
    }
}
