//! Bytes as a DNS reply, in any split.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_oracles::dns_target(bytes));
