//! Tests of the machine alone, built without the wire and its drivers: in seconds, for each mutant of the core anew.
//!
//! Knows no adapter. What they find, the layers of `tests/layers` find as well, and say better.
