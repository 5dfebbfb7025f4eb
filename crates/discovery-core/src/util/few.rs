//! Sets that nearly always have one element, and short lists, for state that exists thousands of times.
//!
//! Knows nothing of what it holds.

use std::collections::BTreeSet;

/// A set in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Few<T> {
    One(T),
    Many(BTreeSet<T>),
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::Many(BTreeSet::new())
    }
}

impl<T: Ord + Copy> Few<T> {
    pub(crate) fn insert(&mut self, one: T) {
        match self {
            Self::Many(all) if all.is_empty() => *self = Self::One(one),
            Self::Many(all) => {
                all.insert(one);
            }
            Self::One(other) if *other == one => {}
            Self::One(other) => *self = Self::Many(BTreeSet::from([*other, one])),
        }
    }

    pub(crate) fn remove(&mut self, one: T) {
        match self {
            Self::Many(all) => {
                all.remove(&one);
            }
            Self::One(other) if *other == one => *self = Self::default(),
            Self::One(_) => {}
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(all) => all.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        let (one, many) = match self {
            Self::One(one) => (Some(*one), None),
            Self::Many(all) => (None, Some(all)),
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }
}

/// Room for one more in a list that stays short: it grows by two, where it would double.
pub(crate) fn few_more<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(if list.is_empty() { 1 } else { 2 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_a_set_holds_in_order() {
        let (mut few, mut set) = (Few::default(), BTreeSet::new());
        // Every way from none to several and back, things that are there and things that are not.
        for step in [3, 3, -4, 1, 1, 2, -3, -1, -2, -2, 5, -5, 4, 2, -4, -2_i32] {
            let one = step.unsigned_abs();
            if step > 0 {
                few.insert(one);
                set.insert(one);
            } else {
                few.remove(one);
                set.remove(&one);
            }
            assert_eq!(few.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            assert_eq!((few.len(), few.is_empty()), (set.len(), set.is_empty()));
        }
    }
}
