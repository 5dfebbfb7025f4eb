//! Outcomes: the result or the error, the decisions that led there, and what callers report of it later.

mod effect;
mod error;
mod explain;
mod feedback;
mod resolved;
mod route;
mod step;
mod timeline;

pub use effect::{Effect, MovedBack};
pub use error::{ErrorKind, ErrorOrigin, ResolveError};
pub use explain::{Decision, Explanation};
pub use feedback::{FailedEndpoint, Feedback};
pub use resolved::{Outcome, Resolved, SrvRank, Target};
pub use route::Route;
pub use step::Step;
pub use timeline::{Timed, Timeline};
