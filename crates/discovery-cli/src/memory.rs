//! Files of facts: read whole or not at all, and written so that whoever reads finds the old one or the new one.
//!
//! Knows nothing of what facts mean.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use discovery_core::Export;

use crate::status::Trouble;

/// The facts of a file; None: there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Export>, Trouble> {
    let trouble = |why: &dyn std::fmt::Display| Trouble::Here(format!("{}: {why}", path.display()));
    match fs::read(path) {
        Ok(text) => Export::read(&text).map(Some).map_err(|why| trouble(&why)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(trouble(&error)),
    }
}

/// Puts facts into a file, in the place of what is there.
pub(crate) fn write(path: &Path, export: &Export) -> Result<(), Trouble> {
    // Where the path is a link, what it leads to is replaced.
    let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = file.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let written = File::create(&beside).and_then(|new| {
        let mut new = BufWriter::new(new);
        export.write(&mut new)?;
        new.flush()?;
        new.get_ref().sync_all()?;
        fs::rename(&beside, &file)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        Trouble::Here(format!("{}: {error}", path.display()))
    })
}
