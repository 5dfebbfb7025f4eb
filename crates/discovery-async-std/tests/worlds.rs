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

use async_std::task::{self, JoinHandle};
use discovery_async_std::{BuildError, Discovery, Driver, build, spawn};

/// A driver that runs until this is dropped.
struct RunningDriver(Option<JoinHandle<()>>);

fn run(driver: Driver) -> RunningDriver {
    RunningDriver(Some(task::spawn(discovery_async_std::run(driver))))
}

impl RunningDriver {
    fn stop(self, _discovery: &Discovery) {
        drop(self);
    }

    fn ended(mut self) {
        worlds::wait(self.0.take().unwrap());
    }
}

impl Drop for RunningDriver {
    fn drop(&mut self) {
        if let Some(driver) = self.0.take() {
            worlds::wait(driver.cancel());
        }
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
