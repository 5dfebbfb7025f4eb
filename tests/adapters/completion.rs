//! The example of a completion-based loop, on a thread of its own.

#[allow(dead_code, reason = "of an example only its driver is tried")]
#[path = "../../crates/discovery-lab/examples/completion.rs"]
mod example;

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread;

use compio::runtime::Runtime;
use discovery_driver::System;
use discovery_lab::kit::{Adapter, Client, OnDiscovery, Setup, Trouble};

/// Checks of the kit that it does not pass, with reasons.
pub(super) const EXCEPTIONS: [(&str, &str); 1] = [(
    "shutdown",
    "a runtime of compio that ends at once may keep the socket of what it has just cancelled",
)];

/// The loop of compio.
#[derive(Clone, Copy, Debug)]
pub struct Completion(());

impl Completion {
    /// Finds out whether io_uring works here.
    ///
    /// # Errors If the kernel refuses io_uring, as many sandboxes do.
    pub fn new() -> io::Result<Self> {
        Runtime::new().map(|_| Self(()))
    }
}

impl Adapter for Completion {
    fn name(&self) -> &'static str {
        "completion"
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (watcher, routes) = (setup.watcher(), setup.routes);
        let (discovery, driver) = setup.into_builder().build(System::default())?;
        let (up, is_up) = sync_channel(1);
        let thread = thread::spawn(move || match Runtime::new() {
            Ok(runtime) => {
                let _ = up.send(Ok(()));
                runtime.block_on(watcher.watched(example::run(driver)));
            }
            Err(error) => drop(up.send(Err(error))),
        });
        is_up.recv()??;
        let closing = discovery.clone();
        let end = move || {
            closing.close();
            let _ = thread.join();
        };
        Ok(Box::new(OnDiscovery::new(discovery, routes, end)))
    }
}
