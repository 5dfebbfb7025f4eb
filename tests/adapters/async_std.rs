//! discovery-async-std, on its executor.

use discovery_async_std::async_std;
use discovery_lab::kit::{Adapter, Client, OnDiscovery, Setup, Trouble};

/// discovery-async-std.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStd;

impl Adapter for AsyncStd {
    fn name(&self) -> &'static str {
        "async-std"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes) = (setup.watcher(), setup.routes);
        let (discovery, driver) = discovery_async_std::build(setup.into_builder())?;
        let driver = watcher.watched(discovery_async_std::run(driver));
        let task = async_std::task::spawn(driver);
        let end = move || drop(async_std::task::spawn(task.cancel()));
        Ok(Box::new(OnDiscovery::new(discovery, routes, end)))
    }
}
