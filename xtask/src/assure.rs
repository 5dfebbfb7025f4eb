//! The whole proof in a short form: its parts in their order, and one table of what they came to.
//!
//! Knows which chores there are and how much of each is enough; what a chore does is its own.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use discovery_sim::Limits;

use crate::bugs::Which;
use crate::cargo::{self, Suite, Tested};
use crate::mutants::{Wanted, Whole};
use crate::peers::Status;
use crate::table::{self, Figures, Row, grouped, holds};
use crate::{bugs, cpu, dependencies, explore, fuzz, mutants, peers, sim, spec, tidy};

/// What all parts are given.
struct Setting<'a> {
    root: &'a Path,
    quick: bool,
    seed: u64,
}

/// One part, which may come to several rows.
struct Part {
    name: &'static str,
    /// Whether it is of the quick part, too.
    quick: bool,
    /// Whether it may go on beside the others: it computes, or waits, and builds little; tests over sockets wait for most of their time.
    beside: bool,
    run: fn(&Setting<'_>) -> Vec<Row>,
}

/// What is quick and says most comes first, what needs tools that may not be here last.
const PARTS: [Part; 11] = [
    Part { name: "requirements", quick: true, beside: false, run: requirements },
    Part { name: "tidy", quick: true, beside: false, run: tidiness },
    Part { name: "dependencies", quick: true, beside: false, run: dependency },
    Part { name: "explore", quick: true, beside: true, run: exploration },
    Part { name: "sim", quick: true, beside: true, run: simulation },
    Part { name: "tests", quick: false, beside: false, run: tests },
    Part { name: "bugs", quick: false, beside: false, run: planted },
    Part { name: "mutants", quick: false, beside: false, run: mutated },
    Part { name: "fuzz", quick: false, beside: false, run: fuzzed },
    Part { name: "servers", quick: false, beside: false, run: servers },
    Part { name: "peers", quick: false, beside: true, run: peers },
];

/// States of each name that are explored at most, and faults on each way.
const STATES: usize = 3000;
const FAULTS: usize = 2;
/// Hours of the lives of resolvers: about a minute, and about four.
const HOURS: [u64; 2] = [500_000, 2_000_000];
/// CPU minutes of a light fuzz target: a minute and a half for all.
const FUZZ_MINUTES: f64 = 0.05;
/// Bugs that are planted.
const BUGS: usize = 4;
/// Mutants of the core that are tried.
const MUTANTS: usize = 10;

/// Runs the parts whose names hold one of the words, all if there is none, and prints the table. Whether nothing is broken.
#[expect(clippy::disallowed_methods, reason = "the table says how long it all took")]
pub(crate) fn run(root: &Path, quick: bool, seed: u64, words: &[String]) -> bool {
    let began = Instant::now();
    let setting = Setting { root, quick, seed };
    let (beside, others): (Vec<_>, Vec<_>) =
        chosen(quick, words).enumerate().partition(|(_, part)| part.beside);
    let run = |parts: Vec<(usize, &Part)>| -> Vec<(usize, Vec<Row>)> {
        let run = |(at, part): (usize, &Part)| {
            eprintln!("== {}", part.name);
            (at, (part.run)(&setting))
        };
        parts.into_iter().map(run).collect()
    };
    let mut done = thread::scope(|scope| {
        let beside = scope.spawn(|| run(beside));
        let mut done = run(others);
        done.extend(beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done
    });
    done.sort_by_key(|(at, _)| *at);
    let rows: Vec<Row> = done.into_iter().flat_map(|(_, rows)| rows).collect();
    if rows.is_empty() {
        let names: Vec<&str> = chosen(quick, &[]).map(|part| part.name).collect();
        eprintln!("no such part; there are {}", names.join(", "));
        return false;
    }
    print!("{}", table::print(&rows, began.elapsed(), cpu::of_all()));
    holds(&rows)
}

fn chosen(quick: bool, words: &[String]) -> impl Iterator<Item = &'static Part> {
    PARTS.iter().filter(move |part| {
        let named = words.is_empty() || words.iter().any(|word| part.name.contains(word.as_str()));
        named && (part.quick || !quick)
    })
}

/// The row of what this does, and how long it takes.
#[expect(clippy::disallowed_methods, reason = "the table says how long each part took")]
fn timed(part: &str, run: impl FnOnce() -> Result<Figures, Box<dyn Error>>) -> Row {
    let began = Instant::now();
    let figures = run();
    if let Err(error) = &figures {
        eprintln!("{error}");
    }
    Row::new(part, figures, began.elapsed())
}

fn requirements(setting: &Setting<'_>) -> Vec<Row> {
    vec![timed("requirements covered", || spec::figures(setting.root))]
}

fn tidiness(setting: &Setting<'_>) -> Vec<Row> {
    vec![timed("tidiness", || {
        let complaints = tidy::check(setting.root)?;
        told(&complaints);
        let files = tidy::files(setting.root)?.len();
        Ok(Figures::of(format!("{} files", grouped(files)), &complaints))
    })]
}

fn dependency(setting: &Setting<'_>) -> Vec<Row> {
    vec![timed("dependencies", || {
        let complaints = dependencies::check(setting.root)?;
        told(&complaints);
        Ok(Figures::of("licences, and what the core must not carry", &complaints))
    })]
}

/// Says what the table has no room for.
fn told(complaints: &[String]) {
    for complaint in complaints {
        eprintln!("{complaint}");
    }
}

fn exploration(setting: &Setting<'_>) -> Vec<Row> {
    let folder = if setting.quick { "tests/scenarios/steps" } else { "tests/scenarios" };
    let limits = Limits { states: STATES, faults: FAULTS, seed: setting.seed, ..Limits::default() };
    vec![timed(&format!("states explored, {FAULTS} faults"), || {
        Ok(explore::explorations(&setting.root.join(folder), &limits, false)?.figures())
    })]
}

fn simulation(setting: &Setting<'_>) -> Vec<Row> {
    let [few, many] = HOURS;
    vec![timed("simulated lives", || {
        let simulated = sim::simulate(setting.seed, if setting.quick { few } else { many }, None);
        simulated.tell();
        Ok(simulated.figures())
    })]
}

#[expect(clippy::disallowed_methods, reason = "the table says how long each part took")]
fn tests(setting: &Setting<'_>) -> Vec<Row> {
    let began = Instant::now();
    match cargo::test(setting.root, &["--workspace"]) {
        Ok(tested) => by_suite(&tested, began.elapsed()),
        Err(error) => vec![Row::new("tests", Err(error.into()), began.elapsed())],
    }
}

/// Rows of the suites that a table should show apart, then one of all others; building counts there.
fn by_suite(tested: &Tested, took: Duration) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut others = tested.of("");
    for (part, path) in [
        ("scenarios × layers", "scenarios/"),
        ("attacks refused", "attacks/"),
        ("promises I1–I15", "promises/"),
    ] {
        let suite = tested.of(path);
        others.passed = others.passed.saturating_sub(suite.passed);
        others.failed = others.failed.saturating_sub(suite.failed);
        others.names.retain(|name| !suite.names.contains(name));
        rows.push(Row::new(part, Ok(suite_figures(&suite)), suite.took));
    }
    let shown: Duration = rows.iter().map(|row| row.took).sum();
    let mut figures = suite_figures(&Suite { pairs: None, ..others });
    // What does not build has no tests that could fail.
    if !tested.well && holds(&rows) && figures.verdict == table::Verdict::Held {
        figures = Figures::new(figures.what, Some("cargo test says no".to_owned()));
    }
    rows.push(Row::new("all other tests", Ok(figures), took.saturating_sub(shown)));
    rows
}

