//! The built-in world: names for each step of the specification and for common faults, with the expected results.
//!
//! Knows nothing of who serves it.

use discovery_sim::{Expect, Line, Scenario};

/// The built-in world, as people read it.
pub const BUILT_IN: &str = include_str!("built_in.scenario");

/// A name of the built-in world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltInName {
    /// The name.
    pub name: String,
    /// The subject of the example.
    pub example_of: String,
    /// The expected result.
    pub expect: Expect,
}

/// The built-in world.
pub fn built_in() -> Scenario {
    #[expect(
        clippy::expect_used,
        reason = "the text is a part of this crate, and a test parses it"
    )]
    Scenario::parse(BUILT_IN).expect("the built-in world is a scenario")
}

/// The names of the built-in world, in order.
pub fn built_in_names() -> Vec<BuiltInName> {
    let scenario = built_in();
    let mut comment = "";
    let mut names = Vec::new();
    for line in &scenario.lines {
        if let Line::Comment(text) = line {
            comment = text.trim();
        } else if let Line::Resolve { name, .. } = line {
            let expect = scenario.expect.get(names.len()).cloned().unwrap_or_default();
            names.push(BuiltInName { name: name.clone(), example_of: comment.to_owned(), expect });
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::{MemoryRunner, differences};

    #[test]
    fn every_name_of_the_built_in_world_comes_out_as_it_says() {
        let scenario = built_in();
        let ran = MemoryRunner::new().unwrap().run(&scenario).unwrap();
        let found = differences(&scenario, &ran);
        assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn every_name_says_what_it_is_an_example_of_and_what_must_come_out() {
        let names = built_in_names();
        assert_eq!(names.len(), built_in().expect.len());
        for (name, before) in names.iter().skip(1).zip(&names) {
            assert_ne!(name.example_of, before.example_of, "{} has no comment", name.name);
            assert!(!name.expect.wanted.is_empty(), "{}", name.name);
        }
        let rules = ["1", "2", "3.1", "3.2", "3.3", "3.4", "3.5", "4", "5", "6"];
        for step in rules {
            let wanted = format!("step={step}");
            let shown = |name: &BuiltInName| name.expect.to_string().contains(&wanted);
            assert!(names.iter().any(shown), "no name for {step}");
        }
    }
}
