//! Questions, their answers as facts, and the lifetimes of facts.

#[allow(clippy::module_inception, reason = "the folder is named for what it is about")]
mod fact;
pub(crate) mod fixed;
pub(crate) mod from_dns;
pub(crate) mod from_http;
pub(crate) mod lifetime;
mod question;

pub(crate) use fact::{CachedFact, Standing};
pub use fact::{DocumentError, Fact, Failure, NotFound, RedirectError, UnusableResponse};
pub use question::Question;