fn suite_figures(suite: &Suite) -> Figures {
    let all = suite.passed.saturating_add(suite.failed);
    let (passed, all) = (grouped(suite.passed), grouped(all));
    if let Some((run, pairs, layers)) = suite.pairs {
        let what = format!("{} of {} pairs held, in {layers} layers", grouped(run), grouped(pairs));
        let missing = (run != pairs).then(|| "some did not".to_owned());
        return Figures::new(what, suite.names.first().cloned().or(missing));
    }
    let nothing = (suite.passed == 0).then(|| "no test was run".to_owned());
    let complaints: Vec<String> = suite.names.iter().cloned().chain(nothing).collect();
    Figures::of(format!("{passed} of {all} tests passed"), &complaints)
}

fn planted(setting: &Setting<'_>) -> Vec<Row> {
    vec![timed("planted bugs", || {
        let which = Which::Some { count: BUGS, seed: setting.seed };
        Ok(bugs::plant(setting.root, &which, &mut |line| eprintln!("{line}"))?.figures())
    })]
}

fn mutated(setting: &Setting<'_>) -> Vec<Row> {
    vec![timed("mutants of the core", || {
        if cargo::says("cargo", &["mutants", "--version"]).is_none() {
            let why = "no cargo-mutants (cargo install cargo-mutants --locked)";
            return Ok(Figures::left_out(why));
        }
        let seed = setting.seed;
        let (whole, modules) = (Whole::Sampled, Vec::new());
        let wanted = Wanted { whole, sample: MUTANTS, seed, modules, resume: false };
        let report = mutants::report(setting.root, &wanted)?;
        Ok(Figures::of(report.counts.to_string(), &report.missed))
    })]
}

