//! Which scenarios a folder holds: the one place here that looks at a disk.
//!
//! Knows nothing of what stands in them.

use std::io;
use std::path::{Path, PathBuf};

use super::Scenario;

impl Scenario {
    /// The scenario files (`*.scenario`) in a folder and in those within it, in the order of their paths.
    ///
    /// # Errors
    /// A folder can't be read.
    pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
        let (mut files, mut folders) = (Vec::new(), Vec::from([folder.to_path_buf()]));
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "scenario") {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }
}
