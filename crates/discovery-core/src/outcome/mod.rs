//! Outcomes: the result or the error, the decisions that led there, and what callers report of it later.

mod error;
mod explain;
mod feedback;
mod resolved;
mod timeline;

pub use error::{ErrorKind, ErrorOrigin, ResolveError};
pub use explain::{Decision, Effect, Explanation, MovedBack, Step};
pub use feedback::{FailedEndpoint, Feedback};
pub use resolved::{Outcome, Resolved, Target};
pub use timeline::{Timed, Timeline};
