//! Slots under arbitrary comings and goings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::io::RecordType;
use crate::name::{DnsName, Url};

/// Questions are asked once each; GETs have three hosts.
fn question((lookup, which): (u64, u8)) -> Question {
    match which % 4 {
        0 => Question::Dns(DnsName::parse(&format!("n{lookup}")).unwrap(), RecordType::A),
        host => Question::Get(Url::parse(&format!("https://h{host}/{lookup}")).unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whoever_waits_gets_a_slot_as_soon_as_there_is_one(
        limit in 1..5_usize, host_limit in 1..3_usize, ops in proptest::collection::vec((0..4_u8, any::<u8>()), 0..80),
    ) {
        let mut slots = Slots::new(limit, host_limit);
        let (mut waiting, mut holding) = (BTreeSet::new(), BTreeSet::new());
        for (at, (op, which)) in ops.into_iter().enumerate() {
            let nth = |set: &BTreeSet<(u64, u8)>| set.iter().nth(usize::from(which) % set.len().max(1)).copied();
            match op {
                0 | 1 => {
                    let new = (u64::try_from(at).unwrap(), which);
                    let released = slots.take_or_wait((new.0, 0), &question(new));
                    if released { &mut holding } else { &mut waiting }.insert(new);
                }
                2 => {
                    let Some(held) = nth(&holding) else { continue };
                    holding.remove(&held);
                    slots.give_back(&question(held));
                }
                _ => {
                    let Some(gone) = nth(&waiting) else { continue };
                    waiting.remove(&gone);
                    slots.leave((gone.0, 0), &question(gone));
                }
            }
            while let Some(next) = slots.next() {
                let released = waiting.iter().find(|which| question(**which) == next).copied();
                let released = released.expect("one that waits");
                waiting.remove(&released);
                holding.insert(released);
            }
            prop_assert_eq!(slots.in_use(), holding.len());
            prop_assert_eq!(slots.waiting(), waiting.len());
            prop_assert!(holding.len() <= limit);
            let of_host = |name: &TlsName| {
                holding.iter().filter(|held| host(&question(**held)) == Some(name.clone())).count()
            };
            for name in holding.iter().filter_map(|held| host(&question(*held))) {
                prop_assert!(of_host(&name) <= host_limit, "{:?} is bothered by more", name);
            }
            for which in &waiting {
                let full = host(&question(*which)).is_some_and(|name| of_host(&name) >= host_limit);
                prop_assert!(full || holding.len() == limit, "{:?} waits for nothing", which);
            }
            prop_assert!(slots.hosts.keys().all(|name| of_host(name) > 0 || !waiting.is_empty()), "idle hosts are not kept");
        }
    }
}
