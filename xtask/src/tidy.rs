//! Checks what the compiler does not: first lines and lengths of files, requirement numbers, references, generated files,
//! and words that have no place in the repository.
//!
//! It reads the files that git lists.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use discovery_sim::Scenario;

use crate::bugs;
use crate::citations::cited;
use crate::layers;
use crate::pages;
use crate::peers;
use crate::references::Repository;
use crate::settings;
use crate::spec::{self, LAST_REQUIREMENT};
use crate::vectors;

/// The maximum length of a source file, in lines. Exceptions are listed below with reasons.
const MAX_LINES: usize = 600;
const LONGER: [(&str, &str); 0] = [];

/// Pages that must stay short, with their maximum length in bytes.
const PAGES: [(&str, usize); 2] = [("ARCHITECTURE.md", 12 * 1024), ("README.md", 8 * 1024)];

/// The last invariant: `I1` to `I15`.
const LAST_INVARIANT: u32 = 15;

/// Folders of particular machines, which no file may name. They are split so that this file passes, too.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Retired names, replaced by those of the RFCs, the specification or the ecosystem. They are split so that this file
/// passes, too.
const RETIRED: [(&str, &str); 25] = [
    ("Failure", "Kind"),
    ("Inquir", "y"),
    ("Inquir", "ies"),
    ("Last", "Good"),
    ("last_good", "_after"),
    ("dns_last_good", "_age"),
    ("fresh", "_until"),
    ("retry", "_at"),
    ("late", "_patience"),
    ("late", "_max_ttl"),
    ("Record", "Kind"),
    ("From", "Memory"),
    ("Ta", "ught"),
    ("Failed", "Place"),
    ("Stri", "kes"),
    ("Seg", "ments"),
    ("begin", "_anew"),
    ("in", "_vain"),
    ("doubts", "_facts"),
    ("Odd", "ity"),
    ("Use", "less"),
    ("Other", "wise"),
    ("DRIVER", "_PATIENCE"),
    ("builder", "_methods"),
    ("St", "orm"),
];

/// Calls that panic on some arguments and that no lint denies, except those that look like calls of a map.
const MAY_PANIC: [&str; 16] = [
    "assert!(",
    "assert_eq!(",
    "assert_ne!(",
    ".borrow_mut()",
    ".chunks(",
    ".chunks_exact(",
    ".clamp(",
    ".copy_from_slice(",
    ".copy_within(",
    ".split_at(",
    ".split_at_mut(",
    ".split_off(",
    ".step_by(",
    ".swap_remove(",
    ".windows(",
    "::from_static(",
];

/// Checks every file that git tracks or would add.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut complaints = settings::check(root)?;
    let repository = Repository::new(files(root)?, settings::names(root)?, words(root)?);
    for path in files(root)? {
        let Ok(bytes) = fs::read(root.join(&path)) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        for complaint in
            check_file(&path, &text).into_iter().chain(repository.complaints(&path, &text))
        {
            complaints.push(format!("{path}: {complaint}"));
        }
    }
    complaints.extend(check_manifests(root)?);
    complaints.extend(spec::check(root, false)?);
    complaints.extend(bugs::check(root)?);
    complaints.extend(peers::check(root)?);
    complaints.extend(pages::check(root)?);
    complaints.extend(vectors::check(root)?);
    complaints.extend(check_panics(root)?);
    complaints.extend(check_layers(root)?);
    Ok(complaints)
}

/// All words of source files.
fn words(root: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut words = BTreeSet::new();
    let kinds = [".rs", ".toml", ".py"];
    for path in files(root)?.iter().filter(|path| kinds.iter().any(|kind| path.ends_with(kind))) {
        let Ok(text) = fs::read_to_string(root.join(path)) else { continue };
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        words.extend(text.split(|c| !is_part(c)).map(str::to_owned));
    }
    Ok(words)
}

