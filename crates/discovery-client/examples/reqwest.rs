//! The version of a server by `reqwest`, with one client for each route.
//!
//! `cargo run -p discovery-client --features reqwest --example reqwest -- matrix.org`

use std::error::Error;

use discovery_client::discovery_tokio::{self, Discovery};
use discovery_client::reqwest::Clients;
use reqwest::header::HOST;

pub(crate) async fn version(
    discovery: &Discovery,
    clients: &Clients,
    name: &str,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let resolved = discovery.resolve(name).await?;
    let prepared = clients.client_for(&resolved)?;
    let url = prepared.url.join("/_matrix/federation/v1/version")?;
    let response = prepared.client.get(url).header(HOST, prepared.host).send().await?;
    Ok(response.text().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let name = std::env::args().nth(1).ok_or("usage: reqwest SERVER_NAME")?;
    let discovery = discovery_tokio::with_system_roots()?;
    let clients = Clients::new(discovery.tls(), 100);
    println!("{}", version(&discovery, &clients, &name).await?);
    Ok(())
}
