//! The same names in every adapter, with the same meaning: whoever changes the runtime changes one word.
//!
//! Nothing here runs; what is not the same does not compile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use discovery_core::{Counters, HttpGet, Policy, ServerName};
use discovery_driver::Handle;
use discovery_wire::Transport;
use rustls::ClientConfig;

macro_rules! same_names {
    ($($adapter:ident)*) => {$(
        /// Uses every public name of the adapter.
        pub fn $adapter(
            tls: Arc<ClientConfig>,
            name: &ServerName,
        ) -> Result<(), $adapter::BuildError> {
            use $adapter::{Builder, Discovery, Driver, Resolving};
            let builder: Builder = Discovery::builder(tls)
                .policy(Policy::default())
                .seed(1)
                .name_servers([SocketAddr::from(([127, 0, 0, 1], 53))])
                .connect_to(|address: SocketAddr, _: Transport| address)
                .fetch_from(|get: &HttpGet| get.address)
                .probe_routes(false)
                .clock(Instant::now);
            let built: (Discovery, Driver) = builder.build()?;
            let (discovery, driver) = built;
            drop(driver);
            let again: Discovery = discovery.clone();
            let _asks = |name| drop(again.resolve(name));
            let _: Option<Resolving> = None;
            discovery.forget(name);
            let _: Counters = discovery.counters();
            let _: &Handle = discovery.handle();
            discovery.close();
            let _spawns: fn(Builder) -> Result<Discovery, $adapter::BuildError> = Builder::spawn;
            // The crates that its types are of come with it.
            let _: Option<$adapter::discovery_core::Ticket> = None;
            let _: Option<$adapter::discovery_driver::Handle> = None;
            Ok(())
        }
    )*};
}

same_names!(discovery_tokio discovery_smol discovery_async_std discovery_blocking);
