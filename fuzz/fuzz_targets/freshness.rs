//! Bytes as the headers of a response, compared with `http-cache-semantics`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_oracles::freshness_target(bytes));
