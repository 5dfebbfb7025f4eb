#![doc = include_str!("../FORMAT.md")]

mod bench;
mod cache_model;
mod draw;
mod explore;
mod feedback_model;
pub mod population;
pub mod fuzz;
pub mod session;
mod play;
mod raw;
mod reference;
mod run;
mod scenario;
mod simulator;
mod random_run;
#[cfg(any(test, feature = "proptest"))]
pub mod strategies;
mod fault_injector;
mod web;
mod world;

pub use bench::{Bench, Happened};
pub use cache_model::CacheModel;
pub use explore::{
    Counterexample, Coverage, Explored, Fault, Finding, Limits, Subject, Wrong, explore,
    explore_crowd, shrink,
};
pub use fault_injector::FaultInjector;
pub use play::{Move, bogus_answer, play};
pub use random_run::{RandomRun, Totals};
pub use raw::{RawReading, StreamEnd, read_raw};
pub use reference::{
    Disagreement, Expected, ExpectedResult, Given, Group, Life, Place, Reference, Verdict,
};
pub use run::{
    Bounds, Cancelled, Connected, Ended, Input, Latency, Machine, Monitor, Options, Run, START,
    Violation, config, question, replay, run_each, run_resolver, sequential_waits,
};
pub use scenario::{
    Addresses, Asked, Count, DEFAULT_CLOCK, DnsLine, Done, Expect, Fresh, HttpsLine, Line,
    Mismatch, Observed, ParseError, Problem, Report, Resolve, RouteSet, Scenario, Wanted,
};
pub use simulator::{Next, Simulator};
pub use web::{Body, End, Page, RawPiece, Served, is_chunked, written_head};
pub use world::{
    ConnectFault, DEFAULT_SOA, DEFAULT_TTL, Destination, DnsAnswer, DnsOutcome, HttpAnswer, NoEdns,
    ServerFault, WireFault, World, ZoneEntry, ZoneType, made_v4, made_v6, service,
};
