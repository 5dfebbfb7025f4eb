//! The examples resolve the built-in world: each is what its first lines say, and right.
#![allow(
    clippy::duplicate_mod,
    clippy::unwrap_used,
    dead_code,
    reason = "tests, which take of each example what they need"
)]

#[path = "../examples/local_set.rs"]
mod local_set;
#[path = "../examples/select_loop.rs"]
mod select_loop;

use discovery_lab::{ConformanceTask, conformance};

/// A task as an example takes it.
macro_rules! conforms {
    ($example:ident) => {
        let complaints = conformance(|task: ConformanceTask| {
            let ConformanceTask {
                tls, policy, seed, name_servers, connect_to, routes, names, ..
            } = task;
            let setting =
                $example::common::Setting { tls, policy, seed, name_servers, connect_to, routes };
            $example::resolve_all(setting, &names).unwrap()
        })
        .unwrap();
        assert!(complaints.is_empty(), "{complaints:#?}");
    };
}

#[test]
fn a_select_loop_that_has_something_else_to_do_conforms() {
    conforms!(select_loop);
}

#[test]
fn a_local_set_where_nothing_is_send_conforms() {
    conforms!(local_set);
}
