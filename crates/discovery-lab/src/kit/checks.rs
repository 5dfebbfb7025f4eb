//! Everything that an adapter is tried by, one check for each invariant.
//!
//! Counts are of the whole process: checks must run one at a time, with nothing else beside them.

mod load;
mod descriptors;
mod faults;
mod cancellation;
mod requests;
mod idle;
mod worlds;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{ErrorKind, Outcome, ServerName, Step};

use super::adapter::{Adapter, Client, Trouble};
use super::real_time::set_guard;
use super::setup::Setup;
use crate::results::RunTrouble;

/// One thing that an adapter must do right.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name in reports.
    pub name: &'static str,
    /// Its subject, in one sentence.
    pub about: &'static str,
    run: fn(&Arc<dyn Adapter>, &mut Findings) -> Result<(), RunTrouble>,
}

/// The findings of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Findings {
    /// The faults; empty if the adapter conforms.
    pub complaints: Vec<String>,
    /// The measurements, as text.
    pub figures: Vec<String>,
}

impl Check {
    /// All checks.
    pub const ALL: [Self; 10] = [
        Self {
            name: "worlds",
            about: "results, `Host`, certificate names, requests and times, in two worlds full of faults",
            run: worlds::check,
        },
        Self {
            name: "requests",
            about: "`Host`, SNI and target, as web servers see them",
            run: requests::check,
        },
        Self {
            name: "faults",
            about: "reset, stall, half-closed and garbage in every phase of DNS and HTTPS",
            run: faults::check,
        },
        Self {
            name: "descriptors",
            about: "no file descriptor left is a failure of our own side, and passes",
            run: descriptors::check,
        },
        Self {
            name: "cancellation",
            about: "a dropped future closes its sockets, in every phase",
            run: cancellation::cancellation,
        },
        Self {
            name: "shutdown",
            about: "a client that ends tells who waits, and closes its sockets, in every phase",
            run: cancellation::shutdown,
        },
        Self {
            name: "load",
            about: "1,000 lookups at once are all right, and each document is fetched once",
            run: load::check,
        },
        Self {
            name: "leaks",
            about: "clients that have ended leave no descriptor and no thread behind",
            run: idle::leaks,
        },
        Self { name: "idle", about: "an idle driver is never awake", run: idle::idle },
        Self {
            name: "deadlines",
            about: "its own timers ring at the machine's deadlines, and at nothing else",
            run: idle::deadlines,
        },
    ];

    /// Tries an adapter. No other thread of this process may do anything meanwhile. What has not happened within ten seconds
    /// counts as never.
    ///
    /// # Errors
    /// When this computer gives no sockets on loopback or no randomness for keys.
    pub fn run(&self, adapter: &Arc<dyn Adapter>) -> Result<Findings, RunTrouble> {
        let mut findings = Findings::default();
        (self.run)(adapter, &mut findings)?;
        Ok(findings)
    }

    /// As [`run`](Self::run), by another guard than ten seconds: a short one for adapters that are known to be wrong, a long
    /// one for slow machines.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_within(
        &self,
        guard: Duration,
        adapter: &Arc<dyn Adapter>,
    ) -> Result<Findings, RunTrouble> {
        let before = set_guard(guard);
        let found = self.run(adapter);
        set_guard(before);
        found
    }
}

/// Tries an adapter by [every check](Check::ALL), one after the other, and gives all complaints.
///
/// # Errors
/// When this computer gives no sockets on loopback or no randomness for keys.
pub fn conformance(adapter: &Arc<dyn Adapter>) -> Result<Vec<String>, RunTrouble> {
    let mut complaints = Vec::new();
    for check in Check::ALL {
        let found = check.run(adapter)?;
        let named = |complaint| format!("{}: {}: {complaint}", adapter.name(), check.name);
        complaints.extend(found.complaints.into_iter().map(named));
    }
    Ok(complaints)
}

impl Findings {
    fn complain(&mut self, complaint: impl Into<String>) {
        self.complaints.push(complaint.into());
    }

    fn tell(&mut self, figure: impl Into<String>) {
        self.figures.push(figure.into());
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}

fn start(adapter: &Arc<dyn Adapter>, setup: Setup) -> Result<Arc<dyn Client>, RunTrouble> {
    let client = adapter.start(setup).map_err(|trouble: Trouble| std::io::Error::other(trouble))?;
    Ok(client.into())
}

fn name(text: &str) -> Result<ServerName, RunTrouble> {
    ServerName::parse(text).map_err(|error| std::io::Error::other(error).into())
}

/// The expected outcome of a lookup.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// A result by this step, with this endpoint.
    Leads(Step, &'static str),
    /// This failure.
    Fails(ErrorKind),
}

/// How an outcome is not what is wanted; an outcome that is none has not come in time.
fn wrong(outcome: Option<&Outcome>, wanted: Wanted) -> Option<String> {
    let Some(outcome) = outcome else { return Some("no outcome ever comes".to_owned()) };
    match (outcome.as_ref(), wanted) {
        (Ok(resolved), Wanted::Leads(step, place)) => {
            let places: Vec<String> =
                resolved.socket_addrs().map(|address| address.to_string()).collect();
            let right = resolved.step == step && places == [place];
            let found = resolved.step.number();
            (!right).then(|| {
                format!("leads to {places:?} by step {found}, not to {place} by {}", step.number())
            })
        }
        (Err(failed), Wanted::Fails(kind)) if failed.kind == kind => None,
        (Err(failed), wanted) => Some(format!("fails as {}, not {wanted:?}", failed.kind.as_str())),
        (Ok(resolved), Wanted::Fails(kind)) => {
            Some(format!("is resolved by step {}, not {}", resolved.step.number(), kind.as_str()))
        }
    }
}
