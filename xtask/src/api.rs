//! The public interface of the published libraries, one line for each item, so that a diff shows every change of it.
//!
//! It is read from rustdoc's JSON, which is unstable: the format follows the compiler. A compiler with another format leaves the
//! comparison out instead of failing it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::cargo;

/// The published libraries. Adapters differ in a few lines alone, so one of them stands for all.
const CRATES: [&str; 5] =
    ["discovery-core", "discovery-wire", "discovery-driver", "discovery-tokio", "discovery-client"];

/// Writes or compares the interfaces; the lines of the result say what differs.
pub(crate) fn run(root: &Path, write: bool) -> Result<Vec<String>, Box<dyn Error>> {
    let mut differences = Vec::new();
    for name in CRATES {
        let text = match interface(root, name)? {
            Ok(text) => text,
            Err(why) => {
                println!("left out: the public interface of {name}: {why}");
                continue;
            }
        };
        let path = root.join("crates").join(name).join("api.txt");
        if write {
            fs::write(&path, text)?;
        } else {
            differences.extend(compare(name, &fs::read_to_string(&path)?, &text));
        }
    }
    Ok(differences)
}

/// All public items of a crate; or why this compiler can't tell.
fn interface(root: &Path, name: &str) -> Result<Result<String, String>, Box<dyn Error>> {
    let target = target_directory(root)?;
    let built = cargo(root)
        .args(["rustdoc", "--quiet", "--lib", "--package", name])
        .args(["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"])
        // The output format is unstable; the snapshot is of this project's interface alone.
        .env("RUSTC_BOOTSTRAP", "1")
        .status()?;
    if !built.success() {
        return Err(format!("cargo rustdoc of {name} failed").into());
    }
    let json = target.join("doc").join(format!("{}.json", name.replace('-', "_")));
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build();
    Ok(match api {
        Ok(api) => Ok(api.items().map(|item| format!("{item}\n")).collect()),
        Err(why) => Err(why.to_string()),
    })
}

fn target_directory(root: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let output = cargo(root).args(["metadata", "--format-version=1", "--no-deps"]).output()?;
    let value: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let directory = value.get("target_directory").and_then(serde_json::Value::as_str);
    Ok(directory.ok_or("cargo metadata names no target directory")?.into())
}

fn compare(name: &str, old: &str, new: &str) -> Vec<String> {
    let missing = |from: &str, of: &str| -> Vec<String> {
        from.lines()
            .filter(|line| !of.lines().any(|other| other == *line))
            .map(str::to_owned)
            .collect()
    };
    let gone = missing(old, new).into_iter().map(|line| format!("{name}: - {line}"));
    let added = missing(new, old).into_iter().map(|line| format!("{name}: + {line}"));
    let mut all: Vec<_> = gone.chain(added).collect();
    if !all.is_empty() {
        all.push(format!(
            "{name}: the interface has changed: `cargo xtask api --write` if it is meant to"
        ));
    }
    all
}
