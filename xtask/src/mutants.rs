//! Mutants of the core, by cargo-mutants: all of the modules that invariants depend on, and a seeded sample of the rest.
//!
//! `.cargo/mutants.toml` lists the mutants that are left out, with reasons.
//!
//! Mutants are tried with the fastest tests first, and with wider ones only when these miss. The sample depends on what a
//! mutant changes, not on its line, so that it stays the same when code moves.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

const SOURCES: &str = "crates/discovery-core/src/";
/// Modules of which every mutant is tried, except in a short run: they implement the specification or an invariant.
const WHOLE: [&str; 9] = [
    "address/order",
    "address/policy",
    "cache/facts",
    "fact/from_http",
    "fact/lifetime",
    "name/dns_name",
    "name/server_name",
    "spec/srv",
    "spec/steps",
];
/// The tests of each stage; a stage gets the mutants that the previous one missed. Then the time limit in seconds: without
/// a mutant, the first two stages take about two seconds, the last one about twenty.
const STAGES: [(&[&str], u32); 3] = [
    (&["--cargo-arg=--lib", "--cargo-arg=--test=machine"], 20),
    (
        &[
            "--cargo-arg=--package=discovery-tests",
            "--cargo-arg=--no-default-features",
            "--cargo-arg=--test=scenarios",
        ],
        60,
    ),
    (
        &[
            "--cargo-arg=--package=discovery-tests",
            "--cargo-arg=--no-default-features",
            "--cargo-arg=--test=invariants",
            "--cargo-arg=--test=cache",
        ],
        300,
    ),
];

/// How many mutants of the modules in [`WHOLE`] to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    /// All.
    Every,
    /// A sample, as of the other modules.
    Sampled,
    /// None.
    LeftOut,
}

/// The mutants to try.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// How many mutants of the modules in [`WHOLE`].
    pub(crate) whole: Whole,
    /// The limit for the other modules.
    pub(crate) sample: usize,
    /// The seed of the sample.
    pub(crate) seed: u64,
    /// The modules to mutate. Empty: all.
    pub(crate) modules: Vec<String>,
    /// Whether to continue an earlier run.
    pub(crate) resume: bool,
}

/// The results of mutants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// A test failed.
    pub(crate) caught: usize,
    /// Every test passed.
    pub(crate) missed: usize,
    /// The tests did not end, which counts as caught.
    pub(crate) timeout: usize,
    /// The mutant does not compile.
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

/// The results of all stages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// The totals. A mutant counts in the last stage that tried it.
    pub(crate) counts: Counts,
    /// The results by stage.
    pub(crate) stages: Vec<Counts>,
    /// The results by module: what each stage caught, and the final result of the others.
    pub(crate) modules: BTreeMap<String, ([usize; STAGES.len()], Counts)>,
    /// The missed mutants, as cargo-mutants names them.
    pub(crate) missed: Vec<String>,
}

impl Report {
    /// Records the results of a stage, and returns the mutants for the next one.
    fn enter(&mut self, outcomes: Vec<(Mutant, Summary)>) -> Vec<Mutant> {
        let number = self.stages.len();
        let mut stage = Counts::default();
        let mut left = Vec::new();
        for (mutant, summary) in outcomes {
            stage.add(summary);
            if summary == Summary::MissedMutant && number + 1 < STAGES.len() {
                left.push(mutant);
                continue;
            }
            self.counts.add(summary);
            let (caught, counts) = self.modules.entry(mutant.module().to_owned()).or_default();
            counts.add(summary);
            if let (Summary::CaughtMutant, Some(caught)) = (summary, caught.get_mut(number)) {
                *caught += 1;
            }
            if summary == Summary::MissedMutant {
                self.missed.push(mutant.name);
            }
        }
        self.stages.push(stage);
        left
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| module | caught by 1 | by 2 | by 3 | missed | timed out | unviable |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|")?;
        for (module, ([first, second, third], counts)) in &self.modules {
            let Counts { caught: _, missed, timeout, unviable } = counts;
            let caught = format!("{first} | {second} | {third}");
            writeln!(f, "| {module} | {caught} | {missed} | {timeout} | {unviable} |")?;
        }
        writeln!(f, "\n| stage | caught | missed | timed out | unviable |")?;
        writeln!(f, "|---|--:|--:|--:|--:|")?;
        let stages = self.stages.iter().zip(1..).map(|(counts, n)| (n.to_string(), counts));
        for (stage, counts) in stages.chain([("in all".to_owned(), &self.counts)]) {
            let Counts { caught, missed, timeout, unviable } = counts;
            writeln!(f, "| {stage} | {caught} | {missed} | {timeout} | {unviable} |")?;
        }
        self.missed.iter().try_for_each(|name| write!(f, "\nMISSED {name}"))
    }
}

/// Tries mutants and prints the results. Returns whether none was missed.
pub(crate) fn run(root: &Path, wanted: &Wanted) -> Result<bool, Box<dyn Error>> {
    let report = report(root, wanted)?;
    println!("{report}");
    Ok(report.missed.is_empty())
}

