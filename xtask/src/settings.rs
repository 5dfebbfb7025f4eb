//! The page of settings: every field of the policy with its default, its documentation and the scenarios that show it.
//!
//! Reads the documentation comments of the policy's structures, and the defaults from the policy itself.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use discovery_core::Policy;
use serde_json::Value;

use crate::spec::listed;
use crate::tidy::files;

pub(crate) const PAGE: &str = "crates/discovery-core/docs/policy.md";
/// The files with the structures.
const SOURCES: [&str; 2] =
    ["crates/discovery-core/src/policy.rs", "crates/discovery-core/src/address/policy.rs"];

/// A field that is a group, and the fields in it.
type Group = (Field, Vec<Field>);

/// One field of a structure.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: String,
    /// Its type, as written.
    of: String,
    about: String,
}

/// The full names of all settings: `dns.timeout`.
pub(crate) fn names(root: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut names = BTreeSet::new();
    for (group, fields) in groups(root)? {
        names.insert(group.name.clone());
        names.extend(fields.iter().map(|field| format!("{}.{}", group.name, field.name)));
    }
    Ok(names)
}

/// Settings whose documentation names no default.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut complaints = Vec::new();
    for (group, fields) in groups(root)? {
        let silent = fields.iter().filter(|field| !field.about.contains("Default:"));
        complaints.extend(silent.map(|field| {
            format!("{}.{}: its documentation names no `Default:`", group.name, field.name)
        }));
    }
    Ok(complaints)
}

/// The page, in Markdown.
pub(crate) fn page(root: &Path) -> Result<String, Box<dyn Error>> {
    let defaults = serde_json::to_value(Policy::default())?;
    let scenarios = scenarios(root)?;
    let mut page = String::from(
        "<!-- Written by `cargo xtask pages`. -->\n\n\
         The settings of a [`Policy`](crate::Policy), by group. Behind each name stands its default as JSON. Durations are texts such as \
         `250ms`, `1.5s`, `5m`, `24h` and `1d`, or whole seconds.\n",
    );
    for (group, fields) in groups(root)? {
        write!(page, "\n# `{}`\n\n{}\n", group.name, group.about)?;
        for Field { name, about, .. } in fields {
            let full = format!("{}.{name}", group.name);
            let default = defaults.get(&group.name).and_then(|group| group.get(&name));
            let default = default.map_or_else(|| "null".to_owned(), Value::to_string);
            write!(page, "\n**`{full}`** = `{default}`: {about}\n")?;
            if let Some(places) = scenarios.get(&full) {
                write!(page, "\n- Scenarios: {}\n", listed(places))?;
            }
        }
    }
    Ok(page)
}

/// The groups of the policy, in order, and the fields of each.
fn groups(root: &Path) -> Result<Vec<Group>, Box<dyn Error>> {
    let mut structures = BTreeMap::new();
    for source in SOURCES {
        structures.extend(self::structures(&fs::read_to_string(root.join(source))?));
    }
    let groups = structures.remove("Policy").ok_or("there is no `Policy`")?;
    let mut all = Vec::new();
    for group in groups {
        let fields = structures.remove(&group.of).ok_or_else(|| format!("no `{}`", group.of))?;
        all.push((group, fields));
    }
    Ok(all)
}

/// The public structures of a text, with their public fields.
fn structures(text: &str) -> BTreeMap<String, Vec<Field>> {
    let mut structures = BTreeMap::new();
    let (mut name, mut fields, mut about) = (None, Vec::new(), Vec::new());
    for line in text.lines() {
        let code = line.trim();
        if let Some(words) = code.strip_prefix("///") {
            about.push(words.trim().to_owned());
            continue;
        } else if code.starts_with("#[") {
            continue;
        } else if let Some(rest) = code.strip_prefix("pub struct ") {
            name = rest.strip_suffix(" {").map(str::to_owned);
        } else if line == "}" {
            if let Some(name) = name.take() {
                structures.insert(name, std::mem::take(&mut fields));
            }
        } else if let Some((field, of)) =
            code.strip_prefix("pub ").and_then(|rest| rest.strip_suffix(',')?.split_once(": "))
            && name.is_some()
        {
            let about = unlinked(&about.join(" "));
            fields.push(Field { name: field.to_owned(), of: of.to_owned(), about });
        }
        about.clear();
    }
    structures
}

/// The text without the targets of links, which are relative to the field.
fn unlinked(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, behind)) = after.split_once("`]") else { break };
        plain.push_str(before);
        let _ = write!(plain, "`{name}`");
        rest = match behind.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, behind)) => behind,
            None => behind,
        };
    }
    plain.push_str(rest);
    plain
}

/// The scenarios that cite or set each setting.
fn scenarios(root: &Path) -> Result<BTreeMap<String, BTreeSet<String>>, Box<dyn Error>> {
    let names = names(root)?;
    let mut scenarios: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files(root)? {
        let Some(short) = path.strip_prefix("tests/scenarios/") else { continue };
        let Some(short) = short.strip_suffix(".scenario") else { continue };
        let text = fs::read_to_string(root.join(&path))?;
        let set = text.lines().filter_map(|line| line.strip_prefix("set ")?.split('=').next());
        for name in cited(text.lines().next().unwrap_or_default()).into_iter().chain(set) {
            // A setting may have parts of its own: `addresses.static_addresses.a.example`.
            let setting = names.iter().rev().find(|full| {
                name.strip_prefix(full.as_str()).is_some_and(|rest| {
                    full.contains('.') && (rest.is_empty() || rest.starts_with('.'))
                })
            });
            if let Some(setting) = setting {
                scenarios.entry(setting.clone()).or_default().insert(short.to_owned());
            }
        }
    }
    Ok(scenarios)
}

/// The words of a header that stand in backticks and may be settings.
pub(crate) fn cited(header: &str) -> Vec<&str> {
    header.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::{cited, structures, unlinked};

    #[test]
    fn fields_are_read_with_their_documentation() {
        let text = "/// All.\npub struct A {\n    /// One,\n    /// or [`two`](Self::two).\n    #[serde(x)]\n    pub one: Option<Duration>,\n}\n";
        let structures = structures(text);
        let fields = structures.get("A").map(Vec::as_slice).unwrap_or_default();
        let fields: Vec<_> = fields.iter().map(|field| (&*field.name, &*field.about)).collect();
        assert_eq!(fields, [("one", "One, or `two`.")]);
    }

    #[test]
    fn links_lose_their_targets() {
        assert_eq!(unlinked("a [`b`](c) [`d`] e"), "a `b` `d` e");
        assert_eq!(unlinked("a [b"), "a [b");
    }

    #[test]
    fn a_header_cites_settings_in_backticks() {
        assert_eq!(cited("# `dns.timeout`, R1: `x` y"), ["dns.timeout", "x"]);
    }
}
