//! Writes the page of invariants: their texts, the code that checks them, and the tests that show them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::citations::{Part, citations};
use crate::spec::{listed, short};
use crate::tidy::files;

pub(crate) const PAGE: &str = "crates/discovery-core/docs/invariants.md";
const TABLE: &str = "xtask/invariants.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    invariants: BTreeMap<String, String>,
}

/// The places that cite an invariant.
#[derive(Default)]
struct Places {
    core: BTreeSet<String>,
    simulator: BTreeSet<String>,
    tests: BTreeSet<String>,
    scenarios: BTreeSet<String>,
}

/// The invariants, by number.
pub(crate) fn table(root: &Path) -> Result<BTreeMap<u32, String>, Box<dyn Error>> {
    let text = fs::read_to_string(root.join(TABLE))?;
    let table: Table = toml::from_str(&text)?;
    let mut invariants = BTreeMap::new();
    for (key, text) in table.invariants {
        let number = key.strip_prefix('I').and_then(|digits| digits.parse().ok());
        let number = number.ok_or_else(|| format!("{TABLE}: {key} is no number"))?;
        invariants.insert(number, text);
    }
    Ok(invariants)
}

/// The page, in Markdown.
pub(crate) fn page(root: &Path) -> Result<String, Box<dyn Error>> {
    let places = places(root)?;
    let none = Places::default();
    let mut page = String::from(
        "<!-- Written by `cargo xtask pages`. -->\n\n\
         What holds for every [`Resolution`](crate::Resolution) and every [`Resolver`](crate::Resolver), whatever the driver and the \
         servers do. Comments, tests and documentation cite these numbers.\n\n\
         `Monitor` of `discovery-sim` checks most of them in every run in virtual time: scenarios, random runs, the explorer and fuzz \
         targets. The lists name further checks.\n",
    );
    for (number, text) in table(root)? {
        write!(page, "\n**I{number}**: {text}\n\n")?;
        let Places { core, simulator, tests, scenarios } = places.get(&number).unwrap_or(&none);
        for (word, places) in [
            ("Implemented or stated in", core),
            ("Checked in", simulator),
            ("Tests", tests),
            ("Scenarios", scenarios),
        ] {
            if !places.is_empty() {
                writeln!(page, "- {word}: {}", listed(places))?;
            }
        }
    }
    Ok(page)
}

fn places(root: &Path) -> Result<BTreeMap<u32, Places>, Box<dyn Error>> {
    let mut all: BTreeMap<u32, Places> = BTreeMap::new();
    for path in files(root)? {
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        for citation in citations(&path, &text, 'I') {
            let places = all.entry(citation.number).or_default();
            if let Some(scenario) = path.strip_suffix(".scenario") {
                places.scenarios.insert(scenario.trim_start_matches("tests/").to_owned());
                continue;
            }
            let place = match &citation.item {
                Some(item) => format!("{} {item}", short(&path)),
                None => short(&path),
            };
            match citation.part {
                Part::Code => places.core.insert(place),
                Part::Model => places.simulator.insert(place),
                Part::Test => places.tests.insert(place),
            };
        }
    }
    Ok(all)
}
