//! Where a peer would connect, what it would send there and what it would demand: what is compared.
//!
//! Knows nothing of scenarios.

use std::net::{IpAddr, SocketAddr};

use discovery_tokio::Discovery;
use reqwest_resolvematrix::Url;
use reqwest_resolvematrix::dns::Resolve as _;
use resolvematrix::resolution::ResolvedDestination;
use serde::{Deserialize, Serialize};

use crate::peer::Resolver;

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It leads somewhere.
    Leads(Lead),
    /// It leads nowhere, and why.
    Fails(String),
}

/// Where, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// Where it would connect, in order.
    pub places: Vec<SocketAddr>,
    /// The `Host`.
    pub host: String,
    /// What the certificate must be valid for; None: it does not say.
    pub tls: Option<String>,
    /// The server name indication; an empty text is none. None: it does not say.
    pub sni: Option<String>,
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Asks a peer that has just been set up for one name.
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
            // As its client does: it connects to what this URL names, and asks this crate for the addresses of a host.
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
