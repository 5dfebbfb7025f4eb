//! discovery-smol, on its global executor.

use discovery_lab::kit::{Adapter, Client, OnDiscovery, Setup, Trouble};

/// discovery-smol.
#[derive(Clone, Copy, Debug)]
pub struct Smol;

impl Adapter for Smol {
    fn name(&self) -> &'static str {
        "smol"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes) = (setup.watcher(), setup.routes);
        let (discovery, driver) = discovery_smol::build(setup.into_builder())?;
        let task = smol::spawn(watcher.watched(discovery_smol::run(driver)));
        Ok(Box::new(OnDiscovery::new(discovery, routes, move || drop(task))))
    }
}
