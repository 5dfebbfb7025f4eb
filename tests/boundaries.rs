//! Checks the table of times: every time of the policy has a scenario, and every scenario fails with another time.
//!
//! The scenarios themselves are run by `scenarios.rs`, in every layer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests that read files"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use discovery_core::{Policy, Speculation};
use discovery_sim::Scenario;
use discovery_tests::layers::{Layer, Memory, speculating};
use serde_json::Value;

/// One line of the table.
struct Row {
    what: String,
    as_it_is: String,
    less: String,
    more: String,
    scenarios: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/boundaries")
}

fn table() -> Vec<Row> {
    let text = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, what, as_it_is, less, more, scenarios] = cells[..] else { panic!("{line}") };
        let code = |cell: &str| cell.trim_matches('`').to_owned();
        Row {
            what: code(what),
            as_it_is: code(as_it_is),
            less: code(less),
            more: code(more),
            scenarios: scenarios.split(',').map(|name| name.trim().to_owned()).collect(),
        }
    })
    .collect()
}

/// Every setting by its full name: `dns.timeout`.
fn policy() -> BTreeMap<String, Value> {
    let Value::Object(groups) = serde_json::to_value(Policy::default()).unwrap() else {
        panic!("a policy is an object")
    };
    let mut settings = BTreeMap::new();
    for (group, fields) in groups {
        let Value::Object(fields) = fields else { panic!("{group} is a group") };
        settings.extend(fields.into_iter().map(|(name, value)| (format!("{group}.{name}"), value)));
    }
    settings
}

/// Whether a setting is a time, or a share of one: by its value, or by its name where the value says nothing. A floor of zero has no
/// lesser time beside it, and takes effect where a scenario sets another (`memory/dns-min-ttl`).
fn is_time(name: &str, value: &Value) -> bool {
    let is_duration = |text: &str| {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        text == "none"
            || (text != "0s" && unit.len() < text.len() && ["ms", "s", "m", "h"].contains(&unit))
    };
    value.as_str().is_some_and(is_duration) || value.is_null() || name.ends_with("_percent")
}

#[test]
fn every_time_of_the_policy_is_in_the_table_with_its_default() {
    let policy = policy();
    let times = policy.iter().filter(|(name, value)| is_time(name, value));
    let times: BTreeSet<&str> = times.map(|(name, _)| name.as_str()).collect();
    assert!(times.len() >= 23, "{times:?}");
    let table = table();
    let told: BTreeSet<&str> = table
        .iter()
        .map(|row| row.what.as_str())
        .filter(|what| policy.contains_key(*what))
        .collect();
    assert_eq!(told, times, "left: the table; right: the policy");
    for row in table {
        let plain = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        if let Some(value) = policy.get(&row.what) {
            assert_eq!(row.as_it_is, plain(value), "{}", row.what);
        }
    }
}

#[test]
fn every_scenario_of_the_folder_is_in_the_table() {
    let files = folder().read_dir().unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "scenario"));
    let files: BTreeSet<String> =
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let told: BTreeSet<String> = table().into_iter().flat_map(|row| row.scenarios).collect();
    assert_eq!(files, told);
}

#[test]
fn every_scenario_fails_where_its_time_is_another() {
    for row in table() {
        let mut fails = BTreeMap::new();
        for name in &row.scenarios {
            let text = fs::read_to_string(folder().join(name).with_extension("scenario")).unwrap();
            assert!(is_met(&text), "{name} as it is");
            for other in [&row.less, &row.more] {
                if !is_met(&changed(&text, &row, other)) {
                    fails.entry(other).or_insert_with(BTreeSet::new).insert(name);
                }
            }
        }
        for other in [&row.less, &row.more] {
            assert!(fails.contains_key(other), "{}: all pass with {other}", row.what);
        }
        let failing: BTreeSet<_> = fails.into_values().flatten().collect();
        assert_eq!(failing, row.scenarios.iter().collect(), "{}: some pass with both", row.what);
    }
}

/// A scenario with another time.
fn changed(text: &str, row: &Row, other: &str) -> String {
    if policy().contains_key(&row.what) {
        return format!("set {}={other}\n{text}", row.what);
    }
    let changed = text.replace(&row.as_it_is, other);
    assert_ne!(changed, text, "{} does not stand there", row.as_it_is);
    changed
}

fn is_met(text: &str) -> bool {
    let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let ends = Memory.attempt(&speculating(&scenario, Speculation::Off), 0).unwrap().unwrap();
    assert_eq!(ends.len(), scenario.expect.len(), "an expectation for each name");
    let mut pairs = ends.iter().zip(&scenario.expect);
    pairs.all(|(end, expect)| expect.check(&end.observed()).is_empty())
}
