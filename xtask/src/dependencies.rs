//! What the workspace depends on: every licence is on the list of `deny.toml`, and the core carries nothing that could
//! do I/O, tell the time or draw random numbers.
//!
//! Needs nothing but cargo, so that it runs where `cargo deny` is not installed.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// Crates that must never stand below `discovery-core`, by what they would bring in.
const NOT_IN_CORE: [(&str, &[&str]); 3] = [
    (
        "a runtime",
        &["tokio", "async-std", "smol", "async-io", "async-executor", "futures-executor"],
    ),
    (
        "sockets",
        &["mio", "socket2", "polling", "rustix", "libc", "windows-sys", "rustls", "hickory-proto"],
    ),
    ("entropy", &["getrandom", "rand", "rand_core", "fastrand", "oorandom"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<String>,
}

/// Checks the dependencies of the whole workspace.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let list = fs::read_to_string(root.join("deny.toml"))?;
    let metadata = cargo(root, &["metadata", "--format-version=1", "--locked", "--all-features"])?;
    let metadata: Metadata = serde_json::from_str(&metadata)?;
    let mut complaints = licences(&metadata, &allowed(&list));

    let tree = [
        "tree",
        "--locked",
        "--package=discovery-core",
        "--edges=normal,build",
        "--target=all",
        "--prefix=none",
        "--format={p}",
    ];
    complaints.extend(below_core(&cargo(root, &tree)?));
    Ok(complaints)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn below_core(tree: &str) -> Vec<String> {
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut complaints = Vec::new();
    for (what, crates) in NOT_IN_CORE {
        for name in crates.iter().filter(|name| names.contains(*name)) {
            complaints.push(format!("discovery-core depends on {name}, which brings in {what}"));
        }
    }
    complaints
}

fn licences(metadata: &Metadata, allowed: &Allowed) -> Vec<String> {
    let mut complaints = Vec::new();
    // Packages of the registry only are judged twice over by id; ids are unique, so the map only puts them in order.
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    for package in packages.values() {
        let name = format!("{} {}", package.name, package.version);
        match &package.license {
            Some(expression) if satisfied(expression, &|id| allowed.has(&package.name, id)) => {}
            Some(expression) => {
                complaints.push(format!("{name}: licence `{expression}` is not allowed"))
            }
            None if package.license_file.is_some() => {
                complaints.push(format!("{name}: its licence is a file, which somebody must read"));
            }
            None => complaints.push(format!("{name}: no licence")),
        }
    }
    complaints
}

/// The licences of `deny.toml`: those for everybody, and those for one crate.
#[derive(Default)]
struct Allowed {
    everybody: BTreeSet<String>,
    exceptions: BTreeSet<(String, String)>,
}

impl Allowed {
    fn has(&self, package: &str, licence: &str) -> bool {
        self.everybody.contains(licence)
            || self.exceptions.contains(&(package.to_owned(), licence.to_owned()))
    }
}

/// Reads the two lists of the `[licenses]` table; the file is ours, so its manner of writing is known.
fn allowed(toml: &str) -> Allowed {
    let mut allowed = Allowed::default();
    let (mut inside, mut list) = (false, "");
    for line in toml.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            inside = line == "[licenses]";
        }
        if !inside {
            continue;
        }
        if let Some((key, _)) = line.split_once(" = [")
            && !line.starts_with('{')
        {
            list = if key == "allow" || key == "exceptions" { key } else { "" };
        }
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        match (list, quoted.as_slice()) {
            ("allow", ids) => allowed.everybody.extend(ids.iter().map(|id| (*id).to_owned())),
            ("exceptions", [name, ids @ ..]) => {
                allowed
                    .exceptions
                    .extend(ids.iter().map(|id| ((*name).to_owned(), (*id).to_owned())));
            }
            _ => {}
        }
        if line.ends_with(']') {
            list = "";
        }
    }
    allowed
}

/// Whether an SPDX expression holds, given which single licences do. `A/B` is the old way to write `A OR B`; `A WITH B`
/// is a licence of its own.
fn satisfied(expression: &str, holds: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut words = words.as_slice();
    let result = alternatives(&mut words, holds);
    result == Some(true) && words.is_empty()
}

fn alternatives(words: &mut &[&str], holds: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut result = conjunction(words, holds)?;
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        result |= conjunction(words, holds)?;
    }
    Some(result)
}

fn conjunction(words: &mut &[&str], holds: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut result = licence(words, holds)?;
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        result &= licence(words, holds)?;
    }
    Some(result)
}

fn licence(words: &mut &[&str], holds: &dyn Fn(&str) -> bool) -> Option<bool> {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let result = alternatives(words, holds)?;
            let [")", rest @ ..] = *words else { return None };
            *words = rest;
            Some(result)
        }
        [id, "WITH", exception, rest @ ..] => {
            *words = rest;
            Some(holds(&format!("{id} WITH {exception}")))
        }
        [id, rest @ ..] if !matches!(*id, ")" | "OR" | "AND" | "WITH") => {
            *words = rest;
            Some(holds(id))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{allowed, below_core, satisfied};

    #[test]
    fn an_expression_holds_when_one_choice_is_allowed_in_full() {
        let mit_and_isc = |id: &str| id == "MIT" || id == "ISC";
        for good in
            ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND ISC", "ISC AND MIT"]
        {
            assert!(satisfied(good, &mit_and_isc), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT WITH odd",
            "(MIT",
            "MIT MIT",
            "",
            "OR MIT",
            "(MIT OR GPL-3.0) AND GPL-3.0",
        ] {
            assert!(!satisfied(bad, &mit_and_isc), "{bad}");
        }
    }

    #[test]
    fn the_list_is_read_from_the_licences_table_alone() {
        let list = allowed(
            "[licenses]\n# \"Comment\"\nallow = [\n  \"MIT\",\n]\nexceptions = [\n  { crate = \"ring\", allow = [\"Odd\"] },\n]\n[bans]\nallow = [\"GPL-3.0\"]\n",
        );
        assert!(list.has("any", "MIT") && list.has("ring", "Odd"));
        assert!(
            !list.has("any", "Odd") && !list.has("any", "GPL-3.0") && !list.has("any", "Comment")
        );
    }

    #[test]
    fn a_runtime_below_the_core_is_a_complaint() {
        assert_eq!(below_core("discovery-core v0.1.0\nhttp v1.0.0\n"), Vec::<String>::new());
        let complaints = below_core("discovery-core v0.1.0\ntokio v1.54.0\n");
        assert_eq!(complaints, ["discovery-core depends on tokio, which brings in a runtime"]);
    }
}
