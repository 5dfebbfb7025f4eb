//! The state that every step of a machine works with.

use std::collections::VecDeque;

use crate::config::Context;
use crate::events::Event;
use crate::util::Instant;

/// The settings, the time, and the events that wait to be polled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Turn {
    pub(crate) context: Context,
    pub(crate) now: Instant,
    pub(crate) events: VecDeque<Event>,
}

impl Turn {
    pub(crate) fn new(context: Context, now: Instant) -> Self {
        Self { context, now, events: VecDeque::new() }
    }
}
