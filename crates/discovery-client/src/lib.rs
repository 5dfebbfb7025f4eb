//! HTTP client for Matrix federation: from a server name to a response.
//!
//! ```no_run
//! # #[cfg(all(feature = "native-roots", feature = "ring"))]
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     use http_body_util::BodyExt;
//!
//!     let client = discovery_client::FederationClient::new()?;
//!     let response = client.get(&"matrix.org".parse()?, "/_matrix/federation/v1/version").await?;
//!     println!("{}", response.status());
//!     let body = response.into_body().collect().await?.to_bytes();
//!     println!("{}", String::from_utf8_lossy(&body));
//!     Ok(())
//! }
//! # #[cfg(not(all(feature = "native-roots", feature = "ring")))]
//! # fn main() {}
//! ```
//!
//! A [`FederationClient`] resolves the server name of each request, connects to the endpoints that the result names, proves the
//! certificate name, sends the right `Host`, and keeps connections for further requests. It pools them by
//! [`Route`](discovery_tokio::discovery_core::Route), not by host name: two server names can share a host name and still be two servers,
//! and a client that pools by host name sends requests to the wrong one. Failures and successes of endpoints are reported to the
//! discovery, so that the next request avoids an endpoint that failed.
//!
//! Nothing is sent twice. Other addresses and SRV targets are tried until a connection is open; after the first byte of a request the
//! client never repeats it. [`ClientError::is_retryable`] tells callers when they can.
//!
//! Features: `native-roots`, `platform-verifier`, `webpki-roots` and `ring`, `aws-lc-rs`, `graviola` as in `discovery-tokio`; `reqwest`
//! for programs that use that client; `tracing` for a span of each request.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a client opens sockets and reads clocks; the order of its maps decides nothing"
)]

mod body;
mod client;
mod connect;
mod endpoint;
mod error;
mod pool;
#[cfg(feature = "reqwest")]
pub mod reqwest;
mod spans;

#[cfg(all(any(doc, doctest), feature = "native-roots", feature = "ring"))]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

#[cfg(all(doctest, feature = "native-roots", feature = "ring"))]
#[doc = include_str!("../README.md")]
mod readme {}

pub use body::ResponseBody;
pub use client::{Builder, FederationClient, SCHEME, judge};
pub use connect::Stream;
pub use discovery_tokio;
pub use discovery_tokio::discovery_core::ServerName;
pub use endpoint::{Endpoint, Reused};
pub use error::{ClientError, ClientErrorKind};

/// Numbers about a client's pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Routes with a connection or a request.
    pub routes: usize,
    /// Unused HTTP/1.1 connections.
    pub idle: usize,
    /// HTTP/2 connections.
    pub shared: usize,
    /// Connections opened so far.
    pub opened: u64,
    /// Requests sent over a connection that was already open, so far.
    pub reused: u64,
}
