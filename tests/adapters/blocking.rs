//! discovery-blocking: its driver runs on a thread of its own, and every lookup is waited for on another.

use std::thread;

use discovery_lab::kit::{Adapter, Client, OnDiscovery, Setup, Stops, Trouble};

/// discovery-blocking.
#[derive(Clone, Copy, Debug)]
pub struct Blocking;

impl Adapter for Blocking {
    fn name(&self) -> &'static str {
        "blocking"
    }

    fn stops(&self) -> Stops {
        Stops::ByItsDeadline
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let routes = setup.routes;
        let (discovery, driver) = discovery_blocking::build(setup.into_builder())?;
        let driver = thread::spawn(move || discovery_blocking::run(driver));
        let closing = discovery.clone();
        let end = move || {
            closing.close();
            let _ = driver.join();
        };
        Ok(Box::new(OnDiscovery::new(discovery, routes, end)))
    }
}
