//! Bytes as a hosts file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_oracles::hosts_target(bytes));
