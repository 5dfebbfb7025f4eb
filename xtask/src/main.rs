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
    /// Runs the whole proof in a short form, part by part, and prints one table: requirements, tests, scenarios by layers, states explored,
    /// simulated hours, planted bugs, mutants, fuzzing, real servers. What needs a tool that is not here is left out, and says which. Under twenty
    /// minutes on two cores, once built.
    Assure {
        /// The part for every change, without tests: a minute and a half.
        #[arg(long)]
        quick: bool,
        /// From which simulated lives, fuzzing and the choice of planted bugs are drawn: 1 in the quick part, 2 otherwise.
        #[arg(long)]
        seed: Option<u64>,
        /// Words of the parts to run, as the table has them; all, if none is given.
        parts: Vec<String>,
    },
    /// Checks what the compiler does not: files' first lines, their sizes, requirement numbers, paths, scenarios.
    Tidy,
    /// Checks that the core depends on no runtime, sockets or entropy.
    Dependencies,
    /// Prints for each requirement where it is obeyed and which tests show it; then what is missing.
    Spec,
    /// Writes the generated pages of the documentation: requirements, invariants and settings.
    Pages,
    /// Packs the crates that are published and builds each from its own files.
    Package {
        /// Runs the tests that are inside the packages, too.
        #[arg(long)]
        test: bool,
        /// Packs changes that are not committed.
        #[arg(long)]
        allow_dirty: bool,
    },
    /// Compares the public interface of the published libraries with `crates/*/api.txt`.
    Api {
        /// Writes it there instead.
        #[arg(long)]
        write: bool,
    },
    /// Writes `tests/vectors/vectors.json`: the scenarios as test vectors for resolvers in other languages.
    Vectors,
    /// Plants the bugs of `xtask/bugs.toml` one by one in a copy of the tree; prints which tests find each, and whether they name what
    /// it breaks.
    Bugs {
        /// Only those whose description holds this.
        word: Option<String>,
    },
    /// Explores scenarios in every order of answers; prints how far each was explored, and what is wrong.
    Explore {
        /// Where the scenarios are.
        #[arg(default_value = "tests/scenarios")]
        folder: PathBuf,
        /// States visited at most for each name, over all modes of speculation.
        #[arg(long, default_value_t = 3000)]
        states: usize,
        /// Timers that fire although answers are on their way, at most, on each way.
        #[arg(long, default_value_t = 1)]
        early_timers: usize,
        /// Abandons lookups in every state, too.
        #[arg(long)]
        abandon: bool,
        /// Faults on each way, at most: answers that are lost, wrong or given up, clocks that jump; late and double answers in every
        /// state.
        #[arg(long, default_value_t = 0)]
        faults: usize,
    },
    /// Random runs of resolvers in hostile worlds: after every step the invariants are checked, and results are compared with the reference
    /// model and the cache model. A failing run is shrunk and printed.
    Sim {
        /// The seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Hours in virtual time.
        #[arg(long, default_value_t = 10_000)]
        hours: u64,
        /// This run alone.
        #[arg(long)]
        run: Option<u64>,
    },
    /// Runs every fuzz target in turn, from its committed corpus; prints executions, coverage and findings. Needs cargo-fuzz and a
    /// nightly toolchain.
    Fuzz {
        /// Minutes of CPU time for each target; what reads strangers' bytes or runs whole machines gets five times as much.
        #[arg(long, default_value_t = 2.0)]
        minutes: f64,
        /// From which inputs are drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Targets; all, if none is given.
        targets: Vec<String>,
    },
    /// Changes the core in one place at a time, by cargo-mutants; prints how many changes a test catches, and each that none does. All
    /// mutants of the modules that invariants rest on, and a sample of the rest.
    Mutants {
        /// How many of the rest.
        #[arg(long, default_value_t = 150)]
        sample: usize,
        /// Decides which.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Samples those modules like the rest: a short run.
        #[arg(long)]
        sampled: bool,
        /// Leaves those modules out: the sample of the rest alone.
        #[arg(long, conflicts_with = "sampled")]
        rest: bool,
        /// Goes on with a run that was stopped: the same one, of sources and tests that have not changed where it counts.
        #[arg(long)]
        resume: bool,
        /// Modules to stay in; all, if none is given.
        modules: Vec<String>,
    },
    /// Gives every scenario that others can be asked to this project and to others, and prints who agrees; then gives the same loads
    /// to all, and prints what they took. Ends with status 77 where there is no Linux with `unshare` and `ip`, or no leave to make
    /// namespaces.
    Peers {
        /// `agreement`, or words of the loads, as `tests/peers/src/load.rs` has them; all, if none is given.
        words: Vec<String>,
        /// A Python that has Synapse; `target/synapse/bin/python3`, if none is given.
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

/// Prints complaints; whether there were none.
fn told(complaints: Vec<String>) -> bool {
    for complaint in &complaints {
        println!("{complaint}");
    }
    complaints.is_empty()
}
