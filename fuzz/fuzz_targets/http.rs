//! Bytes as an HTTP response, in any split, compared with two other readers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_oracles::http_target(bytes));
