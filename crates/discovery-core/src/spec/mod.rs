//! "Resolving server names" of the specification as one function over facts.

mod addresses;
mod facts;
mod hosts;
mod srv;
mod steps;
mod trace;
mod view;

pub(crate) use facts::Facts;
pub(crate) use hosts::{Family, HostAddresses, Trouble};
pub(crate) use srv::Draws;
pub(crate) use steps::{Found, resolve};
pub(crate) use trace::{Demand, Memory, Priority, Suspend, Trace};
pub(crate) use view::{FactView, Fetched};
