//! Serves a load of names to other processes, to measure clients: `cargo run --release -p discovery-lab --example load_set
//! -- STEP NAMES CA_FILE [ADDRESS [FRONT_DOOR]]`.
//!
//! STEP is 3.2, 4 or 6, NAMES the number of names, CA_FILE the file for the certificate of the authority. ADDRESS is the
//! IPv4 address of every host (default: 198.51.100.1). FRONT_DOOR is the address and port of the web server (default: a
//! free port). Clients without a hook for connections need `127.0.0.1 127.0.0.1:443`, which requires the privilege to use
//! low ports. The program prints how to reach it (see `LoadSet::serve_until_end`) and ends with its standard input.
#![allow(missing_docs, clippy::disallowed_methods, reason = "an example")]

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use discovery_lab::{LedBy, LoadSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "load STEP NAMES CA_FILE [ADDRESS [FRONT_DOOR]]";
    let [step, names, ca_file, rest @ ..] = arguments.as_slice() else { return Err(usage.into()) };
    let led_by = LedBy::ALL.into_iter().find(|led_by| led_by.step().number() == step);
    let address = rest.first().map_or(Ok(Ipv4Addr::new(198, 51, 100, 1)), |text| text.parse())?;
    let front_door = rest.get(1).map(|text| text.parse()).transpose()?;
    let load = LoadSet { led_by: led_by.ok_or(usage)?, names: names.parse()?, address };
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    load.serve_until_end(front_door, Path::new(ca_file), &mut input, &mut output)?;
    Ok(())
}
