//! Chores of this repository: `cargo xtask --help`.
//!
//! Each chore is a module; a check returns what is wrong, one line each.

mod api;
mod assure;
mod bugs;
mod cargo;
mod citations;
mod cpu;
mod dependencies;
mod explore;
mod fuzz;
mod invariants;
mod layers;
mod mutants;
mod package;
mod pages;
mod peers;
mod references;
mod settings;
mod several;
mod sim;
mod spec;
mod tidy;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use discovery_sim::Limits;

use crate::mutants::{Wanted, Whole};

/// Chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs the whole proof in a short form and prints one table: requirements, tests, scenarios by layers, states
    /// explored, simulated hours, planted bugs, mutants, fuzzing, real servers. A part whose tool is missing is left out
    /// and says so. It takes under twenty minutes on two cores, once built.
    Assure {
        /// Runs the parts for every change, without tests, in a minute and a half.
        #[arg(long)]
        quick: bool,
        /// The seed of random runs, fuzzing and the choice of bugs. Default: 1 with `--quick`, 2 otherwise.
        #[arg(long)]
        seed: Option<u64>,
        /// The parts to run, by words from their names in the table. Default: all.
        parts: Vec<String>,
    },
    /// Checks what the compiler does not: first lines and sizes of files, requirement numbers, links and paths, generated
    /// files, scenarios.
    Tidy,
    /// Checks that the core depends on no crate with a runtime, sockets or entropy.
    Dependencies,
    /// Prints for each requirement the code that implements it and the tests that show it, then what is missing.
    Spec,
    /// Writes the generated pages of the documentation: requirements, invariants and settings.
    Pages,
    /// Packs the published crates and builds each from its own files.
    Package {
        /// Runs the tests in the packages, too.
        #[arg(long)]
        test: bool,
        /// Packs uncommitted changes.
        #[arg(long)]
        allow_dirty: bool,
    },
    /// Compares the public interface of the published libraries with `crates/*/api.txt`.
    Api {
        /// Writes those files instead.
        #[arg(long)]
        write: bool,
    },
    /// Writes `tests/vectors/vectors.json`: the scenarios as test vectors for resolvers in other languages.
    Vectors,
    /// Plants the bugs of `xtask/bugs.toml` one by one in a copy of the tree. Prints which tests find each bug, and whether
    /// they name what it breaks.
    Bugs {
        /// Only bugs whose description contains this word.
        word: Option<String>,
    },
    /// Explores scenarios in every order of answers. Prints how far each was explored, and findings.
    Explore {
        /// The folder with the scenarios.
        #[arg(default_value = "tests/scenarios")]
        folder: PathBuf,
        /// The limit of states for each name, over all modes of speculation.
        #[arg(long, default_value_t = 3000)]
        states: usize,
        /// The limit of timers that fire before answers arrive, on each path.
        #[arg(long, default_value_t = 1)]
        early_timers: usize,
        /// Also abandons lookups in every state.
        #[arg(long)]
        abandon: bool,
        /// The limit of faults on each path: answers that are lost, wrong or timed out, and clock jumps. With faults, late
        /// and duplicate answers are tried in every state.
        #[arg(long, default_value_t = 0)]
        faults: usize,
    },
    /// Draws random runs of resolvers against faulty servers. Invariants are checked after every step, and results are
    /// compared with the reference model and the cache model. A failing run is shrunk and printed.
    Sim {
        /// The seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The virtual time to simulate, in hours.
        #[arg(long, default_value_t = 10_000)]
        hours: u64,
        /// Only the run with this number.
        #[arg(long)]
        run: Option<u64>,
    },
    /// Runs every fuzz target from its committed corpus. Prints executions, coverage and findings. Needs cargo-fuzz and a
    /// nightly toolchain.
    Fuzz {
        /// Minutes of CPU time for each target. Targets that read input from the network or run whole machines get five
        /// times as much.
        #[arg(long, default_value_t = 2.0)]
        minutes: f64,
        /// The seed of the inputs.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The targets to run. Default: all.
        targets: Vec<String>,
    },
    /// Tries mutants of the core with cargo-mutants. Prints how many are caught, and each one that is missed. Covers all
    /// mutants of the modules that invariants depend on, and a sample of the rest.
    Mutants {
        /// The size of the sample of the rest.
        #[arg(long, default_value_t = 150)]
        sample: usize,
        /// The seed of the sample.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Also samples the modules that invariants depend on, for a short run.
        #[arg(long)]
        sampled: bool,
        /// Leaves out the modules that invariants depend on.
        #[arg(long, conflicts_with = "sampled")]
        rest: bool,
        /// Continues a run that was stopped, provided that sources and tests have not changed.
        #[arg(long)]
        resume: bool,
        /// The modules to mutate. Default: all.
        modules: Vec<String>,
    },
    /// Compares this project with other implementations: their results in the scenarios, then their costs under the same
    /// loads. Ends with status 77 without Linux, `unshare`, `ip` or permission to create namespaces.
    Peers {
        /// `agreement`, or names of loads as in `tests/peers/README.md`. Default: all.
        words: Vec<String>,
        /// A Python interpreter with Synapse. Default: `target/synapse/bin/python3`.
        #[arg(long)]
        python: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let well = match Arguments::parse().chore {
        Chore::Assure { quick, seed, parts } => {
            let seed = seed.unwrap_or(if quick { 1 } else { 2 });
            Ok(assure::run(root, quick, seed, &parts))
        }
        Chore::Tidy => tidy::check(root).map(told),
        Chore::Dependencies => dependencies::check(root).map(told),
        Chore::Spec => spec::print(root).and_then(|()| spec::check(root, false)).map(told),
        Chore::Pages => pages::write(root).map(told),
        Chore::Package { test, allow_dirty } => package::run(root, allow_dirty, test),
        Chore::Api { write } => api::run(root, write).map(told),
        Chore::Vectors => vectors::write(root).map(told),
        Chore::Bugs { word } => bugs::run(root, word.as_deref()),
        Chore::Explore { folder, states, early_timers, abandon, faults } => {
            let limits = Limits { states, early_timers, abandon, faults, ..Limits::default() };
            explore::run(&folder, &limits).map_err(Into::into)
        }
        Chore::Sim { seed, hours, run } => Ok(sim::run(seed, hours, run)),
        Chore::Fuzz { minutes, seed, targets } => fuzz::run(root, minutes, seed, &targets),
        Chore::Mutants { sample, seed, sampled, rest, resume, modules } => {
            let whole = match (sampled, rest) {
                (true, _) => Whole::Sampled,
                (false, true) => Whole::LeftOut,
                (false, false) => Whole::Every,
            };
            mutants::run(root, &Wanted { whole, sample, seed, modules, resume })
        }
        Chore::Peers { words, python } => match peers::run(root, &words, python.as_deref()) {
            Ok(Some(well)) => Ok(well),
            Ok(None) => return ExitCode::from(77),
            Err(error) => Err(error.into()),
        },
    };
    match well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints complaints. Returns whether there were none.
fn told(complaints: Vec<String>) -> bool {
    for complaint in &complaints {
        println!("{complaint}");
    }
    complaints.is_empty()
}
