//! DNS, TLS and HTTP/1.1 exchanges for discovery-core, sans I/O.

mod clock;
mod config;
mod entropy;

pub use clock::Clock;
pub use config::{Hosts, NameServers, Oddity, OddityKind};
pub use entropy::{Entropy, NoEntropy, Predictable};
