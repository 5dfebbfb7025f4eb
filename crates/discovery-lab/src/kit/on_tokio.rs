//! An adapter for the kit's own tests, as the documentation shows it.

use discovery_tokio::Discovery;

use super::{Adapter, Client, OnHandle, Setup, Timers, Trouble};

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
        let (discovery, driver) = Discovery::builder(setup.tls)
            .policy(setup.policy)
            .seed(setup.seed)
            .name_servers(setup.name_servers)
            .connect_to(setup.connect_to)
            .fetch_from(setup.fetch_from)
            .clock(setup.clock)
            .probe_routes(false)
            .build()?;
        let driver = tokio::spawn(watcher.watched(driver));
        let handle = discovery.handle().clone();
        let client =
            OnHandle::new(handle, move |name| discovery.resolve(name), move || driver.abort());
        client.set_routes(routes);
        Ok(Box::new(client))
    }
}
