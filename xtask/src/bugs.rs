//! Plants bugs, one at a time, in a copy of the tree, and reports which tests find them.
//!
//! The bugs are listed in `xtask/bugs.toml`. The tree itself is never modified.
//!
//! Tests in memory run first, tests over sockets last. A bug may loop forever, so a test that still runs after five
//! minutes counts as a test that found it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::assure::Figures;
use crate::cargo::cargo;
use crate::citations::{citations, named};
use crate::tidy::files;

const TABLE: &str = "xtask/bugs.toml";
/// The time limit for one part of the tests, which is more than any part takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A bug: a text in a file and its replacement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bug {
    what: String,
    /// The requirements and invariants that it breaks. A test that finds it must name one of them.
    names: Vec<String>,
    file: String,
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    bug: Vec<Bug>,
}

/// The results of tests with a bug.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// The tests that failed.
    failed: Vec<String>,
    /// Those of them that name what the bug breaks, each with that name.
    named: Vec<(String, String)>,
}

/// The results of all planted bugs.
#[derive(Debug, Default)]
pub(crate) struct Planted {
    count: usize,
    found: usize,
    /// Bugs that were found by a test that names what they break.
    named: usize,
    /// The other bugs.
    unnamed: Vec<String>,
}

impl Planted {
    pub(crate) fn figures(&self) -> Figures {
        let what = format!(
            "{} of {} bugs found, {} by a test that names what they break",
            self.found, self.count, self.named
        );
        Figures::of(what, &self.unnamed)
    }
}

/// Which bugs to plant.
pub(crate) enum Which<'a> {
    All,
    /// Bugs whose description contains the word.
    Word(&'a str),
    /// This many, drawn from a seed.
    Some {
        count: usize,
        seed: u64,
    },
}

/// Plants bugs and prints the result of each with a summary. Returns whether each bug was found by a test that names what
/// it breaks.
pub(crate) fn run(root: &Path, word: Option<&str>) -> Result<bool, Box<dyn Error>> {
    let planted =
        plant(root, &word.map_or(Which::All, Which::Word), &mut |line| println!("{line}"))?;
    println!(
        "{} bugs, {} found, {} by a test that names what they break",
        planted.count, planted.found, planted.named
    );
    Ok(planted.unnamed.is_empty())
}

