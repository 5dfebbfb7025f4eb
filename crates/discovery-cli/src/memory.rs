//! Files of facts: read whole or not at all, and replaced in one step, so that a reader finds the old facts or the new ones.
//!
//! Knows nothing of what facts mean. A path that is a link stands for what it leads to.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use discovery_core::{BadExport, Export};
use tempfile::NamedTempFile;

use crate::status::{Trouble, warn};

/// Longest file that is read, in bytes: twice what the default limits of memory leave. The facts of a file take up to twice its
/// length in memory.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// What a file of facts was found to be.
#[derive(Debug)]
pub(crate) enum Found {
    /// Facts.
    Facts(Export),
    /// There is no such file, or an empty one.
    Nothing,
    /// A file of facts that is damaged.
    Damaged(BadExport),
    /// Something else, or what can't be read: not to be overwritten.
    Foreign(String),
}

/// What a file holds. Nothing but a regular file is opened: a pipe would wait for its writer.
pub(crate) fn find(path: &Path) -> Found {
    let foreign = |why: &dyn fmt::Display| Found::Foreign(why.to_string());
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => return foreign(&error),
    };
    if !meta.is_file() {
        return foreign(&"it is not a regular file");
    }
    if meta.len() == 0 {
        return Found::Nothing;
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return foreign(&error),
    };
    let mut text = BufReader::new(file.take(MAX_FILE));
    let read = Export::read_from(&mut text);
    match read {
        Ok(export) => Found::Facts(export),
        Err(_) if text.get_ref().limit() == 0 => foreign(&BadExport::TooLarge),
        Err(
            why @ (BadExport::CutOff
            | BadExport::Damaged
            | BadExport::Trailing
            | BadExport::Unreadable { .. }
            | BadExport::Impossible { .. }),
        ) => Found::Damaged(why),
        Err(why) => foreign(&why),
    }
}

/// The facts of a file, and nothing else will do.
pub(crate) fn read(path: &Path) -> Result<Export, Trouble> {
    let trouble = |why: &dyn fmt::Display| Trouble::Here(format!("{}: {why}", path.display()));
    match find(path) {
        Found::Facts(export) => Ok(export),
        Found::Nothing if path.exists() => Err(trouble(&"it is empty")),
        Found::Nothing => Err(trouble(&"there is no such file")),
        Found::Damaged(why) => Err(trouble(&why)),
        Found::Foreign(why) => Err(trouble(&why)),
    }
}

/// A file of facts that is read at the beginning and written at the end.
pub(crate) struct Memory {
    path: PathBuf,
    keep: Keep,
}

/// What becomes of the file that is there when facts are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// It is replaced.
    No,
    /// It is kept under another name: it is damaged, and somebody may be able to mend it.
    Aside,
    /// It is left, and nothing is written.
    AsItIs,
}

impl Memory {
    /// The file, and the facts in it. What can't be used is told, and resolving goes on without it.
    pub(crate) fn open(path: &Path) -> (Self, Option<Export>) {
        let told = |why: &dyn fmt::Display| warn(&format!("{}: {why}", path.display()));
        let (keep, export) = match find(path) {
            Found::Facts(export) => (Keep::No, Some(export)),
            Found::Nothing => {
                if path.exists() {
                    told(&"it is empty; resolving without it");
                }
                (Keep::No, None)
            }
            Found::Damaged(why) => {
                told(&format!("{why}; resolving without it"));
                (Keep::Aside, None)
            }
            Found::Foreign(why) => {
                told(&format!("{why}; resolving without it, and it will not be written"));
                (Keep::AsItIs, None)
            }
        };
        (Self { path: path.to_owned(), keep }, export)
    }

    /// Writes facts, unless the file holds something else.
    pub(crate) fn write(&self, export: &Export) -> Result<(), Trouble> {
        match self.keep {
            Keep::AsItIs => return Ok(()),
            Keep::Aside => self.put_aside()?,
            Keep::No => {}
        }
        write(&self.path, export)
    }

    fn put_aside(&self) -> Result<(), Trouble> {
        let kept = |error: io::Error| {
            Trouble::Here(format!("{}: can't be kept aside: {error}", self.path.display()))
        };
        let file = fs::canonicalize(&self.path).map_err(kept)?;
        let mut aside = file.clone().into_os_string();
        aside.push(".damaged");
        let aside = PathBuf::from(aside);
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(kept(error)),
            Ok(()) | Err(_) => {}
        }
        fs::hard_link(&file, &aside).map_err(kept)?;
        warn(&format!("{}: it is kept as {}", self.path.display(), aside.display()));
        Ok(())
    }
}

/// Puts facts into a file, in the place of what is there, with its owner, group and mode; a new one is for its owner alone. A file
/// that is read-only stays as it is, and so does one whose owner can't be kept.
pub(crate) fn write(path: &Path, export: &Export) -> Result<(), Trouble> {
    let trouble = |why: &dyn fmt::Display| Trouble::Here(format!("{}: {why}", path.display()));
    let file = match fs::canonicalize(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            path.to_owned()
        }
        Err(error) => return Err(trouble(&error)),
    };
    let there = fs::metadata(&file).ok();
    if let Some(there) = &there {
        if !there.is_file() {
            return Err(trouble(&"it is not a regular file"));
        }
        if there.permissions().readonly() {
            return Err(trouble(&"it is read-only"));
        }
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let anew = |error: &io::Error| trouble(&format!("can't be written anew: {error}"));
    // Made with a random name that nobody else has prepared, for its owner alone.
    let mut new = NamedTempFile::with_prefix_in(".matrix-discovery-", folder)
        .map_err(|error| anew(&error))?;
    if let Some(there) = &there {
        keep_owner(new.as_file(), there)
            .map_err(|error| trouble(&format!("its owner can't be kept: {error}")))?;
        new.as_file().set_permissions(there.permissions()).map_err(|error| anew(&error))?;
    }
    let mut to = BufWriter::new(&mut new);
    export
        .write(&mut to)
        .and_then(|()| to.flush())
        .and_then(|()| to.get_ref().as_file().sync_all())
        .map_err(|error| anew(&error))?;
    drop(to);
    new.persist(&file).map_err(|error| anew(&error.error))?;
    Ok(())
}

/// Gives a file the owner and the group of another one.
#[cfg(unix)]
fn keep_owner(new: &File, there: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = new.metadata()?;
    let other = |wanted: u32, own: u32| (wanted != own).then_some(wanted);
    let (owner, group) = (other(there.uid(), own.uid()), other(there.gid(), own.gid()));
    if owner.is_none() && group.is_none() { Ok(()) } else { fchown(new, owner, group) }
}

/// Gives a file the owner and the group of another one.
#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}