/// Compares calls that could panic, in the crates that must not, with the table in `SECURITY.md`.
fn check_panics(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let table = fs::read_to_string(root.join("SECURITY.md"))?;
    let rows: Vec<(&str, &str)> = table.lines().filter_map(explained).collect();
    let mut complaints = Vec::new();
    for path in files(root)?.iter().filter(|path| never_panics(path)) {
        let Ok(text) = fs::read_to_string(root.join(path)) else { continue };
        let own: Vec<&str> =
            rows.iter().filter(|(file, _)| file == path).map(|(_, call)| *call).collect();
        complaints.extend(unexplained(&text, &own).into_iter().map(|why| format!("{path}: {why}")));
    }
    let there = |(file, _): &&(&str, &str)| !root.join(file).is_file();
    complaints.extend(rows.iter().filter(there).map(|(file, _)| format!("{file} is not there")));
    Ok(complaints)
}

/// Checks that each published crate has a README and what the registry shows of it.
fn check_manifests(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut complaints = Vec::new();
    for path in files(root)? {
        let Some(folder) = path.strip_suffix("/Cargo.toml") else { continue };
        let manifest = fs::read_to_string(root.join(&path))?;
        if !folder.starts_with("crates/") || manifest.contains("publish = false") {
            continue;
        }
        for key in ["description", "keywords", "categories"] {
            if !manifest.lines().any(|line| line.starts_with(&format!("{key} = "))) {
                complaints.push(format!("{path}: `{key}` is missing"));
            }
        }
        if !root.join(folder).join("README.md").is_file() {
            complaints.push(format!("{folder}: README.md is missing"));
        }
    }
    Ok(complaints)
}

/// Checks that the folders of the core use only those above them.
fn check_layers(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let lib = fs::read_to_string(root.join(layers::SOURCES).join("lib.rs"))?;
    let order = layers::order(&lib);
    let mut complaints = Vec::new();
    for path in files(root)? {
        let Some(within) = path.strip_prefix(layers::SOURCES) else { continue };
        let is_source = within.ends_with(".rs") && !within.ends_with("tests.rs");
        if let Ok(text) = fs::read_to_string(root.join(&path))
            && is_source
        {
            let found = layers::complaints(&order, within, &text);
            complaints.extend(found.into_iter().map(|why| format!("{path}: {why}")));
        }
    }
    Ok(complaints)
}

/// Whether code in this file must not panic: core, wire and driver except tests.
fn never_panics(path: &str) -> bool {
    let crates = [
        "crates/discovery-core/src/",
        "crates/discovery-wire/src/",
        "crates/discovery-driver/src/",
    ];
    crates.iter().any(|start| path.starts_with(start))
        && path.ends_with(".rs")
        && !path.ends_with("tests.rs")
}

/// The file and the call of a row of the table.
fn explained(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let mut code = || cells.next()?.strip_prefix('`')?.strip_suffix('`');
    let file = code().filter(|file| file.starts_with("crates/"))?;
    Some((file, code()?))
}

/// Unexplained calls that could panic, and explanations of calls that do not exist.
fn unexplained(text: &str, explained: &[&str]) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<&str> =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut complaints = Vec::new();
    for line in &lines {
        let panics = MAY_PANIC.iter().find(|call| line.contains(**call));
        if let Some(call) = panics
            && !explained.iter().any(|explained| line.contains(explained))
        {
            complaints.push(format!("`{call}` could panic, and SECURITY.md does not say why not"));
        }
    }
    let gone = |call: &&&str| !lines.iter().any(|line| line.contains(**call));
    let gone = explained.iter().filter(gone);
    complaints
        .extend(gone.map(|call| format!("SECURITY.md explains `{call}`, which does not exist")));
    complaints
}

