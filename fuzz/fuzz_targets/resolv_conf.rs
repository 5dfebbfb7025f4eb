//! Bytes as a `resolv.conf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_oracles::resolv_conf_target(bytes));
