//! Good worlds and bad ones, the same for every adapter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../../../tests/worlds/mod.rs"]
mod worlds;

use std::future::Future;

use discovery_core::{Outcome, ServerName};
use discovery_smol::{BuildError, Builder, Discovery, Driver};

/// A driver that runs until this is dropped.
struct Road(smol::Task<()>);

fn run(driver: Driver) -> Road {
    Road(smol::spawn(driver))
}

impl Road {
    fn stop(self, _discovery: &Discovery) {
        drop(self);
    }

    fn ended(self) {
        worlds::wait(self.0);
    }
}

fn begin(discovery: &Discovery, name: &ServerName) -> impl Future<Output = Outcome> + Send + use<> {
    discovery.resolve(name)
}

#[test]
fn without_what_the_reactor_needs_there_is_no_discovery() {
    if !worlds::alone("without_what_the_reactor_needs_there_is_no_discovery") {
        return;
    }
    let (client, _) = worlds::servers::tls("example.org");
    let none = worlds::NoDescriptors::new();
    let without = Discovery::builder(client.clone()).spawn();
    assert_eq!(without.err(), Some(BuildError::NoRuntime));
    drop(none);
    Discovery::builder(client).spawn().unwrap();
}
