//! Runs every fuzz target for a given CPU time, and reports the results.
//!
//! The targets decide what they check.
//!
//! Time is CPU time: elapsed time says little about the number of inputs on a busy machine.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::assure::{Figures, grouped};
use crate::cargo::{cargo, says};
use crate::cpu;

/// The maximum length of an input, in bytes. A run of the machine is read from a few hundred bytes.
const MAX_LENGTH: u32 = 4096;
/// The seconds after which an execution counts as a hang.
const TIMEOUT: u32 = 20;
/// Targets that read input from the network or run whole machines. They get five times as much time.
const HEAVY: [&str; 5] = ["dns", "exchange", "http", "machine", "server_name"];
/// The limit of runs of a target. libFuzzer counts elapsed time, so a target runs again until its CPU time is used up.
const RUNS: u32 = 60;

/// The results of a target.
#[derive(Clone, Debug)]
pub(crate) struct Fuzzed {
    pub(crate) target: String,
    pub(crate) executions: u64,
    /// The CPU time in seconds.
    pub(crate) seconds: f64,
    /// The edges covered.
    pub(crate) edges: u64,
    /// The features that libFuzzer counts: edges by how often they were taken, and comparisons.
    pub(crate) features: u64,
    /// The input that breaks the target, if any.
    pub(crate) finding: Option<String>,
}

impl Fuzzed {
    pub(crate) fn figures(&self) -> Figures {
        let what = format!(
            "{} executions in {:.0} s of CPU time, {} edges, {} features",
            grouped(self.executions),
            self.seconds,
            grouped(self.edges),
            grouped(self.features)
        );
        Figures::new(what, self.finding.clone())
    }
}

/// The tools that must be installed.
pub(crate) struct Tools {
    /// The name of a nightly toolchain, if the default one is not nightly.
    toolchain: Option<&'static str>,
}

/// Runs the named targets, or all, and prints a row for each. Returns whether there were no findings.
pub(crate) fn run(
    root: &Path,
    minutes: f64,
    seed: u64,
    only: &[String],
) -> Result<bool, Box<dyn Error>> {
    let tools = tools()?;
    let targets = targets(root, only)?;
    build(root, &tools)?;
    println!("| target | CPU | executions | edges | features | finding |");
    println!("|---|--:|--:|--:|--:|---|");
    let mut well = true;
    for target in targets {
        let fuzzed = one(root, &tools, &target, share(&target, minutes), seed)?;
        well &= fuzzed.finding.is_none();
        println!(
            "| {} | {:.0} s | {} | {} | {} | {} |",
            fuzzed.target,
            fuzzed.seconds,
            grouped(fuzzed.executions),
            grouped(fuzzed.edges),
            grouped(fuzzed.features),
            fuzzed.finding.as_deref().unwrap_or("none")
        );
    }
    Ok(well)
}

/// The tools, or the missing one and how to install it.
pub(crate) fn tools() -> Result<Tools, String> {
    let toolchain = if says("rustc", &["--version"]).is_some_and(|said| said.contains("nightly")) {
        None
    } else if says("rustup", &["run", "nightly", "rustc", "--version"]).is_some() {
        Some("nightly")
    } else {
        return Err("no nightly (rustup toolchain install nightly --profile minimal)".to_owned());
    };
    match says("cargo", &["fuzz", "--version"]) {
        Some(_) => Ok(Tools { toolchain }),
        None => Err("no cargo-fuzz (cargo install cargo-fuzz --locked)".to_owned()),
    }
}

/// The names of the requested targets, or of all, in order.
pub(crate) fn targets(root: &Path, only: &[String]) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for file in fs::read_dir(root.join("fuzz/fuzz_targets"))? {
        let path = file?.path();
        names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    if let Some(unknown) = only.iter().find(|name| !names.contains(name)) {
        return Err(format!("no target {unknown}; there are {}", names.join(", ")).into());
    }
    names.retain(|name| only.is_empty() || only.contains(name));
    Ok(names)
}

/// The CPU seconds of a target, given the minutes of a light one.
pub(crate) fn share(target: &str, minutes: f64) -> f64 {
    minutes * 60.0 * if HEAVY.contains(&target) { 5.0 } else { 1.0 }
}

