//! The machines in virtual time: `Resolution`, one for each name, and `Resolver`, one for all of them.
//!
//! Each scenario runs in several ways that must not matter: with and without reports of connections, with and without
//! answers to cancelled requests.

use discovery_core::{Instant, Question};
use discovery_sim::{
    Cancelled, Connected, Options, Run, Scenario, question, run_each, run_resolver,
};

use super::{Ended, Layer, is_about_memory, once};

/// `Resolution`: the specification and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct OnItsOwn;

/// `Resolver`: many names, one memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory;

impl Layer for OnItsOwn {
    fn name(&self) -> &'static str {
        "resolution"
    }

    fn declines(&self, scenario: &Scenario) -> Option<&'static str> {
        is_about_memory(scenario).then_some("it remembers nothing")
    }

    fn attempt(&self, scenario: &Scenario, attempt: usize) -> Option<Result<Vec<Ended>, String>> {
        once(attempt, || {
            let mut ends = Vec::new();
            for run in run_each(scenario, Options::default()) {
                ends.append(&mut ends_of(&run)?);
            }
            for options in indifferent() {
                for run in run_each(scenario, options) {
                    ends_of(&run)?;
                }
            }
            Ok(ends)
        })
    }
}

impl Layer for Memory {
    fn name(&self) -> &'static str {
        "resolver"
    }

    fn declines(&self, _: &Scenario) -> Option<&'static str> {
        None
    }

    fn attempt(&self, scenario: &Scenario, attempt: usize) -> Option<Result<Vec<Ended>, String>> {
        once(attempt, || {
            let ends = ends_of(&run_resolver(scenario, Options::default()))?;
            for options in indifferent() {
                ends_of(&run_resolver(scenario, options))?;
            }
            Ok(ends)
        })
    }
}

/// The ways to drive a machine.
fn indifferent() -> [Options; 2] {
    [
        Options { connected: Connected::Untold, ..Options::default() },
        Options { cancelled: Cancelled::Answered, ..Options::default() },
    ]
}

fn ends_of(run: &Run) -> Result<Vec<Ended>, String> {
    if let Some(violation) = run.violations.first() {
        return Err(violation.to_string());
    }
    let end = |ended: &discovery_sim::Ended| {
        let outcome = ended.outcome.clone().ok_or(format!("I11: {} never ends", ended.name))?;
        let later = run.ends.iter().map(|other| other.asked).find(|asked| *asked > ended.asked);
        let asked = Some(asked(run, ended.asked, later));
        Ok(Ended { outcome, at: ended.at.unwrap_or(ended.asked), asked })
    };
    run.ends.iter().map(end).collect()
}

fn asked(run: &Run, from: Instant, to: Option<Instant>) -> Vec<Question> {
    let within = |at: Instant| at >= from && to.is_none_or(|to| at < to);
    let requests = run.requests.iter().filter(|(at, _)| within(*at));
    requests.filter_map(|(_, request)| question(request)).collect()
}
