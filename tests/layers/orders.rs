//! `Resolution` in every order of answers and timeouts, where there are few enough, and in many orders where there are not.
//!
//! The explorer compares each outcome with the reference model. The expected results of the scenario hold for one order
//! only.

use discovery_sim::{Limits, Line, Scenario, explore};

use super::is_about_memory;

/// The limit for each name: enough for every order of a step, and little enough for a thousand tests.
fn limits() -> Limits {
    Limits { states: 3_000, samples: 4, ..Limits::default() }
}

/// Why the explorer cannot run a scenario. None: it can.
pub fn declines(scenario: &Scenario) -> Option<&'static str> {
    let budget = |line: &Line| matches!(line, Line::Set { field, .. } if field == "limits.max_queries_per_lookup");
    if scenario.lines.iter().any(budget) {
        return Some("which questions a budget leaves out depends on the order");
    }
    is_about_memory(scenario).then_some("it remembers nothing")
}

/// The findings of the explorer, one complaint each.
pub fn orders(scenario: &Scenario) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, resolve) in scenario.resolves().into_iter().enumerate() {
        // Invalid server names have no orders.
        let Some(explored) = explore(scenario, index, &limits()) else { continue };
        complaints.extend(explored.findings.iter().map(|one| format!("{}: {one}", resolve.name)));
    }
    complaints
}
