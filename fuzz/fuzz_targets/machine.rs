//! Bytes as a whole run of both machines.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_sim::fuzz::machine_target(bytes));
