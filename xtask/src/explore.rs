//! Explores every scenario in every order of answers, and tells how far each was explored.
//!
//! Knows nothing of how orders are found: the explorer is the simulator's.

use std::fmt::Display;
use std::io;
use std::path::Path;

use discovery_sim::{
    Coverage, Explored, Finding, Limits, Scenario, explore, explore_crowd, shrink,
};

use crate::table::{Figures, grouped};

/// What all explorations came to.
#[derive(Debug, Default)]
pub(crate) struct Explorations {
    scenarios: usize,
    names: usize,
    /// Names explored in every order, up to a number of states, and by samples.
    complete: usize,
    cut: usize,
    sampled: usize,
    states: usize,
    ends: usize,
    /// What is wrong, in one line each.
    wrong: Vec<String>,
}

impl Explorations {
    fn add(&mut self, explored: &Explored, title: &str) {
        self.states = self.states.saturating_add(explored.states);
        self.ends = self.ends.saturating_add(explored.ends);
        let first_line = |finding: &Finding| {
            format!("{title}: {}", finding.to_string().lines().next().unwrap_or_default())
        };
        self.wrong.extend(explored.findings.iter().map(first_line));
    }

    pub(crate) fn figures(&self) -> Figures {
        let what = format!(
            "{} states and {} ends of {} names, {} of them in every order",
            grouped(self.states),
            grouped(self.ends),
            grouped(self.names),
            grouped(self.complete)
        );
        Figures::of(what, &self.wrong)
    }
}

/// Explores the scenarios below a folder, each name with at most so many states, and prints how far each was explored. Whether
/// nothing was found wrong.
pub(crate) fn run(folder: &Path, limits: &Limits) -> io::Result<bool> {
    let all = explorations(folder, limits, true)?;
    println!(
        "{} names in {} scenarios: {} in every order, {} cut short, {} sampled",
        all.names, all.scenarios, all.complete, all.cut, all.sampled
    );
    println!("{} states, {} ends, {} disagreements", all.states, all.ends, all.wrong.len());
    Ok(all.wrong.is_empty())
}

/// Explores the scenarios below a folder, and several names at one resolver. What is wrong is printed, and everything else, too,
/// where it is asked for.
pub(crate) fn explorations(
    folder: &Path,
    limits: &Limits,
    aloud: bool,
) -> io::Result<Explorations> {
    let files = Scenario::files(folder)?;
    let mut all = Explorations { scenarios: files.len(), ..Explorations::default() };
    for file in &files {
        let scenario =
            Scenario::parse(&std::fs::read_to_string(file)?).map_err(io::Error::other)?;
        let title = file.strip_prefix(folder).unwrap_or(file).with_extension("");
        for (index, resolve) in scenario.resolves().into_iter().enumerate() {
            let Some(explored) = explore(&scenario, index, limits) else { continue };
            let coverage = match explored.coverage {
                Coverage::Complete => {
                    all.complete += 1;
                    "every order".to_owned()
                }
                Coverage::CutShort { left } => {
                    all.cut += 1;
                    format!("every order but beyond {left} states that were left")
                }
                Coverage::Sampled { orders, pairs } => {
                    all.sampled += 1;
                    format!("{orders} orders and {pairs} pairs of answers")
                }
            };
            let title = format!("{} {}", title.display(), resolve.name);
            if aloud {
                println!("{:>8} states  {title}: {coverage}", explored.states);
            }
            tell(&explored, &title, |finding| shrink(&scenario, Some(index), limits, finding));
            all.names += 1;
            all.add(&explored, &title);
        }
    }
    for (title, text) in CROWDS {
        let scenario = Scenario::parse(text).map_err(io::Error::other)?;
        let Some(explored) = explore_crowd(&scenario, limits) else { continue };
        if aloud {
            println!("{:>8} states  {title}: {}", explored.states, explored.coverage);
        }
        tell(&explored, title, |finding| shrink(&scenario, None, limits, finding));
        all.add(&explored, title);
    }
    Ok(all)
}

/// Prints what is wrong, each with the least that shows it.
fn tell<T: Display>(explored: &Explored, title: &str, shrunk: impl Fn(&Finding) -> T) {
    for finding in &explored.findings {
        println!("         WRONG   {title}: {finding}");
        println!("{}", shrunk(finding));
    }
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
