//! discovery-async-std, on its executor.

use discovery_async_std::{Discovery, async_std};
use discovery_lab::kit::{Adapter, Client, OnHandle, Setup, Trouble};

/// discovery-async-std.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStd;

impl Adapter for AsyncStd {
    fn name(&self) -> &'static str {
        "async-std"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes) = (setup.watcher(), setup.routes);
        let (discovery, driver) = super::build!(Discovery, setup);
        let (handle, driver) = (discovery.handle().clone(), watcher.watched(driver));
        let task = async_std::task::spawn(driver);
        let client = OnHandle::new(
            handle,
            move |name| discovery.resolve(name),
            move || drop(async_std::task::spawn(task.cancel())),
        );
        client.set_routes(routes);
        Ok(Box::new(client))
    }
}
