//! The conformance kit: what makes an adapter one. Knows no adapter, and no runtime but the one that its servers run on.
//!
//! An adapter joins by [`Adapter`], which starts a client from a [`Setup`], and [`Client`], which can be asked, poked and dropped.
//! Neither presupposes anything of ours: an example that drives the core by hand joins as well. For a
//! [`Discovery`](discovery_driver::Discovery) there is [`OnDiscovery`], and this is all of it:
//!
//! ```
//! use std::sync::Arc;
//!
//! use discovery_lab::kit::{Adapter, Check, Client, OnDiscovery, Setup, Timers, Trouble};
//!
//! struct Tokio;
//!
//! impl Adapter for Tokio {
//!     fn name(&self) -> &'static str {
//!         "tokio"
//!     }
//!
//!     // Its timers go by the clock of the kit's own runtime: leave this out for any other.
//!     fn timers(&self) -> Timers {
//!         Timers::Tokio
//!     }
//!
//!     fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
//!         let routes = setup.routes;
//!         let (discovery, driver) = discovery_tokio::build(setup.into_builder())?;
//!         let driver = tokio::spawn(discovery_tokio::run(driver));
//!         Ok(Box::new(OnDiscovery::new(discovery, routes, move || driver.abort())))
//!     }
//! }
//!
//! let adapter: Arc<dyn Adapter> = Arc::new(Tokio);
//! for check in Check::ALL {
//! # if check.name != "requests" { continue }
//!     let found = check.run(&adapter)?;
//!     assert_eq!(found.complaints, Vec::<String>::new(), "{}", check.about);
//! }
//! # Ok::<(), discovery_lab::RunTrouble>(())
//! ```
//!
//! # Scenarios, in virtual time
//!
//! A [`Runner`] runs a [scenario](discovery_sim::Scenario) through an adapter, over real sockets, without waiting. The servers'
//! runtime has the clock; the adapter reads it by [`Setup::clock`], and where its own timers go by the system's
//! ([`Timers::Given`]) it is [poked](Client::poke) when the machine's [deadline](Client::deadline) has come. The clock jumps when
//! nobody is at work any more: neither the servers, nor the threads on which the adapter was seen to read the clock or to ask
//! where to connect. So whatever a driver does, it should read the machine's clock for, and no other.
//!
//! # Checks, in real time
//!
//! [`Check::ALL`] are all of them, [`conformance`] runs one after the other. They count what the process has (descriptors,
//! threads, how often threads wake), so nothing else may go on in it: give them a test binary of their own, with one thread of
//! tests. There nobody pokes anybody.
//!
//! # Loops without futures
//!
//! [`Lookup`] is a future because every loop can offer one: tell a waker when the outcome is there, and take dropping it for
//! abandoning. [`lookup`] makes one of two closures' worth of code.

mod adapter;
mod checks;
mod limits;
mod lookup;
#[cfg(test)]
mod on_tokio;
mod phase;
mod process;
mod real_time;
mod runner;
mod setup;
mod faulty_server;
mod virtual_time;
mod wall_clock;
mod probe;

pub use adapter::{Adapter, Client, Lookup, OnDiscovery, Stops, Timers, Trouble};
pub use checks::{Check, Findings, conformance};
pub use lookup::{Teller, lookup};
pub use runner::Runner;
pub use setup::{Clock, ConnectTo, FetchFrom, Setup, Watched, Watcher};
