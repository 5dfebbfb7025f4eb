//! The order of changes in the cache, so that an export can continue where the last one ended.
//!
//! It keeps slot numbers alone. The slot of a removed entry stays in the order until it is used again.
//!
//! The order is kept only after the first call that reads it: a resolver that never exports pays nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::util::Draw;
use crate::util::links::{self, Links, List, index};

/// A position in the facts that a resolver has learnt, for the next export. It can be kept as text. Another resolver that is given it
/// starts from the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// The number of the resolver; never 0.
    run: u64,
    /// The number of the last change seen.
    number: u64,
    /// Its slot.
    place: u32,
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

impl Cursor {
    /// The beginning.
    pub const START: Self = Self { run: 0, number: 0, place: 0 };
}

/// The order of changes.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    run: u64,
    links: Links,
    list: List,
    /// The number of the last change, by slot.
    numbers: Vec<u64>,
    next: u64,
}

impl Changes {
    /// An empty order. `what` distinguishes this resolver from all others.
    pub(crate) fn new(seed: u64, what: impl std::hash::Hash) -> Self {
        Self {
            run: Draw::new(seed, ("run", what)).between(1, u64::MAX),
            links: Links::default(),
            list: List::default(),
            numbers: Vec::new(),
            next: 1,
        }
    }

    /// Notes a change of the entry in this slot.
    pub(crate) fn note(&mut self, place: u32) {
        while self.numbers.len() <= index(place) {
            links::reserve(&mut self.numbers);
            self.numbers.push(0);
            self.links.grow();
        }
        let Some(number) = self.numbers.get_mut(index(place)) else { return };
        if *number > 0 {
            self.list.take(place, &mut self.links);
        }
        *number = self.next;
        self.next = self.next.saturating_add(1);
        self.list.push(place, &mut self.links);
    }

    /// Its memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let numbers = self.numbers.capacity().saturating_mul(size_of::<u64>());
        numbers.saturating_add(self.links.bytes())
    }

    /// The first slot that has changed since then.
    pub(crate) fn after(&self, cursor: Cursor) -> Option<u32> {
        if cursor.run != self.run || cursor.number >= self.next {
            return self.list.oldest();
        }
        if cursor.number > 0 && self.number(cursor.place) == cursor.number {
            return self.links.newer(cursor.place);
        }
        // What was seen last has changed again: no further back than what is new.
        let mut first = None;
        let mut place = self.list.newest();
        while let Some(newer) = place.filter(|place| self.number(*place) > cursor.number) {
            first = Some(newer);
            place = self.links.older(newer);
        }
        first
    }

    /// The next slot in the order of changes.
    pub(crate) fn newer(&self, place: u32) -> Option<u32> {
        self.links.newer(place)
    }

    /// The position after this slot, or the beginning.
    pub(crate) fn cursor(&self, seen: Option<u32>) -> Cursor {
        let place = seen.unwrap_or_default();
        Cursor { run: self.run, number: seen.map_or(0, |seen| self.number(seen)), place }
    }

    /// The position after a page without changes, for a reader that had seen `seen` before.
    pub(crate) fn again(&self, cursor: Cursor) -> Cursor {
        if cursor.run == self.run && cursor.number < self.next { cursor } else { self.cursor(None) }
    }

    fn number(&self, place: u32) -> u64 {
        self.numbers.get(index(place)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.run, self.number, self.place)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let mut parts = text.splitn(3, '-');
        let mut next = || {
            let part = parts.next().filter(|part| !part.starts_with('+'));
            u64::from_str_radix(part.ok_or(BadCursor)?, 16).map_err(|_| BadCursor)
        };
        let (run, number, place) = (next()?, next()?, next()?);
        Ok(Self { run, number, place: u32::try_from(place).map_err(|_| BadCursor)? })
    }
}

impl TryFrom<String> for Cursor {
    type Error = BadCursor;

    fn try_from(text: String) -> Result<Self, BadCursor> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl fmt::Display for BadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a cursor: three hexadecimal numbers with hyphens between them")
    }
}

impl std::error::Error for BadCursor {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn seen(changes: &Changes, cursor: Cursor) -> Vec<u32> {
        std::iter::successors(changes.after(cursor), |place| changes.newer(*place)).collect()
    }

    #[test]
    fn what_has_changed_since_comes_in_the_order_of_changes_and_once() {
        let mut changes = Changes::new(1, 0);
        [0, 1, 2, 1].into_iter().for_each(|place| changes.note(place));
        assert_eq!(seen(&changes, Cursor::START), [0, 2, 1]);
        let cursor = changes.cursor(Some(2));
        assert_eq!(seen(&changes, cursor), [1]);
        [2, 3].into_iter().for_each(|place| changes.note(place));
        assert_eq!(seen(&changes, cursor), [1, 2, 3], "what was seen last has changed again");
        let cursor = changes.cursor(Some(3));
        assert_eq!(seen(&changes, cursor), [0; 0]);
        assert_eq!(changes.again(cursor), cursor);
    }

    #[test]
    fn a_cursor_of_another_resolver_starts_over() {
        let (mut here, mut there) = (Changes::new(1, 0), Changes::new(1, 1));
        [0, 1].into_iter().for_each(|place| here.note(place));
        (0..9).for_each(|place| there.note(place));
        assert_eq!(seen(&here, there.cursor(Some(0))), [0, 1]);
        assert_eq!(seen(&here, Cursor { number: 99, ..here.cursor(None) }), [0, 1]);
    }

    #[test]
    fn a_cursor_is_read_back_from_its_text() {
        let cursor = Cursor { run: u64::MAX, number: 255, place: 16 };
        assert_eq!(cursor.to_string(), "ffffffffffffffff-ff-10");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "1-2", "1-2-3-4", "1-2-x", "1-2-100000000", "-1-2-3", "+1-2-3", "1--2"] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }
}
