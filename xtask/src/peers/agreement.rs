//! Which implementations agree with the scenarios, lookup by lookup, and whether every disagreement is explained.
//!
//! `tests/peers` runs the lookups and prints a line for each lookup and implementation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::assure::{Figures, grouped};
use crate::spec::LAST_REQUIREMENT;

/// The file with the explanations.
pub(super) const EXPLANATIONS: &str = "tests/peers/disagreements.toml";

/// The names in the output of `tests/peers` and in tables. This project comes first.
const PEERS: [(&str, &str); 4] = [
    ("discovery", "discovery-tokio"),
    ("synapse", "Synapse's agent (matrix-synapse 1.163.2)"),
    ("resolvematrix", "resolvematrix 1.4.0"),
    ("oracle", "matrix-oracle 0.2.0"),
];

/// A line of the output of `tests/peers`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    LeftOut { reason: String, lookups: usize },
    Asked(Asked),
}

/// The result of one lookup by one implementation.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Asked {
    scenario: String,
    name: String,
    peer: String,
    differences: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    disagreement: Vec<Explanation>,
}

/// The reason for disagreements in some scenarios.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Explanation {
    peers: Vec<String>,
    /// Paths of scenarios, followed by a space and a name if it applies to one name only.
    scenarios: Vec<String>,
    /// The requirement.
    requirement: String,
    /// Whether the texts leave this open, so that this project's behaviour is a choice.
    #[serde(default)]
    open: bool,
    /// Whether it depends on chance. Such reasons are not reported as unused.
    #[serde(default)]
    sometimes: bool,
    reason: String,
}

/// How often an implementation agrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Lookups with the expected result.
    pub(crate) agrees: usize,
    /// Lookups with another result because a requirement is not met.
    pub(crate) disagrees: usize,
    /// Lookups with another result where the texts leave the behaviour open.
    pub(crate) open: usize,
    /// Lookups with another result and no explanation.
    pub(crate) unexplained: usize,
}

/// The results of the comparison.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    /// The number of scenarios.
    pub(crate) scenarios: usize,
    /// The number of lookups.
    pub(crate) lookups: usize,
    /// The results by implementation, in the order of the tables.
    pub(crate) peers: Vec<(&'static str, Counts)>,
    /// The number of lookups that were not compared, by reason.
    pub(crate) left_out: Vec<(String, usize)>,
    /// Unexplained disagreements, one line each.
    pub(crate) unexplained: Vec<String>,
    /// Explanations that no longer apply, one line each.
    pub(crate) stale: Vec<String>,
    /// For each explanation that applies: the requirement, whether it is left open, the reason, and the count by
    /// implementation.
    explained: Vec<(Explanation, BTreeMap<String, usize>)>,
}

impl Agreement {
    /// Whether every disagreement is explained.
    pub(crate) fn is_well(&self) -> bool {
        self.lookups > 0 && self.unexplained.is_empty()
    }

    /// Compares the output of `tests/peers` with the table of explanations.
    pub(super) fn of(root: &Path, lines: Vec<Line>) -> io::Result<Self> {
        Ok(Self::judge(explanations(root)?, lines))
    }

    fn judge(explanations: Vec<Explanation>, lines: Vec<Line>) -> Self {
        let mut this = Self::default();
        let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut used: BTreeSet<(usize, usize, String)> = BTreeSet::new();
        let mut applied: BTreeMap<usize, BTreeMap<String, usize>> = BTreeMap::new();
        for line in lines {
            let line = match line {
                Line::LeftOut { reason, lookups } => {
                    this.left_out.push((reason, lookups));
                    continue;
                }
                Line::Asked(asked) => asked,
            };
            asked.insert((line.scenario.clone(), line.name.clone()));
            let counts = counts.entry(line.peer.clone()).or_default();
            if line.differences.is_empty() {
                counts.agrees += 1;
                continue;
            }
            let fits = explanations.iter().enumerate().find_map(|(place, explanation)| {
                Some((place, explanation.place_of(&line)?, explanation.open))
            });
            match fits {
                Some((place, pattern, open)) => {
                    *if open { &mut counts.open } else { &mut counts.disagrees } += 1;
                    used.insert((place, pattern, line.peer.clone()));
                    *applied.entry(place).or_default().entry(line.peer).or_default() += 1;
                }
                None => {
                    counts.unexplained += 1;
                    this.unexplained.push(format!(
                        "{}, {} {}: {}",
                        line.peer,
                        line.scenario,
                        line.name,
                        line.differences.join("; ")
                    ));
                }
            }
        }
        this.lookups = asked.len();
        this.scenarios = asked.iter().map(|(scenario, _)| scenario).collect::<BTreeSet<_>>().len();
        for (word, title) in PEERS {
            if let Some(counts) = counts.remove(word) {
                this.peers.push((title, counts));
                this.stale.extend(stale(&explanations, &used, word));
            }
        }
        for (place, peers) in applied {
            this.explained.extend(explanations.get(place).map(|one| (one.clone(), peers)));
        }
        this.unexplained.sort();
        this
    }