/// Every file that git tracks or would add, by its path from the root.
pub(crate) fn files(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let names = String::from_utf8(output.stdout)?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for place in MACHINE_PATHS {
        if let Some(line) = text.lines().position(|line| line.contains(place)) {
            complaints.push(format!("line {} names a folder of a particular machine", line + 1));
        }
    }
    if let Some((_, most)) = PAGES.iter().find(|(page, _)| *page == path)
        && text.len() > *most
    {
        complaints
            .push(format!("{} bytes, {most} at most: decisions belong to modules", text.len()));
    }
    let is_source = path.ends_with(".rs");
    if is_source || path.ends_with(".md") {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        // In documents, names are in backticks: some are plain words.
        let code: Vec<&str> = match is_source {
            true => text.lines().filter(|line| !line.trim_start().starts_with("//")).collect(),
            false => text.split('`').skip(1).step_by(2).collect(),
        };
        let words: BTreeSet<&str> =
            code.iter().flat_map(|line| line.split(|c| !is_part(c))).collect();
        for (first, last) in RETIRED {
            let name = format!("{first}{last}");
            if words.contains(name.as_str()) {
                complaints.push(format!("`{name}` is a retired name"));
            }
        }
    }
    if is_source {
        // A crate's documentation may be a file of its own.
        if !text.starts_with("//! ") && !text.starts_with("#![doc = include_str!(") {
            complaints.push("the first line must say what the file owns (`//! …`)".to_owned());
        }
        let lines = text.lines().count();
        if lines > MAX_LINES && !LONGER.iter().any(|(name, _)| *name == path) {
            complaints.push(format!("{lines} lines; split it, or give a reason in xtask's list"));
        }
    }
    let is_scenario = path.ends_with(".scenario");
    if is_scenario {
        if !text.starts_with("# ") {
            complaints.push("the first line must say what the scenario shows (`# …`)".to_owned());
        }
        match Scenario::parse(text) {
            Ok(scenario) if scenario.expect.len() == scenario.resolves().len() => {}
            Ok(_) => complaints.push("a name without an expectation".to_owned()),
            Err(error) => complaints.push(error.to_string()),
        }
    }
    if is_source || is_scenario {
        for (letter, last) in [('R', LAST_REQUIREMENT), ('I', LAST_INVARIANT)] {
            let numbers = text.lines().flat_map(|line| cited(line, letter));
            for number in numbers.filter(|number| *number == 0 || *number > last) {
                complaints.push(format!(
                    "{letter}{number} is no requirement ({letter}1 to {letter}{last})"
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::{check_file, explained, unexplained};

    #[test]
    fn a_file_in_order_passes() {
        let text =
            "//! Owns nothing.\n// R1, R43–R44 (R133): I14.\nconst RANGE: &str = \"R999\";\n";
        assert_eq!(check_file("a.rs", text), Vec::<String>::new());
    }

    #[test]
    fn calls_that_could_panic_are_explained_and_no_others() {
        let row = "| `crates/a.rs` | `list.split_at(1)` | there are two |";
        assert_eq!(explained(row), Some(("crates/a.rs", "list.split_at(1)")));
        assert_eq!(explained("| file | call | why |"), None);
        let code = "// list.split_at(2)\nlist.split_at(1);\n#[cfg(test)]\nlist.windows(0);\n";
        assert_eq!(unexplained(code, &["list.split_at(1)"]), Vec::<String>::new());
        assert_eq!(unexplained(code, &[]).len(), 1);
        assert_eq!(unexplained(code, &["list.split_at(1)", "list.chunks(0)"]).len(), 1);
    }

    #[test]
    fn each_disorder_is_reported() {
        assert_eq!(check_file("a.rs", "// R134\n").len(), 2);
        assert_eq!(check_file("a.rs", "//! See I16.\n").len(), 1);
        assert_eq!(check_file("a.scenario", "# R0\n").len(), 1);
        assert_eq!(check_file("a.scenario", "# R1\nresolve a.example\n---\n").len(), 1);
        assert_eq!(check_file("a.scenario", "resolve a.example\n---\nnonsense\n").len(), 2);
        assert_eq!(check_file("a.rs", &"//! x\n".repeat(601)).len(), 1);
        assert_eq!(check_file("a.md", concat!("in /ho", "me/me\n")).len(), 1);
        assert_eq!(check_file("a.rs", concat!("//! x\nuse a::Record", "Kind;\n")).len(), 1);
        assert_eq!(check_file("README.md", &"x".repeat(9000)).len(), 1);
        assert_eq!(check_file("a.md", concat!("a `Record", "Kind`\n")).len(), 1);
    }
}
