//! The client against real servers on loopback: DNS and documents by the lab, homeservers by `site.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod bad_servers;
mod examples;
mod hickory;
mod load;
mod pooling;
mod site;
mod trap;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use discovery_client::discovery_tokio::discovery_core::{AddressPolicy, Policy};
use discovery_client::discovery_tokio::{self, Discovery};
use discovery_client::{Builder, ClientError, FederationClient, ResponseBody, ServerName};
use discovery_lab::Lab;
use discovery_sim::Scenario;
use http_body_util::BodyExt;
use tokio::net::TcpStream;

use site::{Act, Site};

/// DNS and documents, and a stand-in for each address of a homeserver.
struct Net {
    lab: Lab,
    discovery: Discovery,
    sites: Arc<Mutex<HashMap<SocketAddr, SocketAddr>>>,
}

impl Net {
    fn new(world: &str) -> Self {
        let scenario = Scenario::parse(world).unwrap();
        let lab = Lab::start(scenario.world_at(Duration::ZERO)).unwrap();
        let mut policy = Policy::default();
        policy.addresses = AddressPolicy::any();
        policy.addresses.connection_attempt_delay = Duration::from_millis(20);
        let builder = Discovery::builder(lab.client_config())
            .policy(policy)
            .name_servers(lab.dns_servers().to_vec())
            .connect_to(lab.connector());
        let discovery = discovery_tokio::spawn(builder).unwrap();
        Self { lab, discovery, sites: Arc::default() }
    }

    /// A homeserver at an address of the world, with a certificate for a name.
    async fn site(&self, address: &str, name: &str, act: Act) -> Site {
        let site = Site::start(self.lab.authority(), name, act).await;
        self.sites.lock().unwrap().insert(address.parse().unwrap(), site.address);
        site
    }

    /// A client that reaches the sites; all other addresses refuse connections.
    fn builder(&self) -> Builder {
        let (sites, nowhere) = (Arc::clone(&self.sites), self.lab.nowhere());
        FederationClient::builder(self.discovery.clone()).connect(move |endpoint| {
            let to = sites.lock().unwrap().get(&endpoint.address.unwrap()).copied();
            TcpStream::connect(to.unwrap_or(nowhere))
        })
    }

    fn client(&self) -> FederationClient {
        self.builder().build()
    }
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

/// The body of a response, which a [`Site`] fills with its own name and the `Host` that it saw.
async fn text(response: http::Response<ResponseBody>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

/// Which site answers a GET, and the `Host` that it saw.
async fn get(client: &FederationClient, to: &str) -> Result<String, ClientError> {
    Ok(text(client.get(&name(to), "/_matrix/federation/v1/version").await?).await)
}
