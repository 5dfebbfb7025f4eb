//! The packages that go to crates.io: builds each from its own files, and runs its tests from there.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::cargo;

/// Packages that are never published.
const UNPUBLISHED: [&str; 3] = ["discovery-oracles", "discovery-tests", "xtask"];

/// Packs all published crates and builds them from the packages; with `test`, runs the tests that are inside.
///
/// `cargo package` could build them itself, but it keeps the packages of an earlier call with the same version in its cache.
pub(crate) fn run(root: &Path, allow_dirty: bool, test: bool) -> Result<bool, Box<dyn Error>> {
    let mut pack = cargo(root);
    pack.args(["package", "--quiet", "--workspace", "--no-verify"]);
    for package in UNPUBLISHED {
        pack.args(["--exclude", package]);
    }
    if allow_dirty {
        pack.arg("--allow-dirty");
    }
    if !pack.status()?.success() {
        return Ok(false);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    let target = root.join(target);
    let folder = target.join("packages");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let packages = unpack(&target.join("package"), &folder)?;
    fs::write(folder.join("Cargo.toml"), workspace(&packages)?)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let arguments = if test {
        &["test", "--workspace", "--no-fail-fast"][..]
    } else {
        &["check", "--workspace", "--all-targets"][..]
    };
    Ok(cargo(&folder).args(arguments).status()?.success())
}

/// Unpacks all packages of this version; their names and folders.
fn unpack(from: &Path, to: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(folder) = file.strip_suffix(".crate") else { continue };
        let Some((name, version)) = folder.rsplit_once('-') else { continue };
        if version != env!("CARGO_PKG_VERSION") {
            continue;
        }
        let status = Command::new("tar").arg("-xzf").arg(&path).arg("-C").arg(to).status()?;
        if !status.success() {
            return Err(format!("tar cannot unpack {file}").into());
        }
        packages.push((name.to_owned(), PathBuf::from(folder)));
    }
    packages.sort();
    Ok(packages)
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
