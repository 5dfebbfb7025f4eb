//! Tests of the kit's worlds: they agree with themselves in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;

use discovery_core::{Explanation, Outcome};
use discovery_sim::{Options, run_resolver};

use super::*;
use crate::{MemoryRunner, differences};

#[test]
fn every_name_comes_out_over_bytes_in_memory() {
    for scenario in scenarios() {
        assert_eq!(scenario.expect.len(), scenario.resolves().len());
        let ran = MemoryRunner::new().unwrap().run(&scenario).unwrap();
        let found = differences(&scenario, &ran);
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// What was decided, without times and draws.
fn decided(outcome: &Outcome) -> (Vec<SocketAddr>, Explanation) {
    match outcome.as_ref() {
        Ok(resolved) => (resolved.socket_addrs().collect(), resolved.explanation.clone()),
        Err(failed) => (Vec::new(), failed.explanation.clone()),
    }
}

#[test]
fn the_services_say_in_bytes_what_the_world_says() {
    for scenario in scenarios() {
        let ran = MemoryRunner::new().unwrap().run(&scenario).unwrap();
        let world = run_resolver(&scenario, Options::default());
        assert_eq!(ran.len(), world.ends.len());
        for (ran, ended) in ran.iter().zip(&world.ends) {
            let told = ended.outcome.as_ref().unwrap();
            assert_eq!(
                ran.outcome.as_ref().map(decided),
                told.as_ref().map(decided),
                "{}",
                ran.name
            );
        }
    }
}