fn cargo_fuzz(root: &Path, tools: &Tools, verb: &str) -> Command {
    let mut command = cargo(root);
    if let Some(toolchain) = tools.toolchain {
        command.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    // No `unsafe` code is under test: what a sanitizer costs is better spent on executions.
    command.args(["fuzz", verb, "--fuzz-dir", "fuzz", "-s", "none"]);
    command
}

/// Builds all targets, so that no target's CPU time includes a build.
pub(crate) fn build(root: &Path, tools: &Tools) -> Result<(), Box<dyn Error>> {
    let output = cargo_fuzz(root, tools, "build").output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("fuzz targets are not built:\n{}", end(&output.stderr)).into())
}

/// Runs a target from the committed corpus. New inputs are kept in the build folder for the next run.
pub(crate) fn one(
    root: &Path,
    tools: &Tools,
    target: &str,
    seconds: f64,
    seed: u64,
) -> Result<Fuzzed, Box<dyn Error>> {
    let kept = root.join("fuzz/target/corpus").join(target);
    fs::create_dir_all(&kept)?;
    let mut fuzzed = Fuzzed {
        target: target.to_owned(),
        executions: 0,
        seconds: 0.0,
        edges: 0,
        features: 0,
        finding: None,
    };
    // libFuzzer's seeds are 32 bits, and 0 is none.
    let seed = u32::try_from(seed).unwrap_or(u32::MAX).max(1);
    let mut runs = 0_u32;
    while fuzzed.finding.is_none() && fuzzed.seconds < seconds && runs < RUNS {
        let began = cpu::of_children();
        let output = cargo_fuzz(root, tools, "run")
            .arg(target)
            .arg(&kept)
            .arg(root.join("fuzz/corpus").join(target))
            .arg("--")
            .arg(format!("-max_total_time={}", (seconds - fuzzed.seconds).ceil().max(1.0)))
            .arg(format!("-max_len={MAX_LENGTH}"))
            .arg(format!("-timeout={TIMEOUT}"))
            .arg(format!("-seed={}", seed.saturating_add(runs)))
            .arg("-print_final_stats=1")
            .output()?;
        fuzzed.seconds += cpu::of_children().saturating_sub(began).as_secs_f64();
        let said = String::from_utf8_lossy(&output.stderr);
        let Some(executions) = statistic(&said, "stat::number_of_executed_units") else {
            return Err(format!("{target} does not run:\n{}", end(&output.stderr)).into());
        };
        fuzzed.executions = fuzzed.executions.saturating_add(executions);
        fuzzed.edges = last_of(&said, "cov: ").unwrap_or(0).max(fuzzed.edges);
        fuzzed.features = last_of(&said, "ft: ").unwrap_or(0).max(fuzzed.features);
        if !output.status.success() {
            fuzzed.finding = Some(artifact(&said).unwrap_or("it failed").to_owned());
        }
        runs = runs.saturating_add(1);
    }
    Ok(fuzzed)
}

/// The last lines of a program's output.
fn end(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}

/// A statistic from the end of libFuzzer's output.
fn statistic(said: &str, name: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim_matches([':', ' ']).parse().ok()
}

/// The number after the last occurrence of a word in libFuzzer's output.
fn last_of(said: &str, what: &str) -> Option<u64> {
    said.rsplit_once(what)?.1.split_whitespace().next()?.parse().ok()
}

/// The file to which the breaking input was written.
fn artifact(said: &str) -> Option<&str> {
    said.rsplit_once("Test unit written to ")?.1.lines().next()
}

#[cfg(test)]
mod tests {
    use super::{artifact, last_of, share, statistic};

    const SAID: &str = "#2 INITED cov: 10 ft: 11\n#99 DONE cov: 25 ft: 30 corp: 4\n\
        artifact_prefix='a/'; Test unit written to a/crash-1\nBase64: AA==\n\
        stat::number_of_executed_units: 99\n";

    #[test]
    fn the_last_word_on_coverage_counts() {
        assert_eq!(last_of(SAID, "cov: "), Some(25));
        assert_eq!(last_of(SAID, "ft: "), Some(30));
        assert_eq!(last_of("", "cov: "), None);
    }

    #[test]
    fn statistics_and_findings_are_read() {
        assert_eq!(statistic(SAID, "stat::number_of_executed_units"), Some(99));
        assert_eq!(statistic(SAID, "stat::peak_rss_mb"), None);
        assert_eq!(artifact(SAID), Some("a/crash-1"));
        assert_eq!(artifact("DONE"), None);
    }

    #[test]
    fn targets_that_read_network_input_get_five_times_as_much() {
        for target in super::HEAVY {
            assert!((share(target, 2.0) - 600.0).abs() < 1e-9, "{target}");
        }
        assert!((share("url", 2.0) - 120.0).abs() < 1e-9);
    }
}
