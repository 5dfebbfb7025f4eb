//! The conformance kit: what makes an adapter one.
//!
//! Knows no adapter, and no runtime but the one that its servers run on.

mod adapter;
mod checks;
mod limits;
#[cfg(test)]
mod on_tokio;
mod phase;
mod process;
mod real_time;
mod runner;
mod setup;
mod trap;
mod virtual_time;
mod wall_clock;
mod watch;

pub use adapter::{Adapter, Client, Lookup, OnHandle, Stops, Timers, Trouble};
pub use checks::{Check, Findings, conformance};
pub use runner::Runner;
pub use setup::{Clock, ConnectTo, FetchFrom, Setup, Watched, Watcher};
