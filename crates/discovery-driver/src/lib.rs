//! The handle that callers hold, its builder, and the state of the driver behind it, for any runtime.
//!
//! Opens no socket, starts no timer and spawns no task: an adapter or an event loop does.

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::get_unwrap,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable
    )
)]

mod alarm;
mod clock;
mod desk;
mod handle;
mod job;
mod methods;
mod running;
mod setup;
mod shared;
mod spans;
mod work;

pub use alarm::Alarm;
pub use clock::Clock;
pub use desk::{Desk, Order, Report};
// What `builder_methods!` and `discovery_methods!` name.
#[doc(hidden)]
pub use discovery_core;
#[doc(hidden)]
pub use discovery_wire;
pub use handle::{Handle, Waiting};
pub use job::Job;
pub use running::{Run, Running, yield_now};
pub use setup::{BuildError, Setup, System};
pub use shared::DRIVER_PATIENCE;
pub use work::{Todo, Work, local_address};
