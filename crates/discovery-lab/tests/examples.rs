//! The examples resolve the built-in world: each is what its first lines say, and right.
#![allow(
    clippy::disallowed_methods,
    clippy::duplicate_mod,
    clippy::unwrap_used,
    dead_code,
    reason = "tests, which take of each example what they need"
)]

#[path = "../examples/completion.rs"]
mod completion;
#[path = "../examples/libraries/main.rs"]
mod libraries;
#[path = "../examples/local_set.rs"]
mod local_set;
#[path = "../examples/select_loop.rs"]
mod select_loop;

use std::time::Instant;

use discovery_lab::{ConformanceTask, conformance};

const NOTHING: [&str; 0] = [];

/// A task as an example takes it.
macro_rules! conforms {
    ($example:ident, but for $errs:expr) => {
        let complaints = conformance(|task: ConformanceTask| {
            let ConformanceTask {
                tls, policy, seed, name_servers, connect_to, routes, names, ..
            } = task;
            let setting = $example::common::Setting {
                tls,
                policy,
                seed,
                name_servers,
                connect_to,
                fetch_from: Box::new(|get| get.address),
                routes,
                clock: Box::new(Instant::now),
            };
            $example::resolve_all(setting, &names).unwrap()
        })
        .unwrap();
        let names = complaints.iter().filter_map(|complaint| Some(complaint.split_once(':')?.0));
        assert_eq!(names.collect::<Vec<&str>>(), $errs, "{complaints:#?}");
    };
}

#[test]
fn a_select_loop_that_has_something_else_to_do_conforms() {
    conforms!(select_loop, but for NOTHING);
}

#[test]
fn a_local_set_where_nothing_is_send_conforms() {
    conforms!(local_set, but for NOTHING);
}

#[test]
fn libraries_in_place_of_the_wire_conform_but_for_addresses_in_urls() {
    // reqwest can't be told to connect elsewhere than to the address in a URL, as a laboratory needs.
    conforms!(libraries, but for ["moved.example"]);
}

#[test]
fn a_completion_based_loop_conforms() {
    if let Err(error) = compio::runtime::Runtime::new() {
        eprintln!("skipped: the kernel refuses io_uring ({error})");
        return;
    }
    conforms!(completion, but for NOTHING);
}
