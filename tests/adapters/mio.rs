//! The adapter for the example with mio, on a thread of its own.

#[path = "../../crates/discovery-driver/examples/mio/looping.rs"]
mod looping;

use std::thread;

use discovery_lab::kit::{Adapter, Client, OnDiscovery, Setup, Trouble};

/// The event loop of mio.
#[derive(Clone, Copy, Debug)]
pub struct Mio;

impl Adapter for Mio {
    fn name(&self) -> &'static str {
        "mio"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let routes = setup.routes;
        let (discovery, looping) = looping::build(setup.into_builder())?;
        let looping = thread::spawn(move || looping.run());
        let closing = discovery.clone();
        let end = move || {
            closing.close();
            let _ = looping.join();
        };
        Ok(Box::new(OnDiscovery::new(discovery, routes, end)))
    }
}
