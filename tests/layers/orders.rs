//! `Resolution` in every order of answers and timeouts, where there are few enough, and in many orders where there are not.
//!
//! The explorer holds each end against the reference model by itself; what the scenario expects is only what comes of it in time.

use discovery_sim::{Limits, Line, Scenario, explore};

use super::is_about_memory;

/// How far each name is explored: enough for every order of a step, little enough for a thousand tests.
fn limits() -> Limits {
    Limits { states: 3_000, samples: 4, ..Limits::default() }
}

/// Why orders say nothing of a scenario; None: they do.
pub fn declines(scenario: &Scenario) -> Option<&'static str> {
    let budget = |line: &Line| matches!(line, Line::Set { field, .. } if field == "limits.max_queries_per_lookup");
    if scenario.lines.iter().any(budget) {
        return Some("which questions a budget leaves out depends on the order");
    }
    is_about_memory(scenario).then_some("it remembers nothing")
}

/// What goes wrong in any order, one complaint for each finding of the explorer.
pub fn orders(scenario: &Scenario) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, resolve) in scenario.resolves().into_iter().enumerate() {
        // What is no server name has no orders.
        let Some(explored) = explore(scenario, index, &limits()) else { continue };
        complaints.extend(explored.findings.iter().map(|one| format!("{}: {one}", resolve.name)));
    }
    complaints
}
