//! Fetches the signing keys of many servers, at most 16 at a time.
//!
//! `cargo run -p discovery-client --example key_fetcher -- matrix.org example.org`

use std::error::Error;

use discovery_client::{FederationClient, ServerName};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Limited};

const CONCURRENT: usize = 16;
const MAX_BYTES: usize = 64 * 1024;

/// The key document of each server, or why there is none, in the order of arrival.
pub(crate) async fn keys(
    client: &FederationClient,
    names: Vec<ServerName>,
) -> Vec<(ServerName, Result<String, Box<dyn Error + Send + Sync>>)> {
    let fetch = |name: ServerName| async move {
        let fetched = async {
            let response = client.get(&name, "/_matrix/key/v2/server").await?;
            let body = Limited::new(response.into_body(), MAX_BYTES).collect().await?;
            Ok(String::from_utf8(body.to_bytes().into())?)
        };
        let document = fetched.await;
        (name, document)
    };
    stream::iter(names).map(fetch).buffer_unordered(CONCURRENT).collect().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let names = std::env::args().skip(1).map(|name| name.parse()).collect::<Result<_, _>>()?;
    for (name, document) in keys(&FederationClient::new()?, names).await {
        println!("{name}: {}", document.unwrap_or_else(|error| error.to_string()));
    }
    Ok(())
}
