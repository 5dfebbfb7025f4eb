//! Mutants of the core, by cargo-mutants: all of the modules that what is promised rests on, and a seeded sample of the rest.
//!
//! Knows which tests are quick enough to be built for each mutant. What is left out, and why, stands in `.cargo/mutants.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

const SOURCES: &str = "crates/discovery-core/src/";
/// Modules of which every mutant is tried: what they say is the specification, or a promise by number.
const WHOLE: [&str; 8] =
    ["address", "backoff", "cache", "freshness", "name", "spec", "srv", "well_known"];
/// Which tests try a mutant, one stage after the other: the next one is given what the last one missed. Then the seconds after which
/// they count as never ending; unchanged, the first two stages need about two, the last one about twenty.
const STAGES: [(&[&str], u32); 3] = [
    (&["--test-package=discovery-core", "--cargo-arg=--lib", "--cargo-arg=--test=machine"], 60),
    (&["--test-package=discovery-pure-tests", "--cargo-arg=--test=virtual"], 60),
    (
        &[
            "--test-package=discovery-pure-tests",
            "--cargo-arg=--test=promises",
            "--cargo-arg=--test=cache",
        ],
        300,
    ),
];

/// Which mutants to try.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Whether all of the modules in [`WHOLE`] are; otherwise they are sampled like the rest.
    pub(crate) whole: bool,
    /// How many of the rest, at most.
    pub(crate) sample: usize,
    /// Decides which.
    pub(crate) seed: u64,
    /// Modules to which all of it is confined; any, if there are none.
    pub(crate) modules: Vec<String>,
}

/// What became of mutants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// A test failed.
    pub(crate) caught: usize,
    /// Every test passed.
    pub(crate) missed: usize,
    /// The tests did not end, which is found, too.
    pub(crate) timeout: usize,
    /// What does not compile is no mutant.
    pub(crate) unviable: usize,
}

impl Counts {
    fn add(&mut self, summary: Summary) {
        match summary {
            Summary::CaughtMutant => self.caught += 1,
            Summary::MissedMutant => self.missed += 1,
            Summary::Timeout => self.timeout += 1,
            Summary::Unviable => self.unviable += 1,
            Summary::Success | Summary::Failure => {}
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caught, missed, timeout, unviable } = self;
        write!(f, "{caught} caught, {missed} missed, {timeout} timed out, {unviable} unviable")
    }
}

/// What came of it all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// In all.
    pub(crate) counts: Counts,
    /// By module.
    pub(crate) modules: BTreeMap<String, Counts>,
    /// Those that no test found, as cargo-mutants names them.
    pub(crate) missed: Vec<String>,
}

/// Tries mutants and prints what became of them. Whether none was missed.
pub(crate) fn run(root: &Path, wanted: &Wanted) -> Result<bool, Box<dyn Error>> {
    let report = report(root, wanted)?;
    println!("| module | caught | missed | timed out | unviable |");
    println!("|---|--:|--:|--:|--:|");
    for (module, counts) in &report.modules {
        let Counts { caught, missed, timeout, unviable } = counts;
        println!("| {module} | {caught} | {missed} | {timeout} | {unviable} |");
    }
    for name in &report.missed {
        println!("MISSED {name}");
    }
    println!("{}", report.counts);
    Ok(report.missed.is_empty())
}

/// Tries mutants; gives what became of them.
pub(crate) fn report(root: &Path, wanted: &Wanted) -> Result<Report, Box<dyn Error>> {
    let installed = Command::new("cargo").args(["mutants", "--version"]).output()?;
    if !installed.status.success() {
        return Err("cargo-mutants is not there: `cargo install --locked cargo-mutants`".into());
    }
    let listed = list(root)?;
    let (mut left, count) = chosen(&listed, wanted);
    println!("{} mutants of {}, {count} of them by seed {}", left.len(), listed.len(), wanted.seed);
    let mut report = Report::default();
    for (number, (tests, seconds)) in STAGES.iter().enumerate() {
        if left.is_empty() {
            break;
        }
        let outcomes = tried(root, number, tests, *seconds, &left)?;
        let last = number + 1 == STAGES.len();
        left.clear();
        for (mutant, summary) in outcomes {
            if summary == Summary::MissedMutant && !last {
                left.push(mutant);
                continue;
            }
            report.counts.add(summary);
            report.modules.entry(mutant.module().to_owned()).or_default().add(summary);
            if summary == Summary::MissedMutant {
                report.missed.push(mutant.name);
            }
        }
    }
    Ok(report)
}