fn fuzzed(setting: &Setting<'_>) -> Vec<Row> {
    let tools = match fuzz::tools() {
        Ok(tools) => tools,
        Err(why) => return vec![timed("fuzzing", || Ok(Figures::left_out(why)))],
    };
    let mut targets = Vec::new();
    let built = timed("fuzzing", || {
        targets = fuzz::targets(setting.root, &[])?;
        fuzz::build(setting.root, &tools)?;
        Ok(Figures::new(format!("{} targets built", targets.len()), None))
    });
    let mut rows = vec![built];
    if !holds(&rows) {
        return rows;
    }
    for target in targets {
        rows.push(timed(&format!("fuzzing: {target}"), || {
            let seconds = fuzz::share(&target, FUZZ_MINUTES);
            Ok(fuzz::one(setting.root, &tools, &target, seconds, setting.seed)?.figures())
        }));
    }
    rows
}

fn servers(setting: &Setting<'_>) -> Vec<Row> {
    let scripts =
        [("real servers", "xtask/real-servers.sh"), ("real kernels", "xtask/real-kernels.sh")];
    let run = |(name, path)| {
        timed(name, || {
            let output = Command::new("bash").arg(path).current_dir(setting.root).output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            Ok(judged(&said, output.status.code()))
        })
    };
    scripts.into_iter().map(run).collect()
}

fn peers(setting: &Setting<'_>) -> Vec<Row> {
    vec![timed("peers' agreement", || {
        Ok(match peers::agreement(setting.root, None)? {
            Status::Done(agreement) => agreement.figures(),
            Status::LeftOut(why) => Figures::left_out(why),
        })
    })]
}