/// Tries mutants and returns the results. Missed mutants are printed to standard error at once.
pub(crate) fn report(root: &Path, wanted: &Wanted) -> Result<Report, Box<dyn Error>> {
    let installed = Command::new("cargo").args(["mutants", "--version"]).output()?;
    if !installed.status.success() {
        return Err("cargo-mutants is not there: `cargo install --locked cargo-mutants`".into());
    }
    let listed = list(root)?;
    let (mut left, count) = chosen(&listed, wanted);
    eprintln!(
        "{} mutants of {}, {count} of them by seed {}",
        left.len(),
        listed.len(),
        wanted.seed
    );
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let target = target.join("mutants-of-the-core");
    let mut report = Report::default();
    for (number, (tests, seconds)) in (1..).zip(STAGES) {
        if left.is_empty() {
            break;
        }
        eprintln!("stage {number}: {} mutants", left.len());
        let all = list(root)?;
        if !left.iter().all(|mutant| all.contains(mutant)) {
            return Err("the core was changed while its mutants were tried".into());
        }
        let stage = Stage { folder: target.join(format!("stage-{number}")), tests, seconds };
        let outcomes = stage.run(root, &target, &all, &left, wanted.resume)?;
        left = report.enter(outcomes);
        report.stages.last().into_iter().for_each(|counts| eprintln!("stage {number}: {counts}"));
    }
    Ok(report)
}

/// A mutant in the output of cargo-mutants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Mutant {
    name: String,
    file: String,
}

impl Mutant {
    fn module(&self) -> &str {
        let path = self.file.strip_prefix(SOURCES).unwrap_or(&self.file);
        path.strip_suffix(".rs").unwrap_or(path)
    }
}

#[derive(Deserialize, Serialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

impl Outcomes {
    fn of(done: &[(Mutant, Summary)]) -> Self {
        let outcome = |(mutant, summary): &(Mutant, Summary)| Outcome {
            scenario: Scenario::Mutant(mutant.clone()),
            summary: *summary,
        };
        Self { outcomes: done.iter().map(outcome).collect() }
    }
}

#[derive(Deserialize, Serialize)]
struct Outcome {
    scenario: Scenario,
    summary: Summary,
}

#[derive(Deserialize, Serialize)]
enum Scenario {
    Baseline,
    Mutant(Mutant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
enum Summary {
    Success,
    CaughtMutant,
    MissedMutant,
    Unviable,
    Failure,
    Timeout,
}

/// All mutants of the core except those that are left out.
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

/// The selected mutants in the order of the list, and how many of them belong to the sample.
fn chosen(listed: &[Mutant], wanted: &Wanted) -> (Vec<Mutant>, usize) {
    let of_interest = |mutant: &&Mutant| {
        wanted.modules.is_empty() || wanted.modules.iter().any(|module| module == mutant.module())
    };
    let of_whole = |mutant: &Mutant| WHOLE.contains(&mutant.module());
    let whole = |mutant: &Mutant| wanted.whole == Whole::Every && of_whole(mutant);
    let left_out = |mutant: &Mutant| wanted.whole == Whole::LeftOut && of_whole(mutant);
    let all = listed.iter().filter(of_interest).filter(|mutant| !left_out(mutant));
    let all: Vec<&Mutant> = all.collect();
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

/// A hash of seed and text (FNV-1a, 64 bits).
fn draw(seed: u64, text: &str) -> u64 {
    let bytes = seed.to_be_bytes().into_iter().chain(text.bytes());
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, mix);
    // The upper half of such a hash says little of the last bytes.
    hash ^ (hash >> 32)
}

/// One of [`STAGES`], and the folder for its results.
struct Stage {
    folder: PathBuf,
    tests: &'static [&'static str],
    seconds: u32,
}

impl Stage {
    /// Tries the remaining mutants, or reads the results of an earlier run. Returns the result of each.
    fn run(
        &self,
        root: &Path,
        target: &Path,
        all: &[Mutant],
        left: &[Mutant],
        resume: bool,
    ) -> Result<Vec<(Mutant, Summary)>, Box<dyn Error>> {
        let written = self.folder.join("mutants.out");
        let (outcomes, earlier) = (written.join("outcomes.json"), self.folder.join("earlier.json"));
        fs::create_dir_all(&written)?;
        // What cargo-mutants writes is gone when it begins anew.
        let mut done = if resume && earlier.exists() { read(&earlier)? } else { Vec::new() };
        if resume && outcomes.exists() {
            done.extend(read(&outcomes)?);
        }
        done.retain(|(mutant, _)| left.contains(mutant));
        fs::write(&earlier, serde_json::to_vec(&Outcomes::of(&done))?)?;
        fs::remove_dir_all(&written)?;
        fs::create_dir_all(&written)?;
        let is_done = |mutant: &Mutant| done.iter().any(|(other, _)| other == mutant);
        if left.iter().all(is_done) {
            return Ok(done);
        }
        // Of an earlier run it leaves out what that caught. By pattern it cannot be told: it tries some kinds whatever it is asked for.
        let others = all.iter().filter(|mutant| !left.contains(mutant) || is_done(mutant));
        let caught: String = others.map(|mutant| format!("{}\n", mutant.name)).collect();
        fs::write(written.join("caught.txt"), caught)?;
        let mut cargo = Command::new("cargo");
        cargo.args(["mutants", "--package=discovery-core", "--jobs=1", "--colors=never"]);
        cargo.arg("--iterate").arg(format!("--timeout={}", self.seconds));
        cargo.arg("--build-timeout=600").arg("--output").arg(&self.folder).args(self.tests);
        cargo.current_dir(root).env("CARGO_TARGET_DIR", target);
        // The same cases for every mutant; where one fails it is enough to know that it does.
        cargo.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_MAX_SHRINK_ITERS", "0");
        cargo.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
        let status = cargo.stdout(io::stderr()).status()?;
        // 2: some were missed, 3: some timed out.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            return Err(format!("cargo-mutants: {status}; see {}", written.display()).into());
        }
        done.extend(read(&outcomes)?);
        Ok(done)
    }
}

