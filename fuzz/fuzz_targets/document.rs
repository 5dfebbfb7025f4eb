//! Bytes as a document, read by the machine and by the reference model.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| discovery_sim::fuzz::document_target(bytes));
