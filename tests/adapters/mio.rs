//! The example of an event loop of mio, on a thread of its own.

#[path = "../../crates/discovery-driver/examples/mio/looping.rs"]
mod looping;

use std::thread;

use discovery_lab::kit::{Adapter, Client, OnHandle, Setup, Trouble};

/// The event loop of mio.
#[derive(Clone, Copy, Debug)]
pub struct Mio;

impl Adapter for Mio {
    fn name(&self) -> &'static str {
        "mio"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let routes = setup.routes;
        let (handle, looping) = looping::start(setup.into_wire())?;
        let looping = thread::spawn(move || looping.run());
        let (asked, closing) = (handle.clone(), handle.clone());
        let client = OnHandle::new(
            handle,
            move |name| asked.resolve(name),
            move || {
                closing.close();
                let _ = looping.join();
            },
        );
        client.set_routes(routes);
        Ok(Box::new(client))
    }
}
