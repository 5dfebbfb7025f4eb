//! The examples resolve the built-in world correctly.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::duplicate_mod,
    clippy::unwrap_used,
    dead_code,
    reason = "tests, which take of each example what they need"
)]

#[path = "../examples/completion.rs"]
mod completion;
#[path = "../examples/libraries/main.rs"]
mod libraries;
#[path = "../examples/local_set.rs"]
mod local_set;
#[path = "../examples/select_loop.rs"]
mod select_loop;

use std::time::Duration;

use discovery_core::{Instant, ServerName};
use discovery_lab::{Lab, LabOptions, LookupResult, built_in, differences};

/// The divisors of waits, tried in turn until the machine keeps up.
const DIVISORS: [u32; 3] = [20, 5, 1];

macro_rules! resolves_the_built_in_world {
    ($example:ident) => {
        let scenario = built_in();
        let mut found = Vec::new();
        for divisor in DIVISORS {
            let mut options = LabOptions::default();
            options.divisor = divisor;
            let lab = Lab::start_with(scenario.world_at(Duration::ZERO), options).unwrap();
            let settings = $example::common::Settings::of_lab(&lab, divisor);
            let (mut names, mut ran) = (Vec::new(), Vec::new());
            for resolve in scenario.resolves() {
                if let Ok(name) = ServerName::parse(&resolve.name) {
                    names.push(name);
                }
            }
            let mut outcomes = $example::resolve_all(settings, &names).unwrap().into_iter();
            for resolve in scenario.resolves() {
                let parsed = ServerName::parse(&resolve.name);
                let outcome = parsed.map(|_| outcomes.next().unwrap());
                let (name, at) = (resolve.name, Instant::ORIGIN);
                ran.push(LookupResult { name, at, outcome, asked: None, hurried: true });
            }
            found = differences(&scenario, &ran);
            if found.is_empty() {
                break;
            }
        }
        assert!(found.is_empty(), "{found:#?}");
    };
}

#[test]
fn a_select_loop_that_has_something_else_to_do_resolves() {
    resolves_the_built_in_world!(select_loop);
}

#[test]
fn a_local_set_where_nothing_is_send_resolves() {
    resolves_the_built_in_world!(local_set);
}

#[test]
fn libraries_instead_of_the_wire_resolve() {
    resolves_the_built_in_world!(libraries);
}

#[test]
fn a_completion_based_loop_resolves() {
    if let Err(error) = compio::runtime::Runtime::new() {
        eprintln!("skipped: the kernel refuses io_uring ({error})");
        return;
    }
    resolves_the_built_in_world!(completion);
}
