//! Facts held against the reference model: what must come of those alone.
//!
//! Knows nothing of where the facts came from.

use std::net::IpAddr;

use discovery_core::{Fact, NotFound, Outcome, Policy, Question, RecordType, ServerName, TlsName};

use crate::reference::{Given, Reference};
use crate::world::World;

/// The reference model says the same of these facts, in a world that holds nothing else.
pub(super) fn refer(name: &ServerName, facts: Given, outcome: &Outcome, policy: &Policy) {
    let mut given = facts;
    // The addresses of a document's host are no part of what its result rests on.
    let gets = given.keys().filter_map(|question| match question {
        Question::Get(url) => Some(url.host()),
        Question::Dns(..) => None,
    });
    for host in gets.collect::<Vec<_>>() {
        let TlsName::Dns(host) = host else { continue };
        let some = || Fact::Addresses {
            addresses: [IpAddr::from([192, 0, 2, 99])].into_iter().collect(),
            alias: None,
        };
        given.entry(Question::Dns(host.clone(), RecordType::A)).or_insert_with(some);
        given
            .entry(Question::Dns(host, RecordType::Aaaa))
            .or_insert(Fact::NotFound(NotFound::NoData));
    }
    let world = World::default();
    let verdict = Reference::new(&world, policy).given(given).resolve(name);
    if let Err(disagreement) = verdict.expected.check(outcome) {
        panic!("{name}: not the reference: {disagreement}\n{outcome:#?}");
    }
}
