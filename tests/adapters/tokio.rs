//! discovery-tokio: on the runtime that the kit's servers run on, and on one of its own.

use std::thread;

use discovery_lab::kit::{Adapter, Client, OnHandle, Setup, Timers, Trouble};
use discovery_tokio::Discovery;
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
        let (discovery, driver) = super::build!(Discovery, setup);
        let driver = tokio::spawn(watcher.watched(driver));
        Ok(client(discovery, routes, move || driver.abort()))
    }
}

impl Adapter for TokioApart {
    fn name(&self) -> &'static str {
        "tokio-apart"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes) = (setup.watcher(), setup.routes);
        let (discovery, driver) = super::build!(Discovery, setup);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let driver = runtime.spawn(watcher.watched(driver));
            let _ = runtime.block_on(ended);
            driver.abort();
        });
        Ok(client(discovery, routes, move || {
            drop(end);
            let _ = thread.join();
        }))
    }
}

fn client(
    discovery: Discovery,
    routes: discovery_core::Routes,
    end: impl FnOnce() + Send + Sync + 'static,
) -> Box<dyn Client> {
    let client =
        OnHandle::new(discovery.handle().clone(), move |name| discovery.resolve(name), end);
    client.set_routes(routes);
    Box::new(client)
}
