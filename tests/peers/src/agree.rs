//! Gives every suitable scenario to all implementations, and compares each result with the expected one.
//!
//! Runs in a namespace in which every address is local, and prints one JSON object a line.

mod answer;
mod cases;
mod judge;
mod synapse;
mod world;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use discovery_lab::Authority;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

use crate::peer::{Peer, Resolver};
use answer::Answer;
use cases::{Case, LeftOut};
use synapse::Synapse;
use world::Stage;

/// The time limit of a lookup, which is that of Synapse's client.
const PATIENCE: Duration = Duration::from_secs(60);
/// A lookup that takes this long is not repeated, because the machine cannot be the reason.
const LONG: Duration = Duration::from_secs(12);

/// The arguments of a worker.
pub struct Orders {
    /// The number of the worker. Worker 0 reports what is left out.
    pub worker: usize,
    /// The folder with the scenarios.
    pub scenarios: PathBuf,
    /// A folder that all workers share. The worker that creates the file of a lookup runs it.
    pub claims: PathBuf,
    /// A folder of the worker, with the `resolv.conf` that is mounted in its namespace.
    pub own: PathBuf,
    /// A Python interpreter with `matrix-synapse`, and the script to run.
    pub synapse: Option<(PathBuf, PathBuf)>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    LeftOut { reason: &'static str, lookups: usize },
    Asked { scenario: &'a str, name: &'a str, peer: &'a str, differences: Vec<String> },
}

/// Runs the lookups that no other worker runs.
pub fn run(orders: &Orders) -> Result<(), Box<dyn Error>> {
    // An error means that a provider is installed already, and it can only be this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = Arc::new(Authority::new()?);
    let pem = orders.own.join("authority.pem");
    fs::write(&pem, authority.pem())?;
    let mut asker = Asker {
        stage: Stage::open(Arc::clone(&authority))?,
        runtime: Builder::new_multi_thread().worker_threads(2).enable_all().build()?,
        authority: authority.pem().as_bytes().to_vec(),
        synapse: None,
    };
    if let Some((python, script)) = &orders.synapse {
        asker.synapse = Some(Synapse::start(python, script, &pem)?);
    }
    let lookups = cases::all(&orders.scenarios)?;
    if orders.worker == 0 {
        let mut reasons: BTreeMap<LeftOut, usize> = BTreeMap::new();
        for reason in lookups.iter().filter_map(|lookup| lookup.as_ref().err()) {
            *reasons.entry(*reason).or_default() += 1;
        }
        for (reason, lookups) in reasons {
            say(&Line::LeftOut { reason: reason.reason(), lookups })?;
        }
    }
    let mut cases: Vec<_> = lookups.into_iter().filter_map(Result::ok).collect();
    // Slow lookups start first.
    cases.sort_by_key(|case| !case.is_silent());
    for (index, case) in cases.iter().enumerate() {
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(orders.claims.join(index.to_string()))
        {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error.into()),
        }
        // The defaults of resolvers, except for the two seconds.
        let mut resolv = String::from("options timeout:2\n");
        for index in 0..case.name_servers.min(world::NAME_SERVERS) {
            writeln!(resolv, "nameserver {}", world::name_server(index))?;
        }
        fs::write(orders.own.join("resolv.conf"), resolv)?;
        for (peer, differences) in asker.ask(case)? {
            let (scenario, name) = (&case.scenario, &case.name);
            say(&Line::Asked { scenario, name, peer, differences })?;
        }
    }
    Ok(())
}

fn say(line: &Line<'_>) -> Result<(), Box<dyn Error>> {
    println!("{}", serde_json::to_string(line)?);
    Ok(())
}

/// An implementation, and the differences of its result.
type Said = (&'static str, Vec<String>);

struct Asker {
    stage: Arc<Stage>,
    runtime: Runtime,
    authority: Vec<u8>,
    synapse: Option<Synapse>,
}

impl Asker {
    /// Runs a lookup on each implementation, and repeats it after a difference, which may come from load on the machine.
    fn ask(&mut self, case: &Case) -> Result<Vec<Said>, Box<dyn Error>> {
        let mut said = Vec::new();
        let synapse = self.synapse.is_some().then_some("synapse");
        let peers = [Peer::Discovery, Peer::ResolveMatrix, Peer::Oracle];
        for word in peers.iter().map(|peer| peer.word()).chain(synapse) {
            let start = Instant::now();
            let mut differences = judge::differences(case, &self.ask_one(case, word)?);
            if !differences.is_empty() && start.elapsed() < LONG {
                differences = judge::differences(case, &self.ask_one(case, word)?);
            }
            said.push((word, differences));
        }
        Ok(said)
    }

    fn ask_one(&mut self, case: &Case, word: &str) -> Result<Answer, Box<dyn Error>> {
        self.stage.show(&case.world)?;
        let Ok(peer) = word.parse::<Peer>() else {
            let synapse = self.synapse.as_mut().ok_or("there is no Synapse")?;
            return Ok(synapse.ask(&case.name)?);
        };
        // A fresh client each time, without a cache.
        let resolver = {
            let _inside = self.runtime.enter();
            Resolver::new(peer, &self.authority)?
        };
        let name = case.name.clone();
        // On a task of its own, because an implementation may panic.
        let asked = self.runtime.spawn(async move {
            tokio::time::timeout(PATIENCE, answer::ask(&resolver, &name)).await
        });
        Ok(match self.runtime.block_on(asked) {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::Fails(format!("no answer in {} s", PATIENCE.as_secs())),
            Err(trouble) => Answer::Fails(format!("it panics: {trouble}")),
        })
    }
}

/// Reads the arguments from the command line.
pub fn orders(arguments: &[&str]) -> Result<Orders, Box<dyn Error>> {
    let [worker, scenarios, claims, own, synapse @ ..] = arguments else {
        return Err("agree WORKER SCENARIOS CLAIMS FOLDER [PYTHON SCRIPT]".into());
    };
    let path = |text: &str| Path::new(text).to_owned();
    Ok(Orders {
        worker: worker.parse()?,
        scenarios: path(scenarios),
        claims: path(claims),
        own: path(own),
        synapse: match synapse {
            [python, script] => Some((path(python), path(script))),
            _ => None,
        },
    })
}
