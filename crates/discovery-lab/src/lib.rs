//! Worlds served by real DNS and HTTPS servers: in memory, and on loopback.
//!
//! A world is a few lines of a [scenario](discovery_sim): zones, pages, faults, delays. This crate answers for it in the
//! protocols' own bytes. The services are sans I/O: [`react`] takes a DNS query and says what comes back, a [`Connection`]
//! takes what a web client sends and says what its server does. These stand on them:
//!
//! - a [`Lab`] serves a world on loopback, for any client on any runtime. It needs IPv4 loopback alone and no privilege;
//! - [`MemoryRunner`] runs scenarios from end to end over bytes in memory, in virtual time: `run` gives what came out of each name
//!   and what was asked, [`differences`] what is not as the scenario expects;
//! - with the feature `kit`, the module `kit` runs them over sockets through any adapter of `discovery-core`, and decides by that and
//!   by much else whether it is one;
//! - a [`LoadSet`] is as many names of one step as wanted, for measuring clients.
//!
//! ```
//! use std::time::Duration;
//!
//! use discovery_lab::{Lab, MemoryRunner, differences};
//! use discovery_sim::Scenario;
//!
//! let scenario = Scenario::parse(
//!     r#"
//! https example.org 200 {"m.server":"fed.example.net:443"}
//! dns fed.example.net A 192.0.2.1
//! resolve example.org
//! ---
//! done 192.0.2.1:443 host=fed.example.net:443 step=3.2
//! "#,
//! )?;
//!
//! // From end to end, without a socket.
//! let ran = MemoryRunner::new()?.run(&scenario)?;
//! assert!(differences(&scenario, &ran).is_empty());
//!
//! // The same world for any client: ask these name servers, trust this authority, and connect where the lab says.
//! let lab = Lab::start(scenario.world_at(Duration::ZERO))?;
//! let (servers, tls, connect_to) = (lab.dns_servers(), lab.client_config(), lab.connector());
//! # let _ = (servers, tls, connect_to);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the lab serves real clients, in real time"
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod built_in;
mod certificates;
mod load_set;
mod dns;
mod federation;
mod https;
#[cfg(feature = "kit")]
pub mod kit;
mod lab;
mod memory;
mod results;

pub use built_in::{BUILT_IN, BuiltInName, built_in, built_in_names};
pub use certificates::{Authority, CertificateTrouble};
/// The crate of worlds and scenarios.
pub use discovery_sim;
pub use dns::{Attempts, Messages, Reaction, Said, Weather, framed, react};
pub use federation::{FederationCase, federation};
pub use https::{Act, Connection, Seen};
pub use lab::{Lab, LabOptions, hurried};
pub use load_set::{LOAD_DOMAIN, LedBy, LoadSet};
pub use memory::MemoryRunner;
pub use results::{LookupResult, RunTrouble, differences};