fn read(outcomes: &Path) -> Result<Vec<(Mutant, Summary)>, Box<dyn Error>> {
    let outcomes: Outcomes = serde_json::from_slice(&fs::read(outcomes)?)?;
    let mutants = outcomes.outcomes.into_iter().filter_map(|outcome| match outcome.scenario {
        Scenario::Mutant(mutant) => Some((mutant, outcome.summary)),
        Scenario::Baseline => None,
    });
    Ok(mutants.collect())
}

#[cfg(test)]
mod tests {
    use super::{Counts, Mutant, Report, Summary, Wanted, Whole, chosen, what};

    fn mutant(module: &str, n: usize) -> Mutant {
        Mutant {
            name: format!("crates/discovery-core/src/{module}.rs:{n}:1: replace {n} in {module}"),
            file: format!("crates/discovery-core/src/{module}.rs"),
        }
    }

    fn mutants() -> Vec<Mutant> {
        ["spec/steps", "spec/view", "machine/lookup"]
            .iter()
            .flat_map(|module| (0..9).map(|n| mutant(module, n)))
            .collect()
    }

    #[test]
    fn selected_modules_are_complete_and_the_seed_draws_the_rest() {
        let wanted = |seed| Wanted {
            whole: Whole::Every,
            sample: 5,
            seed,
            modules: Vec::new(),
            resume: false,
        };
        let names = |wanted: &Wanted| -> Vec<String> {
            chosen(&mutants(), wanted).0.into_iter().map(|mutant| mutant.name).collect()
        };
        let of_spec =
            |names: &[String]| names.iter().filter(|name| name.contains("spec/steps")).count();
        let one = names(&wanted(1));
        assert_eq!((one.len(), of_spec(&one)), (14, 9));
        assert_eq!(one, names(&wanted(1)));
        assert_ne!(one, names(&wanted(2)));
        let sampled = Wanted { whole: Whole::Sampled, ..wanted(1) };
        assert_eq!(names(&sampled).len(), 5);
        let rest = names(&Wanted { whole: Whole::LeftOut, ..wanted(1) });
        assert_eq!((rest.len(), of_spec(&rest)), (5, 0));
        assert!(rest.iter().all(|name| one.contains(name)), "{rest:?} {one:?}");
        let confined = Wanted { modules: vec!["spec/steps".to_owned()], ..wanted(1) };
        let (confined, sampled) = chosen(&mutants(), &confined);
        assert!(confined.iter().all(|mutant| mutant.module() == "spec/steps"), "{confined:?}");
        assert_eq!((confined.len(), sampled), (9, 0));
    }

    #[test]
    fn a_mutant_is_the_same_wherever_it_stands() {
        assert_eq!(what("a.rs:1:2: replace && with || in f"), "replace && with || in f");
    }

    #[test]
    fn mutants_missed_by_one_stage_go_to_the_next_and_count_once() {
        let mut report = Report::default();
        let (caught, missed) = (Summary::CaughtMutant, Summary::MissedMutant);
        let first = [(0, caught), (1, missed), (2, Summary::Timeout), (3, missed), (4, missed)];
        let outcomes = |of: &[(usize, Summary)]| -> Vec<(Mutant, Summary)> {
            of.iter().map(|(n, summary)| (mutant("board", *n), *summary)).collect()
        };
        let left = report.enter(outcomes(&first));
        assert_eq!(left, [1, 3, 4].map(|n| mutant("board", n)));
        let left = report.enter(outcomes(&[(1, caught), (3, missed), (4, missed)]));
        assert_eq!(left, [3, 4].map(|n| mutant("board", n)));
        assert_eq!(report.enter(outcomes(&[(3, caught), (4, missed)])), []);
        let counts = Counts { caught: 3, missed: 1, timeout: 1, unviable: 0 };
        assert_eq!(report.counts, counts);
        assert_eq!(report.modules.get("board"), Some(&([1, 1, 1], counts)));
        assert_eq!(report.stages.iter().map(|stage| stage.missed).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(report.missed, [mutant("board", 4).name]);
    }
}
