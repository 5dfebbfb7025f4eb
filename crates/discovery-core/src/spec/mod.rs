//! "Resolving server names" of the specification as one function over facts.

mod facts;
mod hosts;
mod srv;
mod steps;
mod view;

pub(crate) use facts::Facts;
pub(crate) use hosts::{Family, HostAddresses, Trouble};
pub(crate) use srv::Draws;
pub(crate) use steps::{Found, resolve};
pub(crate) use view::{Demand, FactView, Fetched, Memory, Priority, Suspend, Trace};
