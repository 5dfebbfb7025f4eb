//! Files of facts: read whole or not at all, and written so that whoever reads finds the old one or the new one.
//!
//! Knows nothing of what facts mean.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use discovery_core::{BadExport, Export};

use crate::status::Trouble;

/// Longest head of a file of facts. What has no line so far is something else, and is not read on: it may be a disk.
const MAX_HEAD: u64 = 64 * 1024;
/// Longest file that is read: as many facts as there may be, half a kilobyte each.
const MAX_FILE: u64 = 2 * 1024 * 1024 * 1024;

/// The facts of a file; None: there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Export>, Trouble> {
    let trouble = |why: &dyn std::fmt::Display| Trouble::Here(format!("{}: {why}", path.display()));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble(&error)),
    };
    let mut text = Vec::new();
    let head = (&mut file).take(MAX_HEAD).read_to_end(&mut text);
    head.map_err(|error| trouble(&error))?;
    if !text.is_empty() && !text.contains(&b'\n') {
        return Err(trouble(&BadExport::Foreign));
    }
    let read = file.take(MAX_FILE).read_to_end(&mut text).map_err(|error| trouble(&error))?;
    if u64::try_from(read).is_ok_and(|read| read == MAX_FILE) {
        return Err(trouble(&BadExport::TooLarge));
    }
    Export::read(&text).map(Some).map_err(|why| trouble(&why))
}

/// Puts facts into a file, in the place of what is there and for the same people to read. One that is read-only stays as it is.
pub(crate) fn write(path: &Path, export: &Export) -> Result<(), Trouble> {
    // Where the path is a link, what it leads to is replaced.
    let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = file.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let permissions = fs::metadata(&file).map(|there| there.permissions()).ok();
    if permissions.as_ref().is_some_and(fs::Permissions::readonly) {
        return Err(Trouble::Here(format!("{}: it is read-only", path.display())));
    }
    let written = File::create(&beside).and_then(|new| {
        if let Some(permissions) = permissions {
            new.set_permissions(permissions)?;
        }
        let mut new = BufWriter::new(new);
        export.write(&mut new)?;
        new.flush()?;
        new.get_ref().sync_all()?;
        fs::rename(&beside, &file)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        Trouble::Here(format!("{}: can't be written anew beside itself: {error}", path.display()))
    })
}
