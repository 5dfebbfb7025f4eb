//! Bytes as a whole GET over TLS, in any split.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_oracles::exchange_target(bytes));
