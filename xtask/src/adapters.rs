//! The adapters side by side: their lines, their public items, and what it takes to build each alone from nothing.
//!
//! Reads sources as text; builds in a folder that it removes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Every adapter that is a crate, by where its sources are, and examples that are none.
const ADAPTERS: [(&str, &str); 5] = [
    ("discovery-tokio", "crates/discovery-tokio/src"),
    ("discovery-smol", "crates/discovery-smol/src"),
    ("discovery-async-std", "crates/discovery-async-std/src"),
    ("discovery-blocking", "crates/discovery-blocking/src"),
    ("example mio", "crates/discovery-driver/examples/mio"),
];

/// Prints the table; whether all went well. With `build`, each crate is built alone from nothing.
pub(crate) fn run(root: &Path, build: bool) -> io::Result<bool> {
    println!("| adapter | lines | public items | packages | debug build |");
    println!("|---|--:|--:|--:|--:|");
    let mut well = true;
    for (name, sources) in ADAPTERS {
        let (mut lines, mut items) = (0_usize, BTreeSet::new());
        for file in files(&root.join(sources))? {
            let text = fs::read_to_string(file)?;
            lines = lines.saturating_add(count_lines(&text));
            items.extend(public_items(&text));
        }
        let (mut packages, mut seconds) = ("–".to_owned(), "–".to_owned());
        if name.starts_with("discovery-") {
            packages = count_packages(root, name)?.to_string();
            if build {
                match time_to_build(root, name)? {
                    Some(took) => seconds = format!("{took:.0} s"),
                    None => well = false,
                }
            }
        }
        println!("| {name} | {lines} | {} | {packages} | {seconds} |", items.len());
    }
    Ok(well)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let tests = path.to_string_lossy().ends_with("tests.rs");
        if path.extension().is_some_and(|extension| extension == "rs") && !tests {
            files.push(path);
        }
    }
    Ok(files)
}

/// Lines of code: neither empty, nor comments, nor tests.
fn count_lines(text: &str) -> usize {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    code.lines().filter(is_code).count()
}

/// Names of what the outside can use: items, methods and re-exports, but for hidden ones. What a macro of the wire makes counts
/// as that macro.
fn public_items(text: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut before = "";
    for line in text.lines().map(str::trim_start) {
        let hidden = std::mem::replace(&mut before, line) == "#[doc(hidden)]";
        if let Some(rest) = line.strip_prefix("pub ").filter(|_| !hidden) {
            items.push(rest.split(['(', '{', '<', ';']).next().unwrap_or_default().to_owned());
        } else if line.starts_with("discovery_driver::") && line.contains("_methods!") {
            items.push(line.to_owned());
        }
    }
    items
}

/// Packages that a build of it takes, itself included.
fn count_packages(root: &Path, name: &str) -> io::Result<usize> {
    let output = Command::new("cargo")
        .args(["tree", "--package", name, "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}"])
        .current_dir(root)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let packages: BTreeSet<&str> = text
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    Ok(packages.len())
}

/// Seconds of a debug build from nothing, everything having been fetched; None where it fails.
#[expect(clippy::disallowed_methods, reason = "a chore measures how long a build takes")]
fn time_to_build(root: &Path, name: &str) -> io::Result<Option<f64>> {
    let target = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let began = Instant::now();
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--offline", "--package", name, "--target-dir"])
        .arg(&target)
        .current_dir(root)
        .stdout(Stdio::null())
        .status()?;
    let took = began.elapsed().as_secs_f64();
    fs::remove_dir_all(&target)?;
    Ok(status.success().then_some(took))
}

#[cfg(test)]
mod tests {
    use super::{count_lines, public_items};

    const TEXT: &str = "//! About.\n\nuse x;\n// Why.\npub fn one(a: u8) {\n}\npub use y::Z;\n#[doc(hidden)]\npub use w;\npub(crate) fn no() {}\n\
                        #[cfg(test)]\nmod tests {}\n";

    #[test]
    fn lines_are_those_of_code() {
        assert_eq!(count_lines(TEXT), 7);
    }

    #[test]
    fn public_items_are_what_the_outside_can_use() {
        assert_eq!(public_items(TEXT), ["fn one", "use y::Z"]);
    }
}
