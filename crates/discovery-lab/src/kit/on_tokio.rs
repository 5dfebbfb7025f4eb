//! An adapter for the kit's own tests, as the documentation shows it.

use super::{Adapter, Client, OnDiscovery, Setup, Timers, Trouble};

pub(super) struct OnTokio;

impl Adapter for OnTokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn timers(&self) -> Timers {
        Timers::Tokio
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes) = (setup.watcher(), setup.routes);
        let (discovery, driver) = discovery_tokio::build(setup.into_builder())?;
        let driver = tokio::spawn(watcher.watched(discovery_tokio::run(driver)));
        Ok(Box::new(OnDiscovery::new(discovery, routes, move || driver.abort())))
    }
}