    /// One row: the number of lookups in agreement for each implementation, and unexplained disagreements.
    pub(crate) fn figures(&self) -> Figures {
        let peer = |(title, counts): &(&str, Counts)| format!("{title} {}", counts.agrees);
        let peers: Vec<String> = self.peers.iter().map(peer).collect();
        let what = format!(
            "of {} lookups, as the scenarios say: {}",
            grouped(self.lookups),
            peers.join(", ")
        );
        let nothing = (self.lookups == 0).then(|| "no lookup was compared".to_owned());
        let wrong: Vec<String> = self.unexplained.iter().cloned().chain(nothing).collect();
        Figures::of(what, &wrong)
    }

    /// The results in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut out = format!("{} lookups of {} scenarios.\n\n", self.lookups, self.scenarios);
        out.push_str(
            "| asked | agrees | disagrees with a requirement | differs where the texts leave it open | unexplained |\n\
             |---|--:|--:|--:|--:|\n",
        );
        for (title, counts) in &self.peers {
            let Counts { agrees, disagrees, open, unexplained } = counts;
            // Writing to a string cannot fail.
            let _ = writeln!(out, "| {title} | {agrees} | {disagrees} | {open} | {unexplained} |");
        }
        out.push_str("\n| | what peers do otherwise | Synapse | resolvematrix | matrix-oracle |\n|---|---|--:|--:|--:|\n");
        for (explanation, peers) in &self.explained {
            let count = |word: &str| peers.get(word).map_or(String::new(), usize::to_string);
            let open = if explanation.open { " (left open)" } else { "" };
            let times = if explanation.sometimes { ", at times" } else { "" };
            let _ = writeln!(
                out,
                "| {}{open} | {}{times} | {} | {} | {} |",
                explanation.requirement,
                explanation.reason,
                count("synapse"),
                count("resolvematrix"),
                count("oracle"),
            );
        }
        let left_out: usize = self.left_out.iter().map(|(_, lookups)| lookups).sum();
        let _ = writeln!(out, "\n{left_out} lookups are not given to other implementations:");
        for (reason, lookups) in &self.left_out {
            let _ = writeln!(out, "- {lookups}: {reason}");
        }
        out
    }
}

fn explanations(root: &Path) -> io::Result<Vec<Explanation>> {
    let text = fs::read_to_string(root.join(EXPLANATIONS))?;
    let table: Table = toml::from_str(&text).map_err(io::Error::other)?;
    Ok(table.disagreement)
}

/// Reports errors in the table of explanations: unknown implementations and scenarios, and duplicates.
pub(crate) fn check(root: &Path) -> io::Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut said = BTreeSet::new();
    for explanation in explanations(root)? {
        let number = explanation.requirement.strip_prefix('R').and_then(|text| text.parse().ok());
        if !number.is_some_and(|number| (1..=LAST_REQUIREMENT).contains(&number)) {
            complaints.push(format!("{}: is no requirement", explanation.requirement));
        }
        for peer in &explanation.peers {
            if !PEERS.iter().any(|(word, _)| word == peer) {
                complaints.push(format!("there is no peer {peer}"));
            }
            for pattern in &explanation.scenarios {
                if !said.insert((peer.clone(), pattern.clone())) {
                    complaints.push(format!("{peer}, {pattern}: explained twice"));
                }
            }
        }
        for pattern in &explanation.scenarios {
            let scenario = pattern.split(' ').next().unwrap_or_default();
            if !root.join("tests/scenarios").join(format!("{scenario}.scenario")).is_file() {
                complaints.push(format!("there is no scenario {scenario}"));
            }
        }
    }
    Ok(complaints.into_iter().map(|complaint| format!("{EXPLANATIONS}: {complaint}")).collect())
}

