//! Runs the tests that all adapters share with the event loop of the example.
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

#[path = "../examples/mio/looping.rs"]
mod looping;
#[path = "../../../tests/worlds/mod.rs"]
mod worlds;

use std::io;
use std::thread::{self, JoinHandle};

use discovery_driver::Discovery;
use looping::{Looping as Driver, build};

/// A loop that runs on a thread.
struct RunningDriver(JoinHandle<io::Result<()>>);

fn run(driver: Driver) -> RunningDriver {
    RunningDriver(thread::spawn(|| driver.run()))
}

impl RunningDriver {
    fn ended(self) {
        self.0.join().unwrap().unwrap();
    }

    fn stop(self, discovery: &Discovery) {
        discovery.close();
        self.ended();
    }
}
