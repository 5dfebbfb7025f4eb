//! Requests through a SOCKS5 proxy that resolves host names (RFC 1928), such as Tor: `.onion` servers work, too.
//!
//! `cargo run -p discovery-client --example socks5 -- 127.0.0.1:9050 example.onion`

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use discovery_client::discovery_tokio::discovery_core::Policy;
use discovery_client::discovery_tokio::{self, Builder};
use discovery_client::{Endpoint, FederationClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a host through the proxy.
async fn socks5(proxy: SocketAddr, endpoint: Endpoint) -> io::Result<TcpStream> {
    let host = endpoint.host.to_string();
    let length = u8::try_from(host.len()).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(proxy).await?;
    // Version 5, one method: no authentication.
    stream.write_all(&[5, 1, 0]).await?;
    let mut method = [0; 2];
    stream.read_exact(&mut method).await?;
    if method != [5, 0] {
        return Err(io::Error::other("the proxy wants authentication"));
    }
    let mut request = vec![5, 1, 0, 3, length];
    request.extend(host.as_bytes());
    request.extend(endpoint.port.to_be_bytes());
    stream.write_all(&request).await?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await?;
    let [_, 0, _, kind] = reply else {
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the proxy cannot connect"));
    };
    let bound = match kind {
        1 => 4,
        4 => 16,
        _ => usize::from(stream.read_u8().await?),
    };
    // The address and port that the proxy connects from.
    let mut rest = vec![0; bound + 2];
    stream.read_exact(&mut rest).await?;
    Ok(stream)
}

pub(crate) fn client(
    builder: Builder,
    proxy: SocketAddr,
) -> Result<FederationClient, Box<dyn Error>> {
    let mut policy = Policy::default();
    policy.addresses.resolve_hosts_only = true;
    let discovery = discovery_tokio::spawn(builder.policy(policy))?;
    Ok(FederationClient::builder(discovery)
        .connect(move |endpoint| socks5(proxy, endpoint))
        .build())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [proxy, name] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: socks5 PROXY SERVER_NAME".into());
    };
    let client = client(Builder::with_system_roots()?, proxy.parse()?)?;
    let response = client.get(&name.parse()?, "/_matrix/federation/v1/version").await?;
    println!("{}", response.status());
    Ok(())
}