impl Explanation {
    /// The pattern that matches. None: the explanation is about another lookup.
    fn place_of(&self, asked: &Asked) -> Option<usize> {
        if !self.peers.contains(&asked.peer) {
            return None;
        }
        self.scenarios.iter().position(|pattern| match pattern.split_once(' ') {
            Some((scenario, name)) => scenario == asked.scenario && name == asked.name,
            None => *pattern == asked.scenario,
        })
    }
}

/// Patterns without a disagreement.
fn stale(
    explanations: &[Explanation],
    used: &BTreeSet<(usize, usize, String)>,
    peer: &str,
) -> Vec<String> {
    let mut stale = Vec::new();
    for (place, explanation) in explanations.iter().enumerate() {
        for (pattern, scenario) in explanation.scenarios.iter().enumerate() {
            let always =
                !explanation.sometimes && explanation.peers.iter().any(|word| word == peer);
            if always && !used.contains(&(place, pattern, peer.to_owned())) {
                stale.push(format!("{peer}, {scenario}: {}", explanation.reason));
            }
        }
    }
    stale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation(open: bool) -> Explanation {
        Explanation {
            peers: vec!["oracle".to_owned()],
            scenarios: vec!["srv/a".to_owned(), "srv/b x.example".to_owned()],
            requirement: "R1".to_owned(),
            open,
            sometimes: false,
            reason: "it reads nothing".to_owned(),
        }
    }

    fn asked(scenario: &str, name: &str, peer: &str, differs: bool) -> Line {
        let differences = if differs { vec!["in all".to_owned()] } else { Vec::new() };
        let text = |text: &str| text.to_owned();
        Line::Asked(Asked {
            scenario: text(scenario),
            name: text(name),
            peer: text(peer),
            differences,
        })
    }

    #[test]
    fn disagreement_without_a_reason_is_reported_as_a_failure() {
        let lines = vec![
            asked("srv/a", "y.example", "oracle", true),
            asked("srv/b", "y.example", "oracle", true),
            asked("srv/a", "y.example", "synapse", true),
        ];
        let said = Agreement::judge(vec![explanation(false)], lines);
        assert_eq!(
            said.unexplained,
            ["oracle, srv/b y.example: in all", "synapse, srv/a y.example: in all"]
        );
        assert!(!said.is_well());
        assert_eq!((said.scenarios, said.lookups), (2, 2));
        let oracle = Counts { disagrees: 1, unexplained: 1, ..Counts::default() };
        assert_eq!(said.peers.last().map(|(_, counts)| counts), Some(&oracle));
    }

    #[test]
    fn unused_reason_is_reported_and_no_failure() {
        let lines = vec![
            asked("srv/a", "x.example", "oracle", true),
            asked("srv/b", "x.example", "oracle", false),
        ];
        let said = Agreement::judge(vec![explanation(true)], lines);
        assert_eq!(said.stale, ["oracle, srv/b x.example: it reads nothing"]);
        assert!(said.is_well());
        let oracle = Counts { agrees: 1, open: 1, ..Counts::default() };
        assert_eq!(said.peers.first().map(|(_, counts)| counts), Some(&oracle));
    }

    #[test]
    fn reason_that_depends_on_chance_is_not_reported_as_unused() {
        let lines = vec![asked("srv/a", "x.example", "oracle", false)];
        let said =
            Agreement::judge(vec![Explanation { sometimes: true, ..explanation(true) }], lines);
        assert!(said.stale.is_empty() && said.is_well(), "{:?}", said.stale);
    }

    #[test]
    fn nothing_asked_is_not_well() {
        assert!(!Agreement::judge(Vec::new(), Vec::new()).is_well());
    }
}
