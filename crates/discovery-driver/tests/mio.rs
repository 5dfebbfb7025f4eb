//! Good worlds and bad ones for the event loop of the example, the same as for every adapter.
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

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use discovery_core::{Outcome, ServerName};
use discovery_driver::{Handle, Setup};
use looping::Looping as Driver;
use rustls::ClientConfig;

/// The loop by the names that adapters have.
#[derive(Clone)]
struct Discovery {
    handle: Handle,
}

struct Builder {
    setup: Setup,
}

impl Discovery {
    fn builder(tls: Arc<ClientConfig>) -> Builder {
        Builder { setup: Setup::new(tls) }
    }

    discovery_driver::discovery_methods!();
}

impl Builder {
    discovery_driver::builder_methods!();

    fn build(self) -> io::Result<(Discovery, Driver)> {
        let (handle, looping) = looping::start(self.setup)?;
        Ok((Discovery { handle }, looping))
    }
}

/// A loop that runs on a thread.
struct Road(JoinHandle<io::Result<()>>);

fn run(driver: Driver) -> Road {
    Road(thread::spawn(|| driver.run()))
}

impl Road {
    fn ended(self) {
        self.0.join().unwrap().unwrap();
    }

    fn stop(self, discovery: &Discovery) {
        discovery.close();
        self.ended();
    }
}

fn begin(discovery: &Discovery, name: &ServerName) -> impl Future<Output = Outcome> + Send + use<> {
    discovery.handle().resolve(name)
}
