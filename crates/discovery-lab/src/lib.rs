//! Worlds served by real DNS and HTTPS servers: in memory, and on loopback.

#![allow(clippy::disallowed_methods, reason = "the lab serves real clients, in real time")]

mod built_in;
mod certificates;
mod dns;
mod https;
mod lab;
mod memory;
mod ran;
#[cfg(feature = "tokio")]
mod tokio_layer;

pub use built_in::{BUILT_IN, BuiltInName, built_in, built_in_names};
pub use certificates::{Authority, CertificateTrouble};
pub use dns::{Attempts, Messages, Reaction, Said, Weather, framed, react};
pub use https::{Act, Connection};
pub use lab::{Lab, LabOptions, hurried};
pub use memory::MemoryRunner;
pub use ran::{Ran, RunTrouble, differences};
#[cfg(feature = "tokio")]
pub use tokio_layer::TokioRunner;
