//! Processes that share their caches through Redis: `cargo run -p discovery-tokio --example share -- redis://127.0.0.1/`,
//! in several terminals.
//!
//! Reads names from standard input, one a line, and prints their endpoints and the number of requests. Each process appends
//! its new facts to a stream and imports those of the others before it resolves a name, so that a question is asked once. A
//! busy server would import every second instead.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "an example"
)]

mod setting;

use std::collections::BTreeMap;
use std::io;

use discovery_core::{Cursor, Export};
use discovery_tokio::Discovery;
use redis::Connection;
use setting::Anyway;

/// The stream: pages of facts, the oldest of which Redis drops by itself.
const STREAM: &str = "matrix-discovery:facts";
const PAGES: u32 = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Anyway<()> {
    let url = std::env::args().nth(1).ok_or("share REDIS_URL")?;
    let discovery = discovery_tokio::spawn(setting::discovery()?)?;
    let mut shared = Shared {
        redis: redis::Client::open(url)?.get_connection()?,
        told: Cursor::START,
        heard: "0".to_owned(),
    };
    for name in io::stdin().lines() {
        // Blocking is fine here, because nothing else runs.
        shared.hear(&discovery)?;
        println!("{}", setting::tell(&discovery, &name?).await?);
        shared.tell(&discovery)?;
    }
    Ok(())
}

struct Shared {
    redis: Connection,
    /// The position up to which this process has exported its facts.
    told: Cursor,
    /// The last page that it has read.
    heard: String,
}

impl Shared {
    /// Imports the facts of other processes since the last time.
    fn hear(&mut self, discovery: &Discovery) -> Anyway<()> {
        loop {
            let pages: Vec<(String, BTreeMap<String, Vec<u8>>)> = redis::cmd("XRANGE")
                .arg(STREAM)
                .arg(format!("({}", self.heard))
                .arg("+")
                .arg("COUNT")
                .arg(100)
                .query(&mut self.redis)?;
            if pages.is_empty() {
                return Ok(());
            }
            for (id, fields) in pages {
                match Export::read(fields.get("page").map(Vec::as_slice).unwrap_or_default()) {
                    // Its own pages contain nothing new.
                    Ok(page) => drop(discovery.import(page)),
                    Err(why) => eprintln!("{STREAM} {id}: {why}"),
                }
                self.heard = id;
            }
        }
    }

    /// Exports new facts, including imported ones, because a later process may start anywhere in the stream.
    fn tell(&mut self, discovery: &Discovery) -> Anyway<()> {
        loop {
            let page = discovery.export_since(self.told);
            if !page.is_empty() {
                let () = redis::cmd("XADD")
                    .arg(STREAM)
                    .arg("MAXLEN")
                    .arg("~")
                    .arg(PAGES)
                    .arg("*")
                    .arg("page")
                    .arg(page.to_text())
                    .query(&mut self.redis)?;
            }
            self.told = page.cursor();
            if !page.has_more() {
                return Ok(());
            }
        }
    }
}
