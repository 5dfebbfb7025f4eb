//! Explores every scenario in every order of answers, and reports how far each was explored.
//!
//! The explorer itself is in `discovery-sim`.

use std::io;
use std::path::Path;

use discovery_sim::{
    Coverage, Explored, Finding, Limits, Scenario, explore, explore_crowd, shrink,
};

use crate::assure::{Figures, grouped};
use crate::several;

/// The results of all explorations.
#[derive(Debug, Default)]
pub(crate) struct Explorations {
    scenarios: usize,
    names: usize,
    /// The number of names that were explored completely, by the number of faults on each path.
    whole: Vec<usize>,
    /// Names that were not explored completely even without faults, and names that were sampled.
    cut: usize,
    sampled: usize,
    states: usize,
    ends: usize,
    /// The findings, one line each.
    wrong: Vec<String>,
}

impl Explorations {
    fn cover(&mut self, coverage: Coverage, faults: usize) {
        self.names = self.names.saturating_add(1);
        let whole = match coverage {
            Coverage::Complete => Some(faults),
            Coverage::CutShort { whole, .. } => whole,
            Coverage::Sampled { .. } => {
                self.sampled = self.sampled.saturating_add(1);
                return;
            }
        };
        let Some(faults) = whole else {
            self.cut = self.cut.saturating_add(1);
            return;
        };
        if self.whole.len() <= faults {
            self.whole.resize(faults.saturating_add(1), 0);
        }
        if let Some(names) = self.whole.get_mut(faults) {
            *names = names.saturating_add(1);
        }
    }

    /// How far names were explored, deepest first.
    fn depths(&self) -> String {
        let depth = |(faults, names): (usize, &usize)| match faults {
            0 => format!("{} in every order without a fault", grouped(*names)),
            1 => format!("{} in every order with a fault anywhere", grouped(*names)),
            _ => format!("{} in every order with up to {faults} faults", grouped(*names)),
        };
        let others = [(self.cut, "cut short"), (self.sampled, "sampled")];
        let others = others.iter().filter(|(names, _)| *names > 0);
        let others = others.map(|(names, how)| format!("{} {how}", grouped(*names)));
        self.whole.iter().enumerate().rev().map(depth).chain(others).collect::<Vec<_>>().join(", ")
    }

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
            "{} states and {} ends of {} names: {}",
            grouped(self.states),
            grouped(self.ends),
            grouped(self.names),
            self.depths()
        );
        Figures::of(what, &self.wrong)
    }
}

/// Explores the scenarios below a folder within limits, and prints how far each was explored. Returns whether there were no
/// findings.
pub(crate) fn run(folder: &Path, limits: &Limits) -> io::Result<bool> {
    let all = explorations(folder, limits, true)?;
    println!("{} names in {} scenarios: {}", all.names, all.scenarios, all.depths());
    println!("{} states, {} ends, {} disagreements", all.states, all.ends, all.wrong.len());
    Ok(all.wrong.is_empty())
}

/// Explores the scenarios below a folder, and several names at one resolver. Prints findings, and everything else on
/// request.
pub(crate) fn explorations(
    folder: &Path,
    limits: &Limits,
    aloud: bool,
) -> io::Result<Explorations> {
    let files = Scenario::files(folder)?;
    let mut all = Explorations { scenarios: files.len(), ..Explorations::default() };
    // A batch at a time, so that what is printed keeps coming.
    for files in files.chunks(BATCH) {
        for told in several::map(files, |file| names(file, folder, limits)) {
            for told in told? {
                told.tell(aloud);
                all.cover(told.explored.coverage, limits.faults);
                all.add(&told.explored, &told.title);
            }
        }
    }
    for told in several::map(&CROWDS, |(title, text)| crowd(title, text, limits)) {
        if let Some(told) = told? {
            told.tell(aloud);
            all.add(&told.explored, &told.title);
        }
    }
    Ok(all)
}

/// The number of scenarios that are explored before results are printed.
const BATCH: usize = 16;

/// An exploration, with each counterexample shrunk to a minimal scenario.
struct Told {
    title: String,
    explored: Explored,
    least: Vec<String>,
}

impl Told {
    fn new(title: String, explored: Explored, shrink: impl Fn(&Finding) -> String) -> Self {
        let least = explored.findings.iter().map(shrink).collect();
        Self { title, explored, least }
    }

    /// Prints findings, and everything else on request.
    fn tell(&self, aloud: bool) {
        let Self { title, explored, least } = self;
        if aloud {
            println!("{:>8} states  {title}: {}", explored.states, explored.coverage);
        }
        for (finding, least) in explored.findings.iter().zip(least) {
            println!("         WRONG   {title}: {finding}");
            println!("{least}");
        }
    }
}

/// Explores each name of a scenario.
fn names(file: &Path, folder: &Path, limits: &Limits) -> io::Result<Vec<Told>> {
    let scenario = Scenario::parse(&std::fs::read_to_string(file)?).map_err(io::Error::other)?;
    let title = file.strip_prefix(folder).unwrap_or(file).with_extension("");
    let explored = scenario.resolves().into_iter().enumerate().filter_map(|(index, resolve)| {
        let explored = explore(&scenario, index, limits)?;
        let least = |finding: &Finding| shrink(&scenario, Some(index), limits, finding).to_string();
        Some(Told::new(format!("{} {}", title.display(), resolve.name), explored, least))
    });
    Ok(explored.collect())
}

/// Explores all names of a scenario at one resolver.
fn crowd(title: &str, text: &str, limits: &Limits) -> io::Result<Option<Told>> {
    let scenario = Scenario::parse(text).map_err(io::Error::other)?;
    let least = |finding: &Finding| shrink(&scenario, None, limits, finding).to_string();
    Ok(explore_crowd(&scenario, limits)
        .map(|explored| Told::new(title.to_owned(), explored, least)))
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
        "set limits.dns_slots=1\nset limits.http_slots=1\n\
         https a.example 200 {\"m.server\":\"192.0.2.9\"}\nhttps b.example 200 {\"m.server\":\"192.0.2.9\"}\n\
         dns a.example A 192.0.2.1\ndns b.example A 192.0.2.2\nresolve a.example\nresolve b.example\n",
    ),
];
