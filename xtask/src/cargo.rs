//! Cargo as the chores call it, and what its tests print, counted by suite.
//!
//! Knows nothing of what a suite tests.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Cargo, at the root, without what it has told this program about itself: build scripts among the dependencies read that, and
/// would be run once for who calls cargo by hand and once more from here.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    let own = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| own(name)) {
        command.env_remove(name);
    }
    command.current_dir(root).env("CARGO_TERM_COLOR", "never").env("NO_COLOR", "1");
    command
}

/// What a program says, if it is there and does what it is told.
pub(crate) fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What one suite of tests came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// How long they ran, by their own word.
    pub(crate) took: Duration,
    /// Names of tests that failed.
    pub(crate) names: Vec<String>,
    /// Pairs of a scenario and a layer: how many were run, how many there are, and in how many layers.
    pub(crate) pairs: Option<(u64, u64, usize)>,
}

/// What all suites came to, each by the path of its file.
#[derive(Debug, Default)]
pub(crate) struct Tested {
    pub(crate) suites: BTreeMap<String, Suite>,
    /// Whether cargo itself says that all is well: what does not build has no suite.
    pub(crate) well: bool,
}

impl Tested {
    /// The suites whose path is this or lies below, as one.
    pub(crate) fn of(&self, path: &str) -> Suite {
        let mut all = Suite::default();
        for (_, suite) in self.suites.iter().filter(|(name, _)| name.starts_with(path)) {
            all.passed = all.passed.saturating_add(suite.passed);
            all.failed = all.failed.saturating_add(suite.failed);
            all.took = all.took.saturating_add(suite.took);
            all.names.extend(suite.names.iter().cloned());
            all.pairs = all.pairs.or(suite.pairs);
        }
        all
    }
}

/// Runs `cargo test` with these arguments. What it prints of failures goes to standard error as it comes.
pub(crate) fn test(root: &Path, arguments: &[&str]) -> io::Result<Tested> {
    // One pipe for both, so that each result comes after the name of its suite.
    let (reader, writer) = io::pipe()?;
    let mut command = cargo(root);
    command.args(["test", "--no-fail-fast"]).args(arguments);
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // It holds the pipe's other end, which must close for the pipe to end.
    drop(command);
    let mut counting = Counting::default();
    let mut failures = false;
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        failures |= line == "failures:" || line.starts_with("error");
        if failures {
            // Nobody there to read it is no reason to stop.
            let _ = writeln!(io::stderr(), "{line}");
        }
        failures &= !line.starts_with("test result:");
        counting.line(&line);
    }
    let mut tested = counting.tested;
    tested.well = child.wait()?.success();
    Ok(tested)
}

/// Reads what `cargo test` prints, line by line.
#[derive(Default)]
struct Counting {
    tested: Tested,
    suite: String,
}

impl Counting {
    fn line(&mut self, line: &str) {
        if let Some(rest) = line.trim_start().strip_prefix("Running ") {
            // `Running tests/attacks/main.rs (target/…)`, or `Running unittests src/lib.rs (target/debug/deps/xtask-…)`.
            let (file, binary) = rest.split_once(" (").unwrap_or((rest, ""));
            let name = binary.rsplit(['/', '\\']).next().unwrap_or_default();
            let name = name.rsplit_once('-').map_or(name, |(name, _)| name);
            self.suite = match file.strip_prefix("unittests ") {
                Some(file) => format!("unit/{name}/{file}"),
                None => format!("{name}/{file}"),
            };
            return;
        }
        if let Some(rest) = line.trim_start().strip_prefix("Doc-tests ") {
            self.suite = format!("doc/{rest}");
            return;
        }
        let suite = self.tested.suites.entry(self.suite.clone()).or_default();
        if let Some(rest) = line.strip_prefix("test result:") {
            suite.passed = suite.passed.saturating_add(before(rest, " passed").unwrap_or(0));
            suite.failed = suite.failed.saturating_add(before(rest, " failed").unwrap_or(0));
            let took = rest.split_once("finished in ").and_then(|(_, took)| took.strip_suffix('s'));
            let took = took.and_then(|took| Duration::try_from_secs_f64(took.parse().ok()?).ok());
            suite.took = suite.took.saturating_add(took.unwrap_or_default());
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            suite.names.push(name.trim().to_owned());
        } else if let Some(rest) = line.strip_prefix("pairs of a scenario and a layer: ") {
            let all = rest.split_once(", of ").map_or("", |(_, all)| all);
            let number = |text: &str| text.split(' ').next()?.parse().ok();
            if let (Some(run), Some(all_of_them)) = (number(rest), number(all)) {
                let layers = all.split_once('(').map_or(0, |(_, each)| each.split(", ").count());
                suite.pairs = Some((run, all_of_them, layers));
            }
        }
    }
}

/// The number right before these words.
fn before(line: &str, words: &str) -> Option<u64> {
    line.split_once(words)?.0.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Counting, Suite};

    const SAID: &str = "   Compiling a v0.1.0\n\
        \x20    Running unittests src/lib.rs (target/debug/deps/discovery_core-0123)\n\
        test a ... ok\ntest result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n\
        \x20    Running attacks/main.rs (target/debug/deps/attacks-4567)\n\
        test dns::b ... FAILED\ntest result: FAILED. 3 passed; 1 failed; 0 ignored; finished in 1.50s\n\
        \x20    Running scenarios.rs (target/debug/deps/scenarios-89ab)\n\
        test result: ok. 5 passed; 0 failed\n\
        pairs of a scenario and a layer: 5 run, of 6 (orders 2, wire 4)\n\
        \x20  Doc-tests discovery_core\n\
        test result: ok. 2 passed; 0 failed\n";

    #[test]
    fn results_are_counted_by_suite() {
        let mut counting = Counting::default();
        SAID.lines().for_each(|line| counting.line(line));
        let tested = counting.tested;
        assert_eq!(tested.of("unit/").passed, 12);
        let attacks = tested.of("attacks/");
        assert_eq!((attacks.passed, attacks.failed), (3, 1));
        assert_eq!(attacks.names, ["dns::b"]);
        assert_eq!(attacks.took, Duration::from_millis(1500));
        assert_eq!(tested.of("scenarios/").pairs, Some((5, 6, 2)));
        assert_eq!(tested.of("doc/").passed, 2);
        assert_eq!(tested.of("").passed, 22);
        assert_eq!(tested.of("nowhere/"), Suite::default());
    }
}
