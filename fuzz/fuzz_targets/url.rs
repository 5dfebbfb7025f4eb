//! Bytes as a URL and a redirect from it, compared with `url`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_oracles::url_target(bytes));
