//! The built-in world, and one that has each way in which DNS, TLS and HTTP go right or wrong: in virtual time, as every scenario.

use std::sync::Arc;

use discovery_sim::Scenario;

use super::Findings;
use crate::built_in::built_in;
use crate::kit::adapter::Adapter;
use crate::kit::runner::Runner;
use crate::results::RunTrouble;

pub(super) fn check(adapter: &Arc<dyn Adapter>, found: &mut Findings) -> Result<(), RunTrouble> {
    let runner = Runner::new(Arc::clone(adapter))?;
    let mut names: usize = 0;
    for scenario in scenarios() {
        names = names.saturating_add(scenario.expect.len());
        match runner.differences(&scenario) {
            Ok(differences) => {
                for (name, mismatch) in differences {
                    found.complain(format!("{name}: {mismatch}"));
                }
            }
            Err(trouble @ (RunTrouble::Certificate(_) | RunTrouble::Io(_))) => return Err(trouble),
            Err(trouble) => found.complain(trouble.to_string()),
        }
    }
    found.tell(format!("{names} names"));
    Ok(())
}

fn scenarios() -> [Scenario; 2] {
    #[expect(
        clippy::expect_used,
        reason = "the text is a part of this crate, and a test parses it"
    )]
    let faults = Scenario::parse(include_str!("conformance.scenario")).expect("it is a scenario");
    [built_in(), faults]
}

#[cfg(test)]
#[path = "worlds_tests.rs"]
mod tests;
