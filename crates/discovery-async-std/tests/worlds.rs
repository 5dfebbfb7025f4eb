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
struct Road(Option<JoinHandle<()>>);

fn run(driver: Driver) -> Road {
    Road(Some(task::spawn(discovery_async_std::run(driver))))
}

impl Road {
    fn stop(self, _discovery: &Discovery) {
        drop(self);
    }

    fn ended(mut self) {
        worlds::wait(self.0.take().unwrap());
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        if let Some(driver) = self.0.take() {
            worlds::wait(driver.cancel());
        }
    }
}

#[test]
fn without_what_the_reactor_needs_there_is_no_discovery() {
    if !worlds::alone("without_what_the_reactor_needs_there_is_no_discovery") {
        return;
    }
    let (client, _) = worlds::servers::tls("example.org");
    let none = worlds::NoDescriptors::new();
    let without = spawn(Discovery::builder(client.clone()));
    assert!(matches!(without, Err(BuildError::NoRuntime(_))));
    drop(none);
    spawn(Discovery::builder(client)).unwrap();
}
