//! Explores every scenario in every order of answers, and tells how far each was explored.
//!
//! Knows nothing of how orders are found: the explorer is the simulator's.

use std::io;
use std::path::{Path, PathBuf};

use discovery_sim::{Coverage, Limits, Scenario, explore};

/// Explores the scenarios below a folder, each name with at most so many states. Whether nothing was found wrong.
pub(crate) fn run(
    folder: &Path,
    states: usize,
    early_timers: usize,
    abandon: bool,
) -> io::Result<bool> {
    let limits = Limits { states, early_timers, abandon, ..Limits::default() };
    let mut files = Vec::new();
    scenarios(folder, &mut files)?;
    files.sort();
    let (mut names, mut seen, mut ends, mut wrong) = (0_usize, 0_usize, 0_usize, 0_usize);
    let (mut complete, mut cut, mut sampled) = (0_usize, 0_usize, 0_usize);
    for file in &files {
        let scenario =
            Scenario::parse(&std::fs::read_to_string(file)?).map_err(io::Error::other)?;
        let title = file.strip_prefix(folder).unwrap_or(file).with_extension("");
        for (index, resolve) in scenario.resolves().into_iter().enumerate() {
            let Some(explored) = explore(&scenario, index, &limits) else { continue };
            let coverage = match explored.coverage {
                Coverage::Complete => {
                    complete += 1;
                    "every order".to_owned()
                }
                Coverage::CutShort { left } => {
                    cut += 1;
                    format!("every order but beyond {left} states that were left")
                }
                Coverage::Sampled { orders, pairs } => {
                    sampled += 1;
                    format!("{orders} orders and {pairs} pairs of answers")
                }
            };
            println!(
                "{:>8} states  {} {}: {coverage}",
                explored.states,
                title.display(),
                resolve.name
            );
            for finding in &explored.findings {
                println!("         WRONG   {finding}");
            }
            names += 1;
            seen += explored.states;
            ends += explored.ends;
            wrong += explored.findings.len();
        }
    }
    println!(
        "{names} names in {} scenarios: {complete} in every order, {cut} cut short, {sampled} sampled",
        files.len()
    );
    println!("{seen} states, {ends} ends, {wrong} disagreements");
    Ok(wrong == 0)
}

fn scenarios(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            scenarios(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "scenario") {
            into.push(path);
        }
    }
    Ok(())
}
