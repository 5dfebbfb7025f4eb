//! Runs the scenarios through the layers, with one test for each pair.
//!
//! Every scenario runs through the reference model, all orders of answers, both machines, the wire in memory and tokio. Each of
//! the other adapters and example loops runs a fixed third; `EVERY_PAIR=1` or `-- --include-ignored` runs them all. Without the
//! feature `sockets` there are the machines alone, which build in seconds: for each mutant of the core anew.
//!
//! `BLESS=1` rewrites expectations that are not met by what comes out of the resolver; a person then reads the diff.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use discovery_core::Speculation;
use discovery_sim::{Expect, Scenario};
use discovery_tests::layers::{self, Ended, Layer};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let paths = match Scenario::files(&root) {
        Ok(paths) => paths,
        Err(error) => {
            eprintln!("{}: {error}", root.display());
            return ExitCode::FAILURE;
        }
    };
    let layers: Arc<[Box<dyn Layer>]> = match layers::all() {
        Ok(layers) => layers.into(),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let is_set = |name| std::env::var_os(name).is_some_and(|value| value == "1");
    let (bless, every_pair) = (is_set("BLESS"), is_set("EVERY_PAIR"));
    let mut trials = Vec::new();
    for path in paths {
        let name = path.strip_prefix(&root).unwrap_or(&path).with_extension("");
        let name = name.to_string_lossy().replace('\\', "/");
        match read(&path) {
            Ok((heading, scenario)) => {
                if bless {
                    trials.push(Trial::test(name, move || blessed(&path, &scenario)));
                } else {
                    tests(&name, heading, &Arc::new(scenario), &layers, every_pair, &mut trials);
                }
            }
            Err(error) => trials.push(Trial::test(name, move || Err(error.into()))),
        }
    }
    let layers = by_layer(&trials);
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        println!("pairs of a scenario and a layer: {} run, of {layers}", conclusion.num_passed);
    }
    conclusion.exit_code()
}

/// The number of pairs, in total and by layer.
fn by_layer(trials: &[Trial]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for trial in trials {
        let layer = trial.name().rsplit(' ').next().unwrap_or_default();
        *counts.entry(layer).or_default() += 1;
    }
    let each: Vec<String> =
        counts.iter().map(|(layer, count)| format!("{layer} {count}")).collect();
    format!("{} ({})", trials.len(), each.join(", "))
}

/// The scenario and its header.
fn read(path: &Path) -> Result<(Arc<str>, Scenario), String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let scenario = Scenario::parse(&text).map_err(|error| error.to_string())?;
    Ok((text.lines().next().unwrap_or_default().into(), scenario))
}

fn tests(
    name: &str,
    heading: Arc<str>,
    scenario: &Arc<Scenario>,
    layers: &Arc<[Box<dyn Layer>]>,
    every_pair: bool,
    trials: &mut Vec<Trial>,
) {
    let models = cfg!(feature = "sockets");
    if models && layers::reference_declines(scenario).is_none() {
        let (heading, scenario) = (heading.clone(), scenario.clone());
        trials.push(Trial::test(format!("{name} reference"), move || {
            report(&heading, layers::check_reference(&scenario).unwrap_or_default())
        }));
    }
    if models && layers::orders_decline(scenario).is_none() {
        let (heading, scenario) = (heading.clone(), scenario.clone());
        trials.push(Trial::test(format!("{name} orders"), move || {
            report(&heading, layers::orders(&scenario))
        }));
    }
    for (index, layer) in layers.iter().enumerate() {
        if layer.declines(scenario).is_none() {
            let (heading, layers) = (heading.clone(), layers.clone());
            let scenario = scenario.clone();
            let left_out = !every_pair && !layers::by_default(layer.name(), name);
            let trial = Trial::test(format!("{name} {}", layer.name()), move || {
                layers
                    .get(index)
                    .map_or(Ok(()), |layer| report(&heading, check(&scenario, &**layer)))
            });
            trials.push(trial.with_ignored_flag(left_out));
        }
    }
}

/// The differences between expected and actual results of a layer, in every mode of speculation.
fn check(scenario: &Scenario, layer: &dyn Layer) -> Vec<String> {
    layers::examine(layer, scenario, |ends, frugal| {
        let mut found = Vec::new();
        for (end, expect) in ends.iter().zip(&scenario.expect) {
            // Expected questions hold without speculation.
            let end = Ended { asked: end.asked.clone().filter(|_| frugal), ..end.clone() };
            found.extend(expect.check(&end.observed()).iter().map(ToString::to_string));
        }
        if ends.len() != scenario.expect.len() {
            found.push(format!("{} names, {} expectations", ends.len(), scenario.expect.len()));
        }
        found
    })
}

/// The differences below the header, so that a failure names its requirement.
fn report(heading: &str, found: Vec<String>) -> Result<(), Failed> {
    if found.is_empty() { Ok(()) } else { Err(format!("{heading}\n{}", found.join("\n")).into()) }
}

/// Rewrites expected results that are not met.
fn blessed(path: &Path, scenario: &Scenario) -> Result<(), Failed> {
    let frugal = layers::speculating(scenario, Speculation::Off);
    let ends = layers::Memory.attempt(&frugal, 0).transpose()?.unwrap_or_default();
    let mut below = String::new();
    let mut changed = ends.len() != scenario.expect.len();
    for (index, end) in ends.iter().enumerate() {
        let before = scenario.expect.get(index).cloned().unwrap_or_default();
        let observed = end.observed();
        let met = !before.wanted.is_empty() && before.check(&observed).is_empty();
        changed |= !met;
        let expect = if met { before } else { renewed(before, end) };
        below.push_str(&expect.to_string());
    }
    if changed {
        let text = fs::read_to_string(path)?;
        let above = text.split_once("\n---\n").map_or(text.as_str(), |(above, _)| above);
        fs::write(path, format!("{}\n---\n{below}", above.trim_end()))?;
    }
    Ok(())
}

/// The actual result as an expectation, with the parts that the old one had.
fn renewed(before: Expect, end: &Ended) -> Expect {
    let observed = end.observed();
    let mut expect = Expect::of(&observed);
    if before.why.is_none() && !before.wanted.is_empty() {
        expect.why = None;
    }
    for one in [
        Expect { asked: before.asked, ..Expect::default() },
        Expect { never: before.never, ..Expect::default() },
    ] {
        if one.check(&observed).is_empty() {
            expect.asked.extend(one.asked);
            expect.never.extend(one.never);
        }
    }
    expect
}
