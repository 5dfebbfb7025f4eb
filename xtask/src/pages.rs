//! The generated pages of the documentation of `discovery-core`.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::{invariants, settings, spec};

/// Writes all pages.
pub(crate) fn write(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    for (path, text) in pages(root)? {
        fs::write(root.join(path), text)?;
    }
    spec::check(root, true)
}

/// Whether the pages are up to date; that of the requirements is checked with them.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let pages = pages(root)?.into_iter();
    let stale = pages
        .filter(|(path, text)| fs::read_to_string(root.join(path)).ok().as_ref() != Some(text));
    Ok(stale
        .map(|(path, _)| format!("{path} is not up to date: run `cargo xtask pages`"))
        .collect())
}

fn pages(root: &Path) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    Ok(vec![(invariants::PAGE, invariants::page(root)?), (settings::PAGE, settings::page(root)?)])
}
