//! The whole proof in a short form: its parts in order, and one table of their results.
//!
//! Each chore returns its result as [`Figures`]; this module decides how much of each chore is enough and prints the table.
//!
//! A check that could not run is a row that says so, never a missing row. A check that broke off counts as failed.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use discovery_sim::Limits;

use crate::bugs::Which;
use crate::mutants::{Wanted, Whole};
use crate::peers::Status;
use crate::{bugs, cargo, cpu, dependencies, explore, fuzz, mutants, peers, sim, spec, tidy};

/// The verdict on a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Held,
    /// A short reason.
    Broken(String),
    /// The part was not run; the text names the missing tool.
    LeftOut(String),
}

/// The result of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// The figures, as text.
    pub(crate) what: String,
    pub(crate) verdict: Verdict,
}

impl Figures {
    pub(crate) fn new(what: impl Into<String>, wrong: Option<String>) -> Self {
        let verdict = wrong.map_or(Verdict::Held, Verdict::Broken);
        Self { what: what.into(), verdict }
    }

    pub(crate) fn left_out(why: impl Into<String>) -> Self {
        Self { what: String::new(), verdict: Verdict::LeftOut(why.into()) }
    }

    /// Shows the first of several complaints.
    pub(crate) fn of(what: impl Into<String>, complaints: &[String]) -> Self {
        let wrong = complaints.first().map(|first| match complaints.len() {
            1 => first.clone(),
            all => format!("{first} (and {} more)", all.saturating_sub(1)),
        });
        Self::new(what, wrong)
    }
}

/// A row of the table.
#[derive(Debug)]
struct Row {
    part: String,
    figures: Figures,
    took: Duration,
}

impl Row {
    fn is_broken(&self) -> bool {
        matches!(self.figures.verdict, Verdict::Broken(_))
    }
}

/// The input of each part.
struct Setting<'a> {
    root: &'a Path,
    quick: bool,
    seed: u64,
}

/// One part: its name, when it runs, and what it does.
struct Part(&'static str, When, fn(&Setting<'_>) -> Vec<Row>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Runs in the quick form, too.
    Always,
    /// Runs in the quick form, too, in parallel with other parts, because it builds little.
    AlwaysBeside,
    /// Runs in the full form only.
    Full,
    /// Runs in the full form only, in parallel with other parts.
    FullBeside,
}

impl When {
    fn is_quick(self) -> bool {
        matches!(self, Self::Always | Self::AlwaysBeside)
    }

    fn is_beside(self) -> bool {
        matches!(self, Self::AlwaysBeside | Self::FullBeside)
    }
}

/// Quick parts come first, parts whose tools may be missing come last.
const PARTS: [Part; 11] = [
    Part("requirements", When::Always, requirements),
    Part("tidy", When::Always, tidiness),
    Part("dependencies", When::Always, dependency),
    Part("explore", When::AlwaysBeside, exploration),
    Part("sim", When::AlwaysBeside, simulation),
    Part("tests", When::Full, tests),
    Part("bugs", When::Full, planted),
    Part("mutants", When::Full, mutated),
    Part("fuzz", When::Full, fuzzed),
    Part("servers", When::Full, servers),
    Part("peers", When::FullBeside, peers),
];

/// The limit of explored states for each name, and the number of faults on each path.
const STATES: usize = 3000;
const FAULTS: usize = 2;
/// Virtual hours of random runs: about one minute, and about four.
const HOURS: [u64; 2] = [500_000, 2_000_000];
/// CPU minutes of a light fuzz target: a minute and a half for all.
const FUZZ_MINUTES: f64 = 0.05;
/// The number of bugs to plant.
const BUGS: usize = 4;
/// The number of mutants of the core to try.
const MUTANTS: usize = 10;

/// Runs the parts whose names contain one of the words, or all parts without words, and prints the table. Returns whether
/// nothing is broken.
#[expect(clippy::disallowed_methods, reason = "the table says how long it all took")]
pub(crate) fn run(root: &Path, quick: bool, seed: u64, words: &[String]) -> bool {
    let began = Instant::now();
    let setting = Setting { root, quick, seed };
    let (beside, others): (Vec<_>, Vec<_>) =
        chosen(quick, words).enumerate().partition(|(_, Part(_, when, _))| when.is_beside());
    let run = |parts: Vec<(usize, &Part)>| -> Vec<(usize, Vec<Row>)> {
        let run = |(at, Part(name, _, run)): (usize, &Part)| {
            eprintln!("== {name}");
            (at, run(&setting))
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
        let names: Vec<&str> = chosen(quick, &[]).map(|Part(name, ..)| *name).collect();
        eprintln!("no such part; choose among {}", names.join(", "));
        return false;
    }
    print!("{}", table(&rows, began.elapsed(), cpu::of_all()));
    !rows.iter().any(Row::is_broken)
}

fn chosen(quick: bool, words: &[String]) -> impl Iterator<Item = &'static Part> {
    PARTS.iter().filter(move |Part(name, when, _)| {
        let named = words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
        named && (when.is_quick() || !quick)
    })
}

