//! Bytes as a server name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_sim::fuzz::server_name_target(bytes));
