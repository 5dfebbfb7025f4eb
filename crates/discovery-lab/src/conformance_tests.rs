//! Tests of the conformance kit: it agrees with itself in memory, and an adapter that errs is found out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use discovery_core::{Config, Event, Explanation, Resolver};
use discovery_sim::{Options, run_resolver};

use super::*;
use crate::MemoryRunner;

#[test]
fn every_task_comes_out_over_bytes_in_memory() {
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

#[test]
fn an_adapter_that_never_answers_is_found_out() {
    let complaints = conformance(|task| {
        let mut config = Config::new(task.policy);
        config.name_servers = 0;
        let mut machine = Resolver::new(config, Instant::ORIGIN);
        let mut ends = Vec::new();
        for name in &task.names {
            let ticket = machine.resolve(name, Instant::ORIGIN);
            let _ = machine.abandon(ticket, Instant::ORIGIN);
        }
        while let Some(event) = machine.poll() {
            if let Event::Finished(_, outcome) = event {
                ends.push(outcome);
            }
        }
        ends
    })
    .unwrap();
    assert!(complaints.len() > 30, "{complaints:#?}");
    let complaints = conformance(|_| Vec::new()).unwrap();
    assert_eq!(complaints.len(), 2, "{complaints:#?}");
}

#[cfg(feature = "tokio")]
#[test]
fn tokio_conforms() {
    let complaints = conformance(|task| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let discovery = discovery_tokio::Discovery::builder(task.tls)
                .policy(task.policy)
                .seed(task.seed)
                .name_servers(task.name_servers)
                .connect_to(task.connect_to)
                .probe_routes(false)
                .spawn()
                .unwrap();
            let routes = task.routes;
            discovery.handle().with(|resolver, now| resolver.set_routes(routes, now));
            let all: Vec<_> = task.names.iter().map(|name| discovery.resolve(name)).collect();
            let mut outcomes = Vec::new();
            for resolving in all {
                outcomes.push(resolving.await);
            }
            outcomes
        })
    })
    .unwrap();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
