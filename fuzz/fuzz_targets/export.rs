//! Bytes as an export of facts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_sim::fuzz::export_target(bytes));
