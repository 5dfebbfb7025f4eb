//! The map under arbitrary use, beside a plain one: two lists, searched from end to end.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// A key, and a value that tells which insertion it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item(u8, usize);

impl Keyed for Item {
    type Key = u8;

    fn key(&self) -> &u8 {
        &self.0
    }
}

/// Each list from the least recently used.
struct Plain {
    probation: Vec<(Item, usize)>,
    protected: Vec<(Item, usize)>,
    max_entries: usize,
    max_bytes: usize,
}

impl Plain {
    fn get(&mut self, key: u8) -> Option<Item> {
        let weight = |list: &[(Item, usize)]| list.iter().map(|(_, weight)| weight).sum::<usize>();
        while self.protected.len() > (self.max_entries * 80 / 100).max(1)
            || weight(&self.protected) > self.max_bytes * 80 / 100
        {
            self.probation.push(self.protected.remove(0));
        }
        let is_key = |(item, _): &(Item, usize)| item.0 == key;
        let found = match self.protected.iter().position(is_key) {
            Some(at) => self.protected.remove(at),
            None => self.probation.remove(self.probation.iter().position(is_key)?),
        };
        self.protected.push(found.clone());
        Some(found.0)
    }

    fn insert(&mut self, item: Item, weight: usize) {
        match self.protected.iter_mut().find(|(other, _)| other.0 == item.0) {
            Some(place) => *place = (item, weight),
            None => {
                self.probation.retain(|(other, _)| other.0 != item.0);
                self.probation.push((item, weight));
            }
        }
        let all =
            |of: &Self| of.probation.iter().chain(&of.protected).map(|(_, w)| w).sum::<usize>();
        while self.probation.len() + self.protected.len() > self.max_entries
            || all(self) > self.max_bytes
        {
            let from =
                if self.probation.is_empty() { &mut self.protected } else { &mut self.probation };
            from.remove(0);
        }
    }

    fn remove(&mut self, key: u8) -> Option<Item> {
        for list in [&mut self.probation, &mut self.protected] {
            if let Some(at) = list.iter().position(|(item, _)| item.0 == key) {
                return Some(list.remove(at).0);
            }
        }
        None
    }
}

#[derive(Clone, Debug)]
enum Use {
    Get(u8),
    Insert(u8, usize),
    Remove(u8),
    Clear,
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let key = 0_u8..12;
    let one = prop_oneof![
        8 => key.clone().prop_map(Use::Get),
        8 => (key.clone(), 0_usize..40).prop_map(|(key, weight)| Use::Insert(key, weight)),
        1 => key.prop_map(Use::Remove),
        1 => Just(Use::Clear),
    ];
    prop::collection::vec(one, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_least_recently_used_go_first_and_what_was_used_twice_goes_last(
        uses in uses(),
        max_entries in 1_usize..10,
        max_bytes in 20_usize..200,
    ) {
        let mut map = Segments::new(7, max_entries, max_bytes);
        let (probation, protected) = (Vec::new(), Vec::new());
        let mut plain = Plain { probation, protected, max_entries, max_bytes };
        for (number, one) in uses.into_iter().enumerate() {
            match one {
                Use::Get(key) => prop_assert_eq!(map.get(&key).cloned(), plain.get(key)),
                Use::Insert(key, weight) => {
                    map.insert(Item(key, number), weight);
                    plain.insert(Item(key, number), weight);
                }
                Use::Remove(key) => prop_assert_eq!(map.remove(&key), plain.remove(key)),
                Use::Clear => {
                    map.clear();
                    plain.probation.clear();
                    plain.protected.clear();
                }
            }
            let mut kept: Vec<_> = map.iter().cloned().collect();
            let all = || plain.probation.iter().chain(&plain.protected);
            let mut expected: Vec<_> = all().map(|(item, _)| item.clone()).collect();
            kept.sort_by_key(|item| item.0);
            expected.sort_by_key(|item| item.0);
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(map.bytes(), all().map(|(_, weight)| weight).sum::<usize>());
            prop_assert_eq!(map.len(), all().count());
            for key in 0..12 {
                let peeked = all().find(|(item, _)| item.0 == key).map(|(item, _)| item);
                prop_assert_eq!(map.peek(&key), peeked);
            }
        }
    }
}

#[test]
fn uses_count_in_their_order_however_many_come_between_two_changes() {
    for many in [1, MAX_USES - 1, MAX_USES, MAX_USES + 1, 5 * MAX_USES / 2] {
        let mut map = Segments::new(7, 10, 1000);
        let (probation, protected) = (Vec::new(), Vec::new());
        let mut plain = Plain { probation, protected, max_entries: 10, max_bytes: 1000 };
        for key in 0..10 {
            map.insert(Item(key, 0), 1);
            plain.insert(Item(key, 0), 1);
        }
        for step in 0..many {
            let key = u8::try_from(step * 7 % 9).unwrap();
            assert_eq!(map.get(&key).cloned(), plain.get(key));
            assert!(map.uses.len() <= MAX_USES);
        }
        for key in 10..18 {
            map.insert(Item(key, 0), 1);
            plain.insert(Item(key, 0), 1);
            let mut kept: Vec<_> = map.iter().map(|item| item.0).collect();
            let mut expected: Vec<_> =
                plain.probation.iter().chain(&plain.protected).map(|(item, _)| item.0).collect();
            kept.sort_unstable();
            expected.sort_unstable();
            assert_eq!(kept, expected, "after {many} uses");
        }
    }
}
