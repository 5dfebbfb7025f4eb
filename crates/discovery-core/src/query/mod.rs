//! Questions on their way to an answer: requests, attempts, slots, and the health of name servers and address families.

mod answers;
mod attempts;
mod families;
mod in_flight;
mod name_servers;
mod own_clock;
mod pause;
#[allow(clippy::module_inception, reason = "the folder is named for what it is about")]
mod query;
pub(crate) mod slots;
mod turn;

pub(crate) use families::FamilyMemory;
pub use families::{FamiliesHealth, FamilyHealth};
pub(crate) use in_flight::{InFlight, InFlightState};
pub use name_servers::NameServer;
pub(crate) use name_servers::{Asked, Fared, NameServers};
pub(crate) use own_clock::OwnClock;
pub(crate) use pause::{Heartbeat, MAX_PAUSES, TOLERANCE, is_doubtful};
pub(crate) use query::{Error, Get, Open, Place, Query, QueryState};
pub(crate) use slots::Slots;
pub(crate) use turn::Turn;
