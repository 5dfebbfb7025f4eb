//! The shortest way to something wrong, in the smallest world.
//!
//! Knows nothing of what is wrong but of which kind it is.

use std::fmt;
use std::mem::discriminant;

use super::{Explored, Finding, Limits, Wrong, explore, explore_crowd};
use crate::scenario::{Line, Scenario};

/// States visited at most in each attempt to do with less.
const MAX_STATES: usize = 30_000;

/// Something wrong with nothing beside it that could be left out. Printed it is a scenario whose first lines tell the way.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The world and the names.
    pub scenario: Scenario,
    /// A finding, and the path to it.
    pub finding: Finding,
}

/// Looks for the shortest way to something wrong of the same kind, and leaves out every line of the scenario without which it is
/// still there. `index` is the name that was explored; None: all of them at once.
pub fn shrink(
    scenario: &Scenario,
    index: Option<usize>,
    limits: &Limits,
    finding: &Finding,
) -> Counterexample {
    let limits = Limits {
        states: limits.states.min(MAX_STATES),
        shortest: true,
        speculation: vec![finding.speculation],
        ..limits.clone()
    };
    let explored = |scenario: &Scenario| -> Option<Explored> {
        match index {
            Some(index) => explore(scenario, index, &limits),
            None => explore_crowd(scenario, &limits),
        }
    };
    let found = |scenario: &Scenario| -> Option<Finding> {
        let findings = explored(scenario)?.findings;
        findings.into_iter().find(|found| kind(found) == kind(finding))
    };
    match found(scenario) {
        Some(finding) => less(scenario, finding, found),
        None => Counterexample { scenario: scenario.clone(), finding: finding.clone() },
    }
}

/// Removes every line that is not needed to reproduce the finding.
fn less(
    scenario: &Scenario,
    finding: Finding,
    found: impl Fn(&Scenario) -> Option<Finding>,
) -> Counterexample {
    let mut least = Counterexample { scenario: scenario.clone(), finding };
    // From the last line on: those that others build on tend to stand before them.
    for at in (0..scenario.lines.len()).rev() {
        let mut less = least.scenario.clone();
        if matches!(less.lines.get(at), Some(Line::Resolve { .. } | Line::At(_))) {
            continue;
        }
        less.lines.remove(at);
        if let Some(finding) = found(&less) {
            least = Counterexample { scenario: less, finding };
        }
    }
    least
}

/// The properties that two findings of the same bug share.
fn kind(finding: &Finding) -> (std::mem::Discriminant<Wrong>, Option<&'static str>) {
    let broken = |why: &Wrong| {
        if let Wrong::Broken(violation) = why { Some(violation.invariant) } else { None }
    };
    let invariant = broken(&finding.why);
    (discriminant(&finding.why), invariant)
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.finding.to_string().replace('\n', "\n# "))?;
        for told in &self.finding.moves {
            writeln!(f, "# - {told}")?;
        }
        let mut scenario = self.scenario.clone();
        scenario.lines.retain(|line| !matches!(line, Line::Comment(_) | Line::Blank));
        scenario.expect.clear();
        write!(f, "{scenario}")
    }
}

#[cfg(test)]
mod tests {
    use discovery_core::Speculation;

    use super::{Finding, Wrong, less};
    use crate::scenario::Scenario;

    #[test]
    fn what_can_be_left_out_is_left_out() {
        let text = "# A scenario.\ndns a.example A 192.0.2.1\ndns b.example A 192.0.2.2\nseed 7\nresolve b.example:1\n";
        let Ok(scenario) = Scenario::parse(text) else { panic!("{text}") };
        // As if something were wrong wherever this record is.
        let found = |scenario: &Scenario| {
            scenario.to_string().contains("192.0.2.2").then(|| Finding {
                why: Wrong::NeverEnds,
                speculation: Speculation::Off,
                way: Vec::new(),
                moves: vec!["asked for b.example:1".to_owned()],
            })
        };
        let Some(finding) = found(&scenario) else { panic!("planted") };
        let least = less(&scenario, finding, found);
        assert_eq!(
            least.to_string(),
            "# Off, after 0 inputs: nothing more can happen, and there is no end\n# - asked for b.example:1\n\
             dns b.example A 192.0.2.2\nresolve b.example:1\n"
        );
    }
}
