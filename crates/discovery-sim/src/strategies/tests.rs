//! Properties: of scenarios, of the machines among strangers, and of orders against the reference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use std::time::Duration;

use discovery_core::{Resolution, Resolver, ServerName};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::explore::{Limits, explore};
use crate::play::play;
use crate::run::{Bounds, Machine, START, config, replay};

/// As many cases as `PROPTEST_CASES` says, else 128; slow ones so many times fewer.
fn cases(slow: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = std::env::var("PROPTEST_CASES").map_or(128, |_| default.cases);
    ProptestConfig { cases: cases / slow, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn what_is_printed_of_any_scenario_parses_to_it(scenario in scenario()) {
        let text = scenario.to_string();
        prop_assert_eq!(Scenario::parse(&text), Ok(scenario));
    }

    #[test]
    fn no_text_upsets_the_parser(text in ".*", lines in "(dns|https|tcp|set|at|done|resolve|---| |=|[a-z.0-9\"{}:]{1,5}|\n){0,40}") {
        let _ = Scenario::parse(&text);
        let _ = Scenario::parse(&lines);
    }

    #[test]
    fn a_server_name_is_what_was_written(text in server_name_text()) {
        if let Ok(name) = ServerName::parse(&text) {
            prop_assert_eq!(name.as_str(), &text);
        }
    }

    #[test]
    fn a_resolution_keeps_its_promises_among_strangers(scenario in scenario(), moves in moves(), mode in speculation()) {
        let mut config = config(&scenario);
        config.policy.speculation = mode;
        let name: ServerName = scenario.resolves()[0].name.parse().unwrap();
        let world = scenario.world_at(Duration::ZERO);
        // A resolution has one ticket: it is asked for once.
        let moves: Vec<Move> =
            moves.into_iter().filter(|next| !matches!(next, Move::Resolve(_))).collect();
        let machine = Resolution::new(name.clone(), &config, START);
        let played = play(machine, Bounds::of(&config.policy), &world, std::slice::from_ref(&name), &moves);
        prop_assert_eq!(&played.violations, &[], "{}", scenario);
        prop_assert_eq!(played.ends.len(), 1);
        let again = || replay(&mut Resolution::new(name.clone(), &config, START), &played.inputs);
        prop_assert_eq!(again(), again());
    }

    #[test]
    fn a_resolver_keeps_its_promises_among_strangers(scenario in scenario(), names in vec(known_name(), 1..4), moves in moves(), mode in speculation()) {
        let mut config = config(&scenario);
        config.policy.speculation = mode;
        let world = scenario.world_at(Duration::ZERO);
        let machine = Resolver::new(config.clone(), START);
        let played = play(machine, Bounds::of(&config.policy), &world, &names, &moves);
        prop_assert_eq!(&played.violations, &[], "{}", scenario);
        let tickets = 1 + moves.iter().filter(|next| matches!(next, Move::Resolve(_))).count();
        prop_assert_eq!(played.ends.len(), tickets);
        let again = || {
            let mut machine = Resolver::new(config.clone(), START);
            let events = replay(&mut machine, &played.inputs);
            (events, Machine::poll_timeout(&machine))
        };
        prop_assert_eq!(again(), again());
    }
}

proptest! {
    #![proptest_config(cases(5))]

    #[test]
    fn no_order_leads_away_from_the_reference(scenario in scenario(), seed in any::<u64>()) {
        let limits = Limits { open: 0, samples: 6, states: 2_000, seed, ..Limits::default() };
        let found = explore(&scenario, 0, &limits).unwrap();
        prop_assert!(found.findings.is_empty(), "{found}\n{scenario}");
    }
}
