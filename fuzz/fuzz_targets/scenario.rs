//! Bytes as a scenario.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_sim::fuzz::scenario_target(bytes));
