//! Properties: of scenarios, of the machines among strangers, and of orders against the reference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use std::time::Duration;

use discovery_core::{ErrorKind, Fact, Resolution, Resolver, ServerName};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::explore::{Limits, explore};
use crate::play::play;
use crate::reference::Reference;
use crate::run::{Bounds, Machine, Options, START, config, replay, run_resolver};

/// As many cases as `PROPTEST_CASES` says, drawn anew each time; else 128, and always the same ones. Slow ones are so many
/// times fewer.
fn cases(slow: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let (cases, rng_seed) = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => (default.cases, default.rng_seed),
        None => (128, RngSeed::Fixed(0)),
    };
    ProptestConfig { cases: cases / slow, rng_seed, failure_persistence: None, ..default }
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
    fn a_resolution_keeps_its_invariants_among_strangers(scenario in scenario(), moves in moves(), mode in speculation()) {
        let mut config = config(&scenario);
        config.policy.spec.speculation = mode;
        let name: ServerName = scenario.resolves()[0].name.parse().unwrap();
        let world = scenario.world_at(Duration::ZERO);
        // A resolution has one ticket: it is asked for once.
        let moves: Vec<Move> =
            moves.into_iter().filter(|next| !matches!(next, Move::Resolve(_))).collect();
        let machine = Resolution::new(name.clone(), &config, START);
        let played = play(machine, Bounds::of(&config.policy), &world, std::slice::from_ref(&name), &moves);
        prop_assert_eq!(&played.violations, &[], "{}", scenario);
        prop_assert_eq!(played.outcomes().len(), 1);
        let again = || replay(&mut Resolution::new(name.clone(), &config, START), &played.inputs);
        prop_assert_eq!(again(), again());
    }

    #[test]
    fn a_resolver_keeps_its_invariants_among_strangers(scenario in scenario(), names in vec(known_name(), 1..4), moves in moves(), mode in speculation()) {
        let mut config = config(&scenario);
        config.policy.spec.speculation = mode;
        let world = scenario.world_at(Duration::ZERO);
        let machine = Resolver::new(config.clone(), START);
        let played = play(machine, Bounds::of(&config.policy), &world, &names, &moves);
        prop_assert_eq!(&played.violations, &[], "{}", scenario);
        let tickets = 1 + moves.iter().filter(|next| matches!(next, Move::Resolve(_))).count();
        prop_assert_eq!(played.outcomes().len(), tickets);
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
    fn what_is_remembered_of_a_world_that_stays_is_what_the_reference_says(
        scenario in scenario(),
        later in vec((known_name(), select(&[0_u64, 1, 35, 299, 301, 4_000, 90_000, 180_000][..])), 0..5),
        mode in speculation(),
    ) {
        let mut scenario = scenario;
        let mut later = later;
        later.sort_by_key(|(_, seconds)| *seconds);
        for (name, seconds) in later {
            scenario.lines.push(Line::At(Duration::from_secs(seconds)));
            scenario.lines.push(Line::Resolve { name: name.to_string(), abandon: None });
        }
        let text = format!("set spec.speculation={}\n{scenario}", serde_json::to_value(mode).unwrap().as_str().unwrap());
        let scenario = Scenario::parse(&text).unwrap();
        let run = run_resolver(&scenario, Options::default());
        prop_assert_eq!(&run.violations, &[], "{}", scenario);
        let (world, policy) = (scenario.world_at(Duration::ZERO), scenario.policy());
        for ended in &run.ends {
            let outcome = ended.outcome.clone().unwrap().unwrap();
            let explanation = match &outcome {
                Ok(done) => &done.explanation,
                Err(failed) => &failed.explanation,
            };
            // What was late or failed is taken from the run; it may have come back since it was remembered.
            let given = explanation.decisions.iter().filter_map(|decision| {
                let (question, fact) = (decision.question()?.clone(), decision.fact()?.clone());
                matches!(fact, Fact::Late | Fact::Failed(_)).then_some((question, fact))
            });
            let reference = Reference::new(&world, &policy)
                .name_servers(scenario.name_servers())
                .routes(scenario.routes_at(Duration::ZERO))
                .given(given.collect());
            let verdict = reference.resolve(&ended.name.parse().unwrap());
            let timed_out = outcome.as_ref().is_err_and(|failed| failed.kind == ErrorKind::TimedOut);
            if !timed_out {
                verdict.expected.check(&outcome).map_err(|error| TestCaseError::fail(format!("{}: {error}\n{scenario}", ended.name)))?;
            }
        }
    }

    #[test]
    fn no_order_leads_away_from_the_reference(scenario in scenario(), seed in any::<u64>()) {
        let limits = Limits { open: 0, samples: 6, states: 2_000, seed, ..Limits::default() };
        let found = explore(&scenario, 0, &limits).unwrap();
        prop_assert!(found.findings.is_empty(), "{found}\n{scenario}");
    }
}
