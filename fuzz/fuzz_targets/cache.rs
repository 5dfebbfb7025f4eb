//! Bytes as a session of a resolver, compared with the cache model.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_sim::fuzz::cache_target(bytes));
