//! Bytes as a life of a resolver, compared with the model of what may be remembered.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_sim::fuzz::cache_target(bytes));
