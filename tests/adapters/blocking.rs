//! discovery-blocking: its driver runs on a thread of its own, and every lookup is waited for on another.

use std::thread;

use discovery_blocking::Discovery;
use discovery_lab::kit::{Adapter, Client, OnHandle, Setup, Stops, Trouble};

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
        let (discovery, driver) = super::build!(Discovery, setup);
        let driver = thread::spawn(move || driver.run());
        let (handle, closing) = (discovery.handle().clone(), discovery.clone());
        let resolve = move |name: &_| discovery.handle().resolve(name);
        let client = OnHandle::new(handle, resolve, move || {
            closing.close();
            let _ = driver.join();
        });
        client.set_routes(routes);
        Ok(Box::new(client))
    }
}