/// What the script came to: it ends with status 77 where it can't be run, and with a sum otherwise.
fn judged(said: &str, status: Option<i32>) -> Figures {
    let last = said.lines().last().unwrap_or_default();
    let complaints: Vec<String> =
        said.lines().filter(|line| line.starts_with("FAILED")).map(str::to_owned).collect();
    match status {
        Some(0) => {
            let asked = said.lines().rev().find(|line| line.starts_with("asked: "));
            Figures::of(
                [Some(last), asked].into_iter().flatten().collect::<Vec<_>>().join("; "),
                &complaints,
            )
        }
        Some(77) => Figures::left_out(last.trim_start_matches("skipped: ")),
        Some(_) | None if !complaints.is_empty() => Figures::of(last, &complaints),
        Some(_) | None => Figures::new(last, Some("it broke off".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{PARTS, by_suite, chosen, judged};
    use crate::cargo::{Suite, Tested};
    use crate::table::{Verdict, holds};

    fn tested() -> Tested {
        let mut tested = Tested { well: true, ..Tested::default() };
        let suite =
            |passed, took| Suite { passed, took: Duration::from_secs(took), ..Suite::default() };
        tested.suites.insert(
            "scenarios/scenarios.rs".to_owned(),
            Suite { pairs: Some((5299, 5299, 13)), ..suite(5299, 20) },
        );
        tested.suites.insert("attacks/attacks/main.rs".to_owned(), suite(60, 5));
        tested.suites.insert("promises/promises/main.rs".to_owned(), suite(14, 3));
        tested.suites.insert("unit/xtask/src/main.rs".to_owned(), suite(1000, 2));
        tested
    }

    #[test]
    fn suites_that_matter_have_rows_of_their_own_and_building_counts_with_the_others() {
        let rows = by_suite(&tested(), Duration::from_secs(40));
        let what: Vec<&str> = rows.iter().map(|row| row.figures.what.as_str()).collect();
        assert_eq!(
            what,
            [
                "5,299 of 5,299 pairs held, in 13 layers",
                "60 of 60 tests passed",
                "14 of 14 tests passed",
                "1,000 of 1,000 tests passed"
            ]
        );
        assert_eq!(rows.last().map(|row| row.took.as_secs()), Some(12));
        assert!(holds(&rows));
    }

    #[test]
    fn a_test_that_fails_is_not_run_or_not_built_breaks_its_row() {
        let broken = |change: fn(&mut Tested)| -> Vec<String> {
            let mut tested = tested();
            change(&mut tested);
            let rows = by_suite(&tested, Duration::ZERO);
            let broken =
                |row: &&crate::table::Row| matches!(row.figures.verdict, Verdict::Broken(_));
            rows.iter().filter(broken).map(|row| row.part.clone()).collect()
        };
        assert_eq!(broken(|tested| tested.suites.clear()).len(), 4);
        assert_eq!(broken(|tested| tested.well = false), ["all other tests"]);
        assert_eq!(
            broken(|tested| {
                for suite in tested.suites.values_mut().take(1) {
                    suite.failed = 1;
                    suite.names.push("name".to_owned());
                }
            }),
            ["attacks refused"]
        );
        assert_eq!(
            broken(|tested| {
                for suite in tested.suites.values_mut() {
                    suite.pairs = suite.pairs.map(|(run, all, layers)| (run - 1, all, layers));
                }
            }),
            ["scenarios × layers"]
        );
    }

    #[test]
    fn parts_are_chosen_by_word_and_each_has_a_name_of_its_own() {
        let names = |quick, words: &[&str]| -> Vec<&str> {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            chosen(quick, &words).map(|part| part.name).collect()
        };
        assert_eq!(names(false, &[]).len(), PARTS.len());
        assert_eq!(names(false, &["fuzz", "sim"]), ["sim", "fuzz"]);
        assert_eq!(names(true, &["fuzz"]), Vec::<&str>::new());
        assert!(names(true, &[]).contains(&"explore"));
        let mut sorted = names(false, &[]);
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), PARTS.len());
    }

    #[test]
    fn a_script_that_cannot_be_run_here_is_left_out_and_one_that_breaks_off_is_not() {
        let left_out = judged("skipped: there is no named here\n", Some(77)).verdict;
        assert_eq!(left_out, Verdict::LeftOut("there is no named here".to_owned()));
        let held = judged("ok      a\n1 passed, 0 failed\n", Some(0));
        assert_eq!((held.what.as_str(), held.verdict), ("1 passed, 0 failed", Verdict::Held));
        let asked =
            judged("== BIND\nasked: BIND; left out: unbound\n1 passed, 0 failed\n", Some(0)).what;
        assert_eq!(asked, "1 passed, 0 failed; asked: BIND; left out: unbound");
        let failed = judged("FAILED  a: lacks b\n0 passed, 1 failed\n", Some(1)).verdict;
        assert_eq!(failed, Verdict::Broken("FAILED  a: lacks b".to_owned()));
        assert_eq!(judged("", Some(2)).verdict, Verdict::Broken("it broke off".to_owned()));
        assert_eq!(judged("", None).verdict, Verdict::Broken("it broke off".to_owned()));
    }
}
