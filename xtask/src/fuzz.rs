//! Every fuzz target in turn, for so many minutes, and what came of it: one row for each.
//!
//! Knows nothing of what the targets check.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Longest input that is tried, in bytes: runs of the machine are read from a few hundred.
const MAX_LENGTH: u32 = 4096;
/// Seconds of one execution after which it counts as one that hangs.
const TIMEOUT: u32 = 20;

/// What one target came to.
struct Row {
    target: String,
    executions: String,
    coverage: String,
    inputs: String,
    /// The file that breaks it, if any.
    finding: Option<String>,
}

/// Runs the targets, all of them or those that are named. Whether nothing was found.
pub(crate) fn run(root: &Path, minutes: f64, only: &[String]) -> Result<bool, Box<dyn Error>> {
    let mut targets = targets(root)?;
    if let Some(unknown) = only.iter().find(|name| !targets.contains(name)) {
        return Err(format!("no target {unknown}; there are {}", targets.join(", ")).into());
    }
    targets.retain(|target| only.is_empty() || only.contains(target));
    let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let seconds = (minutes * 60.0 / f64::from(count.max(1))).ceil();
    println!("{count} targets, {seconds} s each");
    println!("| target | executions | edges covered | inputs kept | finding |");
    println!("|---|--:|--:|--:|---|");
    let mut well = true;
    for target in targets {
        let row = one(root, &target, seconds)?;
        well &= row.finding.is_none();
        let finding = row.finding.as_deref().unwrap_or("none");
        println!(
            "| {} | {} | {} | {} | {finding} |",
            row.target, row.executions, row.coverage, row.inputs
        );
    }
    Ok(well)
}

/// The names of all targets, in order.
fn targets(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for file in fs::read_dir(root.join("fuzz/fuzz_targets"))? {
        let path = file?.path();
        names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Runs one target from the committed corpus; what it finds on the way is kept beside the build, for the next run.
fn one(root: &Path, target: &str, seconds: f64) -> Result<Row, Box<dyn Error>> {
    let kept = root.join("fuzz/target/corpus").join(target);
    fs::create_dir_all(&kept)?;
    let output = Command::new("cargo")
        // No `unsafe` code is under test: what a sanitizer costs is better spent on executions.
        .args(["fuzz", "run", "--fuzz-dir", "fuzz", "-s", "none", target])
        .arg(&kept)
        .arg(root.join("fuzz/corpus").join(target))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_LENGTH}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg("-print_final_stats=1")
        .current_dir(root)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let statistic = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_matches([':', ' ']).to_owned())
    };
    let Some(executions) = statistic("stat::number_of_executed_units") else {
        let last: Vec<&str> = said.lines().rev().take(12).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        return Err(
            format!("{target} does not run (is cargo-fuzz there, and nightly?):\n{last}").into()
        );
    };
    let finding = statistic("artifact_prefix=");
    let finding = finding.or_else(|| (!output.status.success()).then(|| "it failed".to_owned()));
    let inputs = fs::read_dir(&kept)?.count();
    Ok(Row {
        target: target.to_owned(),
        executions,
        coverage: last_of(&said, "cov: ").unwrap_or_default(),
        inputs: inputs.to_string(),
        finding: finding.filter(|_| !output.status.success()),
    })
}

/// The word behind the last place where libFuzzer says this.
fn last_of(said: &str, what: &str) -> Option<String> {
    let behind = said.rsplit_once(what)?.1;
    behind.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::last_of;

    #[test]
    fn the_last_word_on_coverage_counts() {
        let said = "#2 INITED cov: 10 ft: 11\n#99 DONE cov: 25 ft: 30 corp: 4\n";
        assert_eq!(last_of(said, "cov: ").as_deref(), Some("25"));
        assert_eq!(last_of("", "cov: "), None);
    }
}
