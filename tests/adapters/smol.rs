//! discovery-smol, on its global executor.

use discovery_lab::kit::{Adapter, Client, OnHandle, Setup, Trouble};
use discovery_smol::Discovery;

/// discovery-smol.
#[derive(Clone, Copy, Debug)]
pub struct Smol;

impl Adapter for Smol {
    fn name(&self) -> &'static str {
        "smol"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes) = (setup.watcher(), setup.routes);
        let (discovery, driver) = super::build!(Discovery, setup);
        let (handle, driver) = (discovery.handle().clone(), watcher.watched(driver));
        let task = smol::spawn(driver);
        let client = OnHandle::new(handle, move |name| discovery.resolve(name), move || drop(task));
        client.set_routes(routes);
        Ok(Box::new(client))
    }
}
