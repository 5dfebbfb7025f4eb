//! Runs the conformance kit on every adapter and every example loop, with one test for each check.
//!
//! Descriptors, threads and wake-ups are counted for the whole process, so tests run one at a time.

use std::process::ExitCode;
use std::sync::Arc;

use discovery_lab::kit::{Adapter, Check};
use discovery_tests::adapters;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut trials = Vec::new();
    for adapter in adapters::all() {
        for check in Check::ALL {
            let adapter = Arc::clone(&adapter);
            let name = format!("{} {}", adapter.name(), check.name);
            let exception = adapters::exception(adapter.name(), check.name);
            if let Some(why) = exception {
                eprintln!("{name}: left out, for {why}");
            }
            let trial = Trial::test(name, move || examine(&adapter, check));
            trials.push(trial.with_ignored_flag(exception.is_some()));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn examine(adapter: &Arc<dyn Adapter>, check: Check) -> Result<(), Failed> {
    let found = check.run(adapter)?;
    for figure in &found.figures {
        println!("{} {}: {figure}", adapter.name(), check.name);
    }
    if found.complaints.is_empty() { Ok(()) } else { Err(found.complaints.join("\n").into()) }
}
