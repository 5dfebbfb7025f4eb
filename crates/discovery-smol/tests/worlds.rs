//! Runs the tests that all adapters share.
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

use discovery_smol::{BuildError, Discovery, Driver, build, spawn};

/// A driver that runs until this is dropped.
struct RunningDriver(smol::Task<()>);

fn run(driver: Driver) -> RunningDriver {
    RunningDriver(smol::spawn(discovery_smol::run(driver)))
}

impl RunningDriver {
    fn stop(self, _discovery: &Discovery) {
        drop(self);
    }

    fn ended(self) {
        worlds::wait(self.0);
    }
}

#[test]
fn without_descriptors_for_the_reactor_building_fails() {
    if !worlds::alone("without_descriptors_for_the_reactor_building_fails") {
        return;
    }
    let (client, _) = worlds::servers::tls("example.org");
    let none = worlds::NoDescriptors::new();
    let without = spawn(Discovery::builder(client.clone()));
    assert!(matches!(without, Err(BuildError::NoRuntime(_))));
    drop(none);
    spawn(Discovery::builder(client)).unwrap();
}
