//! The order of SRV targets, and its distribution over many seeds.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::name::DnsName;

const SEEDS: u64 = 10_000;

fn service(priority: u16, weight: u16, target: &str) -> SrvRecord {
    SrvRecord { priority, weight, port: 1, target: DnsName::parse(target).unwrap() }
}

fn ordered(services: &[SrvRecord], limit: usize, seed: u64) -> Vec<SrvRecord> {
    let services: Vec<&SrvRecord> = services.iter().collect();
    order(&services, limit, &mut Draw::new(seed, "test")).into_iter().cloned().collect()
}

/// Of all seeds, the share in which each target came first.
fn first_shares(services: &[SrvRecord]) -> BTreeMap<String, f64> {
    let mut shares = BTreeMap::new();
    for seed in 0..SEEDS {
        let first = ordered(services, 16, seed)[0].target.to_string();
        *shares.entry(first).or_insert(0.0) += 1.0 / SEEDS as f64;
    }
    shares
}

fn assert_share(shares: &BTreeMap<String, f64>, target: &str, expected: f64) {
    let share = shares.get(target).copied().unwrap_or(0.0);
    assert!((share - expected).abs() < 0.02, "{target}: {share}, not {expected}; {shares:?}");
}

#[test]
fn r85_targets_of_one_priority_are_drawn_by_weight() {
    let shares = first_shares(&[service(1, 75, "a"), service(1, 25, "b")]);
    assert_share(&shares, "a", 0.75);
    assert_share(&shares, "b", 0.25);
    let shares = first_shares(&[service(1, 1, "a"), service(1, 1, "b")]);
    assert_share(&shares, "a", 0.5);
    let shares =
        first_shares(&[service(1, 65535, "a"), service(1, 65535, "b"), service(1, 65535, "c")]);
    assert_share(&shares, "c", 1.0 / 3.0);
}

#[test]
fn r86_targets_without_weight_share_evenly_and_are_rare_beside_others() {
    let shares = first_shares(&[
        service(1, 0, "a"),
        service(1, 0, "b"),
        service(1, 0, "c"),
        service(1, 0, "d"),
    ]);
    for target in ["a", "b", "c", "d"] {
        assert_share(&shares, target, 0.25);
    }
    let shares = first_shares(&[service(1, 0, "a"), service(1, 0, "b"), service(1, 99, "c")]);
    assert_share(&shares, "c", 0.99);
    assert!(
        shares.contains_key("a") && shares.contains_key("b"),
        "a small chance, but one: {shares:?}"
    );
}

#[test]
fn the_second_target_is_drawn_by_weight_among_the_rest() {
    let services = [service(1, 50, "a"), service(1, 30, "b"), service(1, 20, "c")];
    let after_a: Vec<_> = (0..SEEDS)
        .map(|seed| ordered(&services, 16, seed))
        .filter(|order| order[0].target.as_str() == "a")
        .collect();
    let b = after_a.iter().filter(|order| order[1].target.as_str() == "b").count();
    let share = b as f64 / after_a.len() as f64;
    assert!((share - 0.6).abs() < 0.025, "{share}");
}

#[test]
fn a_thousand_records_are_cut_to_the_limit() {
    let services: Vec<_> = (0..1000_u16).map(|i| service(i / 100, i, &format!("t{i}"))).collect();
    for seed in 0..20 {
        let order = ordered(&services, 16, seed);
        assert_eq!(order.len(), 16);
        assert!(order.iter().all(|service| service.priority == 0));
    }
    assert_eq!(ordered(&services, 1000, 1).len(), 1000);
    assert_eq!(ordered(&services, 0, 1).len(), 0);
    assert_eq!(ordered(&[], 16, 1).len(), 0);
}

#[test]
fn a_tickets_draw_orders_what_the_lookup_chose() {
    let services: Vec<_> = (0..40_u16).map(|i| service(1, 10, &format!("t{i}"))).collect();
    let services: Vec<&SrvRecord> = services.iter().collect();
    let draws = |ticket| Draws { lookup: Draw::new(0, "lookup"), ticket };
    let mut chosen = draws(None).order(&services, 16);
    let mut orders = Vec::new();
    chosen.sort();
    for ticket in 0..5_u64 {
        let mut order = draws(Some(Draw::new(0, ticket))).order(&services, 16);
        orders.push(order.clone());
        order.sort();
        assert_eq!(order, chosen, "whoever waits is handed what was asked for");
    }
    orders.dedup();
    assert!(orders.len() > 1, "each ticket draws for itself");
}

fn services() -> impl Strategy<Value = Vec<SrvRecord>> {
    let one = (0..4_u16, prop_oneof![Just(0_u16), 0..3_u16, any::<u16>()], "[a-d]{1,2}");
    proptest::collection::vec(
        one.prop_map(|(priority, weight, target)| service(priority, weight, &target)),
        0..30,
    )
}

proptest! {
    #[test]
    fn r84_priorities_are_never_mixed(services in services(), seed: u64, limit in 0..40_usize) {
        let order = ordered(&services, limit, seed);
        prop_assert!(order.is_sorted_by_key(|service| service.priority));
        let mut all = services.clone();
        all.sort();
        all.dedup();
        prop_assert_eq!(order.len(), all.len().min(limit));
        let mut sorted = order.clone();
        sorted.sort();
        sorted.dedup();
        prop_assert_eq!(sorted.len(), order.len(), "none twice");
        prop_assert!(order.iter().all(|service| services.contains(service)));
        let worst = order.last().map(|service| service.priority);
        let mut left_out = all.iter().filter(|service| !order.contains(service));
        prop_assert!(left_out.all(|service| Some(service.priority) >= worst), "the first in order are kept");
    }

    #[test]
    fn the_order_received_makes_no_difference(mut services in services(), seed: u64) {
        let order = ordered(&services, 16, seed);
        services.reverse();
        prop_assert_eq!(ordered(&services, 16, seed), order);
    }
}
