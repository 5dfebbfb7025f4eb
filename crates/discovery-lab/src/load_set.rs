//! A set of names for measuring clients under load: as many as wanted, all decided by the same step.
//!
//! Owns the names and the world that they are in; knows nothing of who asks, nor of sockets beyond the lab's.

use std::fmt::{self, Write as _};
use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use discovery_core::Step;
use discovery_sim::Scenario;

use crate::certificates::Authority;
use crate::lab::{Lab, LabOptions};

/// The domain that all names of a load set are directly under: one certificate, `*.crowd.example`, is good for all.
pub const LOAD_DOMAIN: &str = "crowd.example";

/// So many names, `n0.crowd.example`, `n1.crowd.example` and so on. Every host has one IPv4 address and no IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSet {
    /// What leads them.
    pub led_by: LedBy,
    /// How many names there are.
    pub names: usize,
    /// The IPv4 address of every host.
    pub address: Ipv4Addr,
}

/// The step of the specification that decides the names of a load set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LedBy {
    /// 3.2: a document names `m0.crowd.example`, `m1.crowd.example`, … with the port 443.
    Document,
    /// 4: nobody listens at port 443, and a `_matrix-fed` record names `m0.crowd.example`, …
    Service,
    /// 6: nobody listens at port 443, and there is no SRV record.
    Nothing,
}

impl LedBy {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Document, Self::Service, Self::Nothing];

    /// The step.
    pub const fn step(self) -> Step {
        match self {
            Self::Document => Step::DelegatedPort,
            Self::Service => Step::FedService,
            Self::Nothing => Step::Default,
        }
    }
}

impl LoadSet {
    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.names).map(|n| format!("n{n}.{LOAD_DOMAIN}"))
    }

    /// The world that the names are in, each name once, and what must come out.
    pub fn scenario(&self) -> Scenario {
        let (address, number) = (self.address, self.led_by.step().number());
        let (mut text, mut expected) = (String::new(), String::from("---\n"));
        for (n, name) in self.names().enumerate() {
            let delegated = format!("m{n}.{LOAD_DOMAIN}");
            let (says, port, host) = match self.led_by {
                LedBy::Document => {
                    let host = format!("{delegated}:443");
                    (format!("https {name} 200 {{\"m.server\":\"{host}\"}}"), 443, host)
                }
                LedBy::Service => {
                    let record = format!("SRV 10 5 8448 {delegated}");
                    (format!("dns _matrix-fed._tcp.{name} {record}"), 8448, name.clone())
                }
                LedBy::Nothing => (String::new(), 8448, name.clone()),
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "dns {name} A {address}\ndns {name} AAAA NODATA\n{says}");
            if self.led_by != LedBy::Nothing {
                let _ = writeln!(text, "dns {delegated} A {address}\ndns {delegated} AAAA NODATA");
            }
            let _ = writeln!(text, "resolve {name}");
            let _ = writeln!(expected, "done {address}:{port} host={host} step={number}");
        }
        #[expect(clippy::expect_used, reason = "whatever the number and the address, a scenario")]
        Scenario::parse(&(text + &expected)).expect("a load set is a scenario")
    }

    /// Serves the load set on loopback, by one certificate for all. Documents are served at `front_door`, as in [`LabOptions`].
    ///
    /// # Errors
    /// When the machine gives no sockets on loopback or no randomness for keys.
    pub fn serve(&self, front_door: Option<SocketAddr>) -> io::Result<Lab> {
        let authority = Authority::for_all_under(LOAD_DOMAIN).map_err(io::Error::other)?;
        // Where there is nothing to serve, nobody may listen.
        let front_door = front_door.filter(|_| self.led_by == LedBy::Document);
        let options = LabOptions { front_door, ..LabOptions::default() };
        Lab::start_as(self.scenario().world_at(Duration::ZERO), options, Arc::new(authority))
    }

    /// Serves the load set to other processes until `input` ends, after four lines that tell them how:
    /// ```text
    /// names n0.crowd.example to n1999.crowd.example
    /// dns 127.0.0.1:41553
    /// door 127.0.0.1:39021
    /// ca_file /tmp/crowd.pem
    /// ```
    /// `dns` is a name server. `door` is where to connect for every address and port of a load set; nobody listens there unless
    /// documents decide. The authority to trust is written to `ca_file`.
    ///
    /// # Errors
    /// As [`serve`](Self::serve), and when one of the three can't be read or written.
    pub fn serve_until_end(
        &self,
        front_door: Option<SocketAddr>,
        ca_file: &Path,
        input: &mut dyn BufRead,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        let lab = self.serve(front_door)?;
        lab.authority().write_to(ca_file)?;
        let directions = Directions { load: self, lab: &lab, ca_file };
        write!(output, "{directions}")?;
        output.flush()?;
        loop {
            let length = input.fill_buf()?.len();
            if length == 0 {
                return Ok(());
            }
            input.consume(length);
        }
    }
}

/// How other processes find a load set.
struct Directions<'a> {
    load: &'a LoadSet,
    lab: &'a Lab,
    ca_file: &'a Path,
}

impl fmt::Display for Directions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.load.names.saturating_sub(1);
        writeln!(f, "names n0.{LOAD_DOMAIN} to n{last}.{LOAD_DOMAIN}")?;
        for server in self.lab.dns_servers() {
            writeln!(f, "dns {server}")?;
        }
        let door = match self.load.led_by {
            LedBy::Document => self.lab.front_door(),
            LedBy::Service | LedBy::Nothing => self.lab.nowhere(),
        };
        writeln!(f, "door {door}\nca_file {}", self.ca_file.display())
    }
}

#[cfg(test)]
#[path = "load_set_tests.rs"]
mod tests;
