//! Every scenario through both machines in virtual time, with every way to ask ahead.
//!
//! Knows nothing of bytes and sockets, nor of other ways to drive a machine: the layers of `tests/layers` do.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use discovery_core::Speculation;
use discovery_sim::{Line, Mismatch, Options, Run, Scenario, run_each, run_resolver};
use libtest_mimic::{Arguments, Failed, Trial};

const SPECULATIONS: [(&str, Speculation); 4] = [
    ("off", Speculation::Off),
    ("addresses", Speculation::Addresses),
    ("full", Speculation::Full),
    ("remembered", Speculation::Remembered),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let paths = match Scenario::files(&root) {
        Ok(paths) => paths,
        Err(error) => {
            eprintln!("{}: {error}", root.display());
            return ExitCode::FAILURE;
        }
    };
    let trials = paths.into_iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap_or(&path).with_extension("");
        let name = name.to_string_lossy().replace('\\', "/");
        Trial::test(format!("{name} virtual"), move || examine(&path))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// What is wrong, below what the scenario shows: a failure names its requirement.
fn examine(path: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let scenario = Scenario::parse(&text)?;
    let mut found = Vec::new();
    for (word, speculation) in SPECULATIONS {
        let mut varied = scenario.clone();
        // The last line on a matter counts.
        let (field, value) = ("speculation".to_owned(), word.to_owned());
        varied.lines.push(Line::Set { field, value });
        let ahead = speculation != Speculation::Off;
        let run = run_resolver(&varied, Options::default());
        found.extend(wrong(&run, &run.check(&varied.expect, ahead)));
        if is_about_memory(&varied) {
            continue;
        }
        for (run, expect) in run_each(&varied, Options::default()).iter().zip(&varied.expect) {
            found.extend(wrong(run, &run.check(std::slice::from_ref(expect), ahead)));
        }
    }
    let heading = text.lines().next().unwrap_or_default();
    if found.is_empty() { Ok(()) } else { Err(format!("{heading}\n{}", found.join("\n")).into()) }
}

fn wrong(run: &Run, mismatches: &[(usize, Mismatch)]) -> Vec<String> {
    let violations = run.violations.iter().map(ToString::to_string);
    violations.chain(mismatches.iter().map(|(_, mismatch)| mismatch.to_string())).collect()
}

/// Whether it asks for names at several times: then one machine for each name is not what it is about.
fn is_about_memory(scenario: &Scenario) -> bool {
    scenario.resolves().iter().any(|resolve| resolve.at > Duration::ZERO)
}