/// Plants bugs in sequence and returns the result of each.
pub(crate) fn plant(
    root: &Path,
    which: &Which<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<Planted, Box<dyn Error>> {
    let bugs = chosen(table(root)?.bug, which);
    let copy = root.join("target/bugs");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
    let target = target.join("bugs");
    refresh(root, &copy)?;
    let mut planted = Planted::default();
    for bug in &bugs {
        let path = copy.join(&bug.file);
        let text = fs::read_to_string(&path)?;
        fs::write(&path, text.replacen(&bug.from, &bug.to, 1))?;
        let said = hunt(root, &copy, &target, bug);
        fs::write(&path, &text)?;
        let said = said?;
        planted.count += 1;
        planted.found += usize::from(!said.failed.is_empty());
        planted.named += usize::from(!said.named.is_empty());
        let word = match (said.failed.is_empty(), said.named.is_empty()) {
            (true, _) => "MISSED ",
            (false, true) => "UNNAMED",
            (false, false) => "found  ",
        };
        let names = bug.names.join(" ");
        tell(&format!("{word} {} [{names}]: {} tests", bug.what, said.failed.len()));
        for (test, name) in said.named.iter().take(3) {
            tell(&format!("        {name:<4} {test}"));
        }
        if said.named.is_empty() {
            said.failed.iter().take(5).for_each(|test| tell(&format!("            {test}")));
            planted.unnamed.push(format!("{} {}", word.trim_end(), bug.what));
        }
    }
    Ok(planted)
}

/// The bugs to plant, in the order of the table.
fn chosen(bugs: Vec<Bug>, which: &Which<'_>) -> Vec<Bug> {
    let numbers = match which {
        Which::Some { count, seed } => choose(bugs.len(), *count, *seed),
        Which::All | Which::Word(_) => (0..bugs.len()).collect(),
    };
    let wanted = |(number, bug): (usize, Bug)| {
        let named = !matches!(which, Which::Word(word) if !bug.what.contains(word));
        (numbers.contains(&number) && named).then_some(bug)
    };
    bugs.into_iter().enumerate().filter_map(wanted).collect()
}

/// A sample of the numbers below `of`, drawn from a seed.
fn choose(of: usize, count: usize, seed: u64) -> BTreeSet<usize> {
    // SplitMix64's last step: each number's place among all is its own.
    let place = |number: usize| {
        let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number as u64;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut numbers: Vec<usize> = (0..of).collect();
    numbers.sort_by_key(|number| place(*number));
    numbers.into_iter().take(count).collect()
}

/// Reports bugs in the table that cannot be planted.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut complaints = Vec::new();
    for bug in table(root)?.bug {
        let text = fs::read_to_string(root.join(&bug.file)).unwrap_or_default();
        let places = text.matches(&bug.from).count();
        if places != 1 || bug.from == bug.to {
            complaints
                .push(format!("{TABLE}: `{}` fits {places} places in {}", bug.what, bug.file));
        }
    }
    Ok(complaints)
}

fn table(root: &Path) -> Result<Table, Box<dyn Error>> {
    Ok(toml::from_str(&fs::read_to_string(root.join(TABLE))?)
        .map_err(|error| format!("{TABLE}: {error}"))?)
}

/// Copies the files that have changed since the last time, so that little is rebuilt.
fn refresh(root: &Path, copy: &Path) -> Result<(), Box<dyn Error>> {
    for path in files(root)? {
        let (from, to) = (root.join(&path), copy.join(&path));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::read(&from) {
            Ok(bytes) if fs::read(&to).ok().as_ref() != Some(&bytes) => fs::write(&to, bytes)?,
            Ok(_) => {}
            // Deleted, and not yet known to git as such.
            Err(_) => drop(fs::remove_file(&to)),
        }
    }
    Ok(())
}

/// Runs the parts of the tests in sequence until a test names what is broken, because there are many tests and many bugs.
fn hunt(root: &Path, copy: &Path, target: &Path, bug: &Bug) -> Result<Found, Box<dyn Error>> {
    let package = bug.file.trim_start_matches("crates/").split('/').next().unwrap_or_default();
    // Those at its border, too.
    let own = ["-p", package, "--tests"];
    let suite = |test| ["-p", "discovery-tests", "--test", test];
    let (scenarios, invariants, cache) = (suite("scenarios"), suite("invariants"), suite("cache"));
    // In memory first: sockets take ten times as long, and for ever where a bug keeps the machine busy.
    let layer = |name| ["-p", "discovery-tests", "--test", "scenarios", "--", name];
    let (resolver, wire) = (layer(" resolver"), layer(" wire"));
    let mut parts: Vec<&[&str]> = vec![&resolver, &wire, &own, &invariants, &cache, &scenarios];
    if bug.names.iter().any(|name| name.starts_with('I')) {
        parts = vec![&invariants, &own, &resolver, &wire, &cache, &scenarios];
    } else if package != "discovery-core" {
        parts = vec![&own, &wire, &scenarios];
    }
    let mut found = Found::default();
    for part in parts {
        let judged = judge(root, bug, &tests(copy, target, part)?)?;
        found.failed.extend(judged.failed);
        if !judged.named.is_empty() {
            found.named = judged.named;
            break;
        }
    }
    Ok(found)
}

/// Runs a part of the tests and returns their output.
fn tests(copy: &Path, target: &Path, part: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut build = cargo(copy);
    let (part, filter) = match part.iter().position(|word| *word == "--") {
        Some(at) => part.split_at(at),
        None => (part, &[] as &[&str]),
    };
    let options = ["--no-fail-fast", "--offline"];
    build.args(["test", "--no-run"]).args(options).args(part).env("CARGO_TARGET_DIR", target);
    let output = build.output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = errors.lines().collect();
        let last = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
        return Err(last.join("\n").into());
    }
    let (out, err) = (target.join("said"), target.join("errors"));
    let mut cargo = cargo(copy);
    cargo.arg("test").args(options).args(part).args(filter).env("CARGO_TARGET_DIR", target);
    // Where a property fails it is enough to know that it does.
    cargo.env("PROPTEST_MAX_SHRINK_ITERS", "0");
    let child =
        cargo.stdout(File::create(&out)?).stderr(File::create(&err)?).process_group(0).spawn()?;
    let ended = wait(child)?;
    let mut said = String::from_utf8_lossy(&fs::read(&out)?).into_owned();
    if ended != Some(true) && !said.contains("FAILED") {
        // What runs out of time, of memory or of stack does not say so.
        said.push_str("\ntest whatever was running when it all ended ... FAILED\n");
    }
    Ok(said)
}

