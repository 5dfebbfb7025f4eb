//! Fetches the signing keys of many servers, or another document, at most 16 at a time.
//!
//! `cargo run -p discovery-client --example key_fetcher -- /_matrix/key/v2/server matrix.org example.org`

use std::error::Error;

use discovery_client::{FederationClient, ServerName};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Limited};

const CONCURRENT: usize = 16;
const MAX_BYTES: usize = 64 * 1024;

async fn fetch(
    client: &FederationClient,
    name: &ServerName,
    path: &str,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let response = client.get(name, path).await?;
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await?;
    Ok(String::from_utf8(body.to_bytes().into())?)
}

/// The document of each server, or why there is none, in the order of arrival.
pub(crate) fn fetch_all(
    client: &FederationClient,
    path: &str,
    names: Vec<ServerName>,
) -> impl Stream<Item = (ServerName, Result<String, Box<dyn Error + Send + Sync>>)> {
    let fetched =
        move |name: ServerName| async move { (name.clone(), fetch(client, &name, path).await) };
    stream::iter(names).map(fetched).buffer_unordered(CONCURRENT)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: key_fetcher PATH SERVER_NAME...")?;
    let names = arguments.map(|name| name.parse()).collect::<Result<_, _>>()?;
    let client = FederationClient::new()?;
    let mut documents = std::pin::pin!(fetch_all(&client, &path, names));
    while let Some((name, document)) = documents.next().await {
        println!("{name}: {}", document.unwrap_or_else(|error| error.to_string()));
    }
    Ok(())
}
