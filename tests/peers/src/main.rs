//! Gives the same loads to this project and to other libraries: CPU, memory, queries, GETs and wrong results in one table.
//!
//! The program has three roles: it measures, and starts itself twice for each run, as servers and as client.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "servers and clients in real time, over real sockets"
)]

mod agree;
mod client;
mod load;
mod measure;
mod peer;
mod server;
mod table;

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["server", load, authority] => server::run(load.parse()?, Path::new(authority)),
        ["client", peer, load, authority] => {
            client::run(peer.parse()?, load.parse()?, Path::new(authority))
        }
        ["agree", orders @ ..] => agree::run(&agree::orders(orders)?),
        loads => measure::run(loads),
    }
}
