//! A cache that survives restarts in a file: `cargo run -p discovery-tokio --example restart -- FILE NAME…`.
//!
//! Reads the cache file, resolves the names, prints their endpoints and the number of requests, and writes the file again.
//! The second time, fresh facts cause no requests. A file that is damaged or something else is neither used nor
//! overwritten.
#![allow(
    missing_docs,
    clippy::print_stdout,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "an example"
)]

mod setting;

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use discovery_core::{Cursor, Export};
use discovery_tokio::Discovery;
use setting::Anyway;
use tempfile::NamedTempFile;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Anyway<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("restart FILE NAME…")?;
    let file = Path::new(&file);
    let discovery = discovery_tokio::spawn(setting::discovery()?)?;
    match fs::read(file) {
        Ok(text) => {
            let taught = discovery.import(Export::read(&text)?);
            println!("{} facts known, {} too old", taught.taken, taught.expired);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => println!("nothing known yet"),
        Err(error) => return Err(error.into()),
    }
    for name in arguments {
        println!("{}", setting::tell(&discovery, &name).await?);
    }
    save(&discovery, file)
}

/// Writes the cache atomically: readers find the complete old file or the complete new one.
fn save(discovery: &Discovery, file: &Path) -> Anyway<()> {
    let mut all = discovery.export_since(Cursor::START);
    while all.has_more() {
        all.append(discovery.export_since(all.cursor()));
    }
    // A new file with a random name, which cannot have been prepared by another user.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut new = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    let mut to = BufWriter::new(&mut new);
    all.write(&mut to)?;
    to.flush()?;
    drop(to);
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}
