//! The states that are still to be explored: those that need the fewest faults come first.
//!
//! Two faults in every order are millions of states for a long name, so a limit must cut. It cuts the least likely states,
//! and for each name the number of faults that were explored completely is known.

use std::collections::VecDeque;

use super::Coverage;

/// The places, by the number of faults on the way there.
#[derive(Debug)]
pub(super) struct Places<T> {
    by_faults: Vec<VecDeque<T>>,
    /// Whether the shortest way is wanted, rather than the one that was begun last.
    shortest: bool,
}

impl<T> Places<T> {
    pub(super) fn new(first: T, shortest: bool) -> Self {
        Self { by_faults: vec![VecDeque::from([first])], shortest }
    }

    pub(super) fn add(&mut self, faults: usize, place: T) {
        if self.by_faults.len() <= faults {
            self.by_faults.resize_with(faults.saturating_add(1), VecDeque::new);
        }
        if let Some(places) = self.by_faults.get_mut(faults) {
            places.push_back(place);
        }
    }

    /// The next one, with the number of faults on the way there. Ways go on until they end, but for the shortest.
    pub(super) fn next(&mut self) -> Option<(usize, T)> {
        let shortest = self.shortest;
        self.by_faults.iter_mut().enumerate().find_map(|(faults, places)| {
            let place = if shortest { places.pop_front() } else { places.pop_back() };
            Some((faults, place?))
        })
    }

    /// What it comes to if nothing more is visited: the place at hand, with so many faults on its way, is left, and so are these.
    pub(super) fn left_at(&self, faults: usize) -> Coverage {
        let left = self.by_faults.iter().map(VecDeque::len).fold(1, usize::saturating_add);
        Coverage::CutShort { left, whole: faults.checked_sub(1) }
    }
}