/// What cargo-mutants wrote to `mutants.out/outcomes.json`, as counts.
pub(crate) fn counts(outcomes: &Path) -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::default();
    read(outcomes)?.into_iter().for_each(|(_, summary)| counts.add(summary));
    Ok(counts)
}

/// A mutant, as cargo-mutants lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Mutant {
    name: String,
    file: String,
}

impl Mutant {
    fn module(&self) -> &str {
        let path = self.file.strip_prefix(SOURCES).unwrap_or(&self.file);
        path.split(['/', '.']).next().unwrap_or(path)
    }
}

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: Summary,
}

#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant(Mutant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Summary {
    Success,
    CaughtMutant,
    MissedMutant,
    Unviable,
    Failure,
    Timeout,
}

/// All mutants of the core that are not left out.
fn list(root: &Path) -> Result<Vec<Mutant>, Box<dyn Error>> {
    let output = Command::new("cargo")
        .args(["mutants", "--list", "--json", "--package=discovery-core"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Those that are wanted, in the order of the list, and how many of them are a sample.
fn chosen(listed: &[Mutant], wanted: &Wanted) -> (Vec<Mutant>, usize) {
    let of_interest = |mutant: &&Mutant| {
        wanted.modules.is_empty() || wanted.modules.iter().any(|module| module == mutant.module())
    };
    let whole = |mutant: &Mutant| wanted.whole && WHOLE.contains(&mutant.module());
    let all: Vec<&Mutant> = listed.iter().filter(of_interest).collect();
    let mut rest: Vec<&Mutant> = all.iter().copied().filter(|mutant| !whole(mutant)).collect();
    // By what it changes, not by where: a line more above must not exchange the whole sample.
    rest.sort_by_key(|mutant| (draw(wanted.seed, what(&mutant.name)), mutant.name.clone()));
    rest.truncate(wanted.sample);
    let sampled = |mutant: &Mutant| rest.iter().any(|other| other.name == mutant.name);
    let chosen = all.into_iter().filter(|mutant| whole(mutant) || sampled(mutant)).cloned();
    (chosen.collect(), rest.len())
}

/// The name of a mutant without line and column.
fn what(name: &str) -> &str {
    name.split_once(": ").map_or(name, |(_, what)| what)
}

/// A number that follows from seed and text (FNV-1a, 64 bits).
fn draw(seed: u64, text: &str) -> u64 {
    let bytes = seed.to_be_bytes().into_iter().chain(text.bytes());
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, mix);
    // The upper half of such a hash says little of the last bytes.
    hash ^ (hash >> 32)
}

/// Runs one stage; gives what became of each mutant.
fn tried(
    root: &Path,
    number: usize,
    tests: &[&str],
    seconds: u32,
    mutants: &[Mutant],
) -> Result<Vec<(Mutant, Summary)>, Box<dyn Error>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let target = target.join("mutants-of-the-core");
    let folder = target.join(format!("stage-{number}"));
    fs::create_dir_all(&folder)?;
    let mut cargo = Command::new("cargo");
    cargo.args(["mutants", "--package=discovery-core", "--jobs=1", "--colors=never"]);
    cargo.arg(format!("--timeout={seconds}")).arg("--build-timeout=600");
    cargo.arg("--output").arg(&folder).args(tests);
    for mutant in mutants {
        cargo.arg(format!("--re=^{}$", escaped(&mutant.name)));
    }
    // What leaves a field out of a structure is tried whatever names are asked for: in these files alone, at least.
    for file in mutants.iter().map(|mutant| &mutant.file).collect::<BTreeSet<_>>() {
        cargo.arg("--file").arg(file);
    }
    cargo.current_dir(root).env("CARGO_TARGET_DIR", &target);
    // The same cases for every mutant; where one fails it is enough to know that it does.
    cargo.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_MAX_SHRINK_ITERS", "0");
    cargo.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    let output = cargo.output()?;
    // 2: some were missed, 3: some timed out.
    if !matches!(output.status.code(), Some(0 | 2 | 3)) {
        let said = [output.stdout, output.stderr].concat();
        return Err(String::from_utf8_lossy(&said).into_owned().into());
    }
    let outcomes = folder.join("mutants.out/outcomes.json");
    println!("stage {}: {}", number + 1, counts(&outcomes)?);
    let mut outcomes = read(&outcomes)?;
    outcomes.retain(|(mutant, _)| mutants.contains(mutant));
    Ok(outcomes)
}

fn read(outcomes: &Path) -> Result<Vec<(Mutant, Summary)>, Box<dyn Error>> {
    let outcomes: Outcomes = serde_json::from_slice(&fs::read(outcomes)?)?;
    let mutants = outcomes.outcomes.into_iter().filter_map(|outcome| match outcome.scenario {
        Scenario::Mutant(mutant) => Some((mutant, outcome.summary)),
        Scenario::Baseline => None,
    });
    Ok(mutants.collect())
}

/// The text as a regular expression that fits nothing else.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '<' | '>' | '_' | ':' | '/' | ',' | '=' | '\'')
        {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{Counts, Mutant, Summary, Wanted, chosen, escaped, what};

    fn mutants() -> Vec<Mutant> {
        let mutant = |module: &str, n: usize| Mutant {
            name: format!("crates/discovery-core/src/{module}.rs:{n}:1: replace {n} in {module}"),
            file: format!("crates/discovery-core/src/{module}.rs"),
        };
        ["spec", "board", "lookup"]
            .iter()
            .flat_map(|module| (0..9).map(|n| mutant(module, n)))
            .collect()
    }

    #[test]
    fn what_must_be_whole_is_and_of_the_rest_the_seed_decides() {
        let wanted = |seed| Wanted { whole: true, sample: 5, seed, modules: Vec::new() };
        let names = |seed| -> Vec<String> {
            chosen(&mutants(), &wanted(seed)).0.into_iter().map(|mutant| mutant.name).collect()
        };
        assert_eq!(names(1).len(), 14);
        assert_eq!(names(1).iter().filter(|name| name.contains("spec")).count(), 9);
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        let sampled = Wanted { whole: false, ..wanted(1) };
        assert_eq!(chosen(&mutants(), &sampled).0.len(), 5);
        let one = Wanted { modules: vec!["spec".to_owned()], ..wanted(1) };
        let (confined, sampled) = chosen(&mutants(), &one);
        assert!(confined.iter().all(|mutant| mutant.module() == "spec"), "{confined:?}");
        assert_eq!((confined.len(), sampled), (9, 0));
    }

    #[test]
    fn a_mutant_is_the_same_wherever_it_stands() {
        assert_eq!(what("a.rs:1:2: replace && with || in f"), "replace && with || in f");
        assert_eq!(
            escaped("a.rs:1: -> Option<&str> with ()"),
            r"a\.rs:1: \-> Option<\&str> with \(\)"
        );
    }

    #[test]
    fn what_became_of_each_is_counted_once() {
        let mut counts = Counts::default();
        for summary in [Summary::Success, Summary::CaughtMutant, Summary::Timeout, Summary::Timeout]
        {
            counts.add(summary);
        }
        assert_eq!(counts, Counts { caught: 1, timeout: 2, ..Counts::default() });
    }
}
