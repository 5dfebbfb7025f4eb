//! discovery-tokio: on the runtime that the kit's servers run on, and on one of its own.

use std::thread;

use discovery_lab::kit::{Adapter, Client, OnDiscovery, Setup, Timers, Trouble};
use tokio::runtime;
use tokio::sync::oneshot;

/// discovery-tokio, by tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct Tokio;

/// discovery-tokio on a runtime of its own, by a clock that it is given.
#[derive(Clone, Copy, Debug)]
pub struct TokioApart;

impl Adapter for Tokio {
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

impl Adapter for TokioApart {
    fn name(&self) -> &'static str {
        "tokio-apart"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes) = (setup.watcher(), setup.routes);
        let (discovery, driver) = discovery_tokio::build(setup.into_builder())?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let driver = runtime.spawn(watcher.watched(discovery_tokio::run(driver)));
            let _ = runtime.block_on(ended);
            driver.abort();
        });
        let end = move || {
            drop(end);
            let _ = thread.join();
        };
        Ok(Box::new(OnDiscovery::new(discovery, routes, end)))
    }
}