/// Runs a part and measures its time. A chore that cannot be run counts as broken.
#[expect(clippy::disallowed_methods, reason = "the table says how long each part took")]
fn timed(part: &str, run: impl FnOnce() -> Result<Figures, Box<dyn Error>>) -> Row {
    let began = Instant::now();
    let figures = run().unwrap_or_else(|error| {
        eprintln!("{error}");
        let last = error.to_string().lines().last().unwrap_or_default().to_owned();
        Figures::new("", Some(last))
    });
    Row { part: part.to_owned(), figures, took: began.elapsed() }
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
        Ok(Figures::of("the core carries no I/O, clock or entropy", &complaints))
    })]
}

/// Prints details that do not fit the table.
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
    vec![timed("random runs", || {
        let simulated = sim::simulate(setting.seed, if setting.quick { few } else { many }, None);
        simulated.tell();
        Ok(simulated.figures())
    })]
}

fn tests(setting: &Setting<'_>) -> Vec<Row> {
    vec![timed("tests", || {
        let tested = cargo::test(setting.root, &["--workspace"], &[("EVERY_PAIR", "1")])?;
        let mut what = format!("{} tests passed", grouped(tested.passed));
        tested.pairs.iter().for_each(|pairs| what.push_str(&format!("; {pairs}")));
        // A test that does not build has no name.
        let unnamed = !tested.well && tested.failed.is_empty();
        let unnamed = unnamed.then(|| "cargo test failed".to_owned());
        let complaints: Vec<String> = tested.failed.into_iter().chain(unnamed).collect();
        Ok(Figures::of(what, &complaints))
    })]
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
    if built.is_broken() {
        return vec![built];
    }
    let mut rows = vec![built];
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

/// The result of a script: status 77 if it cannot run, a summary otherwise.
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

/// The table in Markdown with a summary line. Parts may run in parallel, so the total time is separate.
fn table(rows: &[Row], took: Duration, cpu: Duration) -> String {
    let wide = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max();
    let part = wide(|row| &row.part).unwrap_or(0).max("part".len());
    let what = wide(|row| &row.figures.what).unwrap_or(0).max("what was seen".len());
    let mut text = format!(
        "| {:<part$} | {:<what$} | seconds | verdict |\n|---|---|--:|---|\n",
        "part", "what was seen"
    );
    for row in rows {
        let verdict = match &row.figures.verdict {
            Verdict::Held => "holds".to_owned(),
            Verdict::Broken(why) => format!("BROKEN: {why}"),
            Verdict::LeftOut(why) => format!("left out: {why}"),
        };
        let verdict = verdict.replace('|', "\\|").replace('\n', " ");
        let seconds = row.took.as_secs_f64();
        let (name, seen) = (&row.part, &row.figures.what);
        text.push_str(&format!("| {name:<part$} | {seen:<what$} | {seconds:>7.1} | {verdict} |\n"));
    }
    let count =
        |is: fn(&Verdict) -> bool| rows.iter().filter(|row| is(&row.figures.verdict)).count();
    text.push_str(&format!(
        "{} parts: {} hold, {} broken, {} left out; {:.0} s, {:.0} s of CPU time\n",
        rows.len(),
        count(|verdict| *verdict == Verdict::Held),
        count(|verdict| matches!(verdict, Verdict::Broken(_))),
        count(|verdict| matches!(verdict, Verdict::LeftOut(_))),
        took.as_secs_f64(),
        cpu.as_secs_f64()
    ));
    text
}

/// A number with separated thousands: `5,299`.
pub(crate) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figures, PARTS, Part, Row, Verdict, chosen, grouped, judged, table, timed};

    fn row(figures: Figures) -> Row {
        Row { part: "part".to_owned(), figures, took: Duration::from_millis(1260) }
    }

    #[test]
    fn parts_are_chosen_by_word_and_each_has_a_name_of_its_own() {
        let names = |quick, words: &[&str]| -> Vec<&str> {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            chosen(quick, &words).map(|Part(name, ..)| *name).collect()
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
    fn chore_that_cannot_run_is_broken_with_its_last_line_as_reason() {
        let row = timed("part", || Err("compiling\nno such file".into()));
        assert_eq!(row.figures.verdict, Verdict::Broken("no such file".to_owned()));
        assert!(!timed("part", || Ok(Figures::left_out("no tool"))).is_broken());
    }

    #[test]
    fn the_table_has_a_line_for_each_part_and_a_sum() {
        let rows = [
            row(Figures::new("1,234 states", None)),
            row(Figures::left_out("no tool")),
            row(Figures::of("2", &["a|b".to_owned(), "c".to_owned()])),
        ];
        assert_eq!(
            table(&rows, Duration::from_secs(2), Duration::from_secs(3)),
            "| part | what was seen | seconds | verdict |\n\
             |---|---|--:|---|\n\
             | part | 1,234 states  |     1.3 | holds |\n\
             | part |               |     1.3 | left out: no tool |\n\
             | part | 2             |     1.3 | BROKEN: a\\|b (and 1 more) |\n\
             3 parts: 1 hold, 1 broken, 1 left out; 2 s, 3 s of CPU time\n"
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let numbers = [0_u64, 999, 1000, 5299, 1_234_567];
        assert_eq!(numbers.map(grouped), ["0", "999", "1,000", "5,299", "1,234,567"]);
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