/// Whether the tests passed. None: they did not end and were killed with their child processes.
#[expect(clippy::disallowed_methods, reason = "a bug may keep tests busy for ever")]
fn wait(mut child: Child) -> Result<Option<bool>, Box<dyn Error>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if began.elapsed() > PATIENCE {
            killpg(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGKILL)?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Finds the tests that failed, and those among them that name what the bug breaks: in their name, their output or their
/// comments.
fn judge(root: &Path, bug: &Bug, said: &str) -> Result<Found, Box<dyn Error>> {
    let failed: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
        .map(str::trim)
        .collect();
    let printed = printed(said);
    let cited = cited(root)?;
    let mut found = Found::default();
    for test in failed {
        let function = test.rsplit("::").next().unwrap_or(test);
        let mut names: Vec<String> = words(printed.get(test).map_or("", String::as_str));
        // An invariant's tests are a module with its name.
        names.extend(test.split("::").filter_map(promised));
        names.extend(
            named(&format!("fn {function}("), 'R').into_iter().map(|number| format!("R{number}")),
        );
        names.extend(cited.get(function).into_iter().flatten().cloned());
        found.failed.push(test.to_owned());
        if let Some(name) = names.into_iter().find(|name| bug.names.contains(name)) {
            found.named.push((test.to_owned(), name));
        }
    }
    Ok(found)
}

/// The output of each failed test, by its name.
fn printed(said: &str) -> BTreeMap<String, String> {
    let mut printed: BTreeMap<String, String> = BTreeMap::new();
    let mut test = None;
    for line in said.lines() {
        if let Some(rest) = line.strip_prefix("---- ") {
            test = rest.strip_suffix(" ----").map(|name| name.trim_end_matches(" stdout").trim());
        } else if line.starts_with("test result:") || line == "failures:" {
            test = None;
        } else if let Some(test) = test {
            let text = printed.entry(test.to_owned()).or_default();
            text.push_str(line);
            text.push('\n');
        }
    }
    printed
}

/// The requirements that each test function cites in comments.
fn cited(root: &Path) -> Result<BTreeMap<String, BTreeSet<String>>, Box<dyn Error>> {
    let mut cited: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files(root)?.into_iter().filter(|path| path.ends_with(".rs")) {
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        for citation in citations(&path, &text, 'R') {
            if let Some(item) = citation.item {
                cited.entry(item).or_default().insert(format!("R{}", citation.number));
            }
        }
    }
    Ok(cited)
}

/// The invariant that a test has in its name: `i05_after_a_drain_…` is `I5`.
fn promised(function: &str) -> Option<String> {
    let digits = function.strip_prefix('i')?.split('_').next()?;
    digits.parse::<u32>().ok().map(|number| format!("I{number}"))
}

/// The words that may be numbers of requirements or invariants.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.starts_with(['R', 'I']))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Planted, choose, printed, promised, words};
    use crate::assure::Verdict;

    #[test]
    fn a_seed_chooses_as_many_as_are_asked_for_and_another_seed_others() {
        let some = choose(39, 3, 1);
        assert_eq!(some.len(), 3);
        assert_eq!(some, choose(39, 3, 1));
        let all: BTreeSet<usize> = (0..40).flat_map(|seed| choose(39, 3, seed)).collect();
        assert!(all.len() > 30, "{}", all.len());
        assert_eq!(choose(2, 3, 1), BTreeSet::from([0, 1]));
    }

    #[test]
    fn a_bug_that_no_test_names_breaks_the_row() {
        let mut planted = Planted { count: 2, found: 2, named: 2, unnamed: Vec::new() };
        assert_eq!(planted.figures().verdict, Verdict::Held);
        planted.unnamed.push("UNNAMED step 1".to_owned());
        assert_eq!(planted.figures().verdict, Verdict::Broken("UNNAMED step 1".to_owned()));
    }

    #[test]
    fn output_of_a_test_is_found_by_its_name() {
        let said = "test a ... FAILED\ntest b ... ok\n\nfailures:\n\n---- a stdout ----\nbroken: I6\n\n---- steps/1 wire ----\n# R28: Host\n\n\
                    failures:\n    a\n\ntest result: FAILED. 1 passed\nR1\n";
        let printed = printed(said);
        assert_eq!(printed.len(), 2);
        let names = |test: &str| printed.get(test).map(|text| words(text)).unwrap_or_default();
        assert_eq!(names("a"), ["I6"]);
        assert_eq!(names("steps/1 wire"), ["R28"]);
    }

    #[test]
    fn invariant_is_read_from_the_name_of_its_test() {
        assert_eq!(promised("i05_after_a_drain"), Some("I5".to_owned()));
        assert_eq!(promised("in_a_word"), None);
    }
}
