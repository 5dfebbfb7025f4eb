//! The packages that go to crates.io: builds each from its own files, and runs its tests from there.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::cargo;

/// Packages that are never published.
const UNPUBLISHED: [&str; 3] = ["discovery-oracles", "discovery-tests", "xtask"];

/// Packs all published crates and builds each; with `test`, runs the tests that are inside.
pub(crate) fn run(root: &Path, allow_dirty: bool, test: bool) -> Result<bool, Box<dyn Error>> {
    let mut pack = cargo(root);
    pack.args(["package", "--quiet", "--workspace"]);
    for package in UNPUBLISHED {
        pack.args(["--exclude", package]);
    }
    if allow_dirty {
        pack.arg("--allow-dirty");
    }
    let well = pack.status()?.success();
    if !well || !test {
        return Ok(well);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    let folder = root.join(target).join("package");
    fs::write(folder.join("Cargo.toml"), workspace(&unpacked(&folder)?)?)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let status = cargo(&folder).args(["test", "--workspace", "--no-fail-fast"]).status()?;
    Ok(status.success())
}

/// The folders of unpacked packages, by the names of their packages.
fn unpacked(folder: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((package, version)) = name.rsplit_once('-')
            && version == env!("CARGO_PKG_VERSION")
            && path.is_dir()
        {
            found.push((package.to_owned(), PathBuf::from(name)));
        }
    }
    found.sort();
    Ok(found)
}

/// A workspace of packages that use each other in place of what the registry has.
fn workspace(packages: &[(String, PathBuf)]) -> Result<String, std::fmt::Error> {
    let members: Vec<String> =
        packages.iter().map(|(_, path)| format!("{:?}", path.display().to_string())).collect();
    let mut text = format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n", members.join(", "));
    text.push_str("[patch.crates-io]\n");
    for (name, path) in packages {
        writeln!(text, "{name} = {{ path = {:?} }}", path.display().to_string())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::workspace;

    #[test]
    fn packages_use_each_other() {
        let packages = [("a".to_owned(), "a-0.1.0".into())];
        assert_eq!(
            workspace(&packages).unwrap_or_default(),
            "[workspace]\nresolver = \"3\"\nmembers = [\"a-0.1.0\"]\n[patch.crates-io]\na = { path = \"a-0.1.0\" }\n"
        );
    }
}
