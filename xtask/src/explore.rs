//! Explores every scenario in every order of answers, and tells how far each was explored.
//!
//! Knows nothing of how orders are found: the explorer is the simulator's.

use std::io;
use std::path::{Path, PathBuf};

use discovery_sim::{Coverage, Limits, Scenario, explore, explore_crowd, shrink};

/// Explores the scenarios below a folder, each name with at most so many states. Whether nothing was found wrong.
pub(crate) fn run(folder: &Path, limits: &Limits) -> io::Result<bool> {
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
            let Some(explored) = explore(&scenario, index, limits) else { continue };
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
                println!("{}", shrink(&scenario, Some(index), limits, finding));
            }
            names += 1;
            seen += explored.states;
            ends += explored.ends;
            wrong += explored.findings.len();
        }
    }
    let crowds = crowds(limits)?;
    seen += crowds.0;
    ends += crowds.1;
    wrong += crowds.2;
    println!(
        "{names} names in {} scenarios: {complete} in every order, {cut} cut short, {sampled} sampled",
        files.len()
    );
    println!("{seen} states, {ends} ends, {wrong} disagreements");
    Ok(wrong == 0)
}

/// Several names at one resolver: states, ends, and how much is wrong.
fn crowds(limits: &Limits) -> io::Result<(usize, usize, usize)> {
    let (mut states, mut ends, mut wrong) = (0, 0, 0);
    for (title, text) in CROWDS {
        let scenario = Scenario::parse(text).map_err(io::Error::other)?;
        let Some(explored) = explore_crowd(&scenario, limits) else { continue };
        println!("{:>8} states  {title}: {}", explored.states, explored.coverage);
        for finding in &explored.findings {
            println!("         WRONG   {finding}");
            println!("{}", shrink(&scenario, None, limits, finding));
        }
        states += explored.states;
        ends += explored.ends;
        wrong += explored.findings.len();
    }
    Ok((states, ends, wrong))
}

/// Small resolvers whose tickets share questions.
const CROWDS: [(&str, &str); 4] = [
    (
        "two names that delegate to one, and one of them in other letters",
        "https a.example 200 {\"m.server\":\"fed.example.net:443\"}\n\
         https b.example 200 {\"m.server\":\"fed.example.net:443\"}\n\
         dns a.example A 192.0.2.1\ndns b.example A 192.0.2.2\ndns fed.example.net A 192.0.2.3\n\
         resolve a.example\nresolve b.example\nresolve A.example\n",
    ),
    (
        "a name, and the same with a port",
        "https a.example 404\ndns a.example A 192.0.2.1\nresolve a.example\nresolve a.example:8449\n",
    ),
    (
        "two names with one SRV target",
        "https a.example 404\nhttps b.example timeout\n\
         dns _matrix-fed._tcp.a.example SRV 1 1 443 host.example.net\n\
         dns _matrix._tcp.b.example SRV 1 1 444 host.example.net\n\
         dns host.example.net A 192.0.2.3\nresolve a.example\nresolve b.example\n",
    ),
    (
        "a slot for each kind of question",
        "set dns_slots=1\nset http_slots=1\n\
         https a.example 200 {\"m.server\":\"192.0.2.9\"}\nhttps b.example 200 {\"m.server\":\"192.0.2.9\"}\n\
         dns a.example A 192.0.2.1\ndns b.example A 192.0.2.2\nresolve a.example\nresolve b.example\n",
    ),
];

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
