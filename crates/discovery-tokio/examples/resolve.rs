//! Resolves one name: `cargo run -p discovery-tokio --example resolve -- matrix.org`.

use std::error::Error;

use discovery_tokio::Discovery;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("resolve NAME")?;
    let discovery = discovery_tokio::with_system_roots()?;
    println!("{}", resolve(&discovery, &name).await?);
    Ok(())
}

/// The endpoints of a name and its `Host` header.
pub(crate) async fn resolve(discovery: &Discovery, name: &str) -> Result<String, Box<dyn Error>> {
    let resolved = discovery.resolve(name).await?;
    let addresses: Vec<_> = resolved.socket_addrs().map(|to| to.to_string()).collect();
    Ok(format!("{}, Host: {}", addresses.join(" "), resolved.host_header_str()))
}
