//! Runs cargo for the chores, and reads the results of its tests.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Cargo at the root, without the environment variables that it set for this program. Build scripts read them, and would
/// run again for a call from here.
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

/// The output of a program, if it exists and succeeds.
pub(crate) fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The result of `cargo test`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tested {
    pub(crate) passed: u64,
    /// The names of the tests that failed.
    pub(crate) failed: Vec<String>,
    /// The number of pairs of a scenario and a layer that were run, as the scenario test prints it.
    pub(crate) pairs: Option<String>,
    /// Whether cargo succeeded. Code that does not build has no failing tests.
    pub(crate) well: bool,
}

impl Tested {
    fn line(&mut self, line: &str) {
        if let Some((before, _)) =
            line.strip_prefix("test result:").and_then(|rest| rest.split_once(" passed"))
        {
            let passed = before.rsplit(' ').next().and_then(|number| number.parse().ok());
            self.passed = self.passed.saturating_add(passed.unwrap_or(0));
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failed.push(name.trim().to_owned());
        } else if line.starts_with("pairs of a scenario and a layer: ") {
            self.pairs = Some(line.split(" (").next().unwrap_or(line).to_owned());
        }
    }
}

/// Runs `cargo test` with these arguments and environment. Failures are printed to standard error as they come.
pub(crate) fn test(
    root: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> io::Result<Tested> {
    let (reader, writer) = io::pipe()?;
    let mut command = cargo(root);
    command.args(["test", "--no-fail-fast"]).args(arguments).envs(environment.iter().copied());
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command holds the other end of the pipe, which must close for the pipe to end.
    drop(command);
    let mut tested = Tested::default();
    let mut failures = false;
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        failures |= line == "failures:" || line.starts_with("error");
        if failures {
            // A closed standard error is no reason to stop.
            let _ = writeln!(io::stderr(), "{line}");
        }
        failures &= !line.starts_with("test result:");
        tested.line(&line);
    }
    tested.well = child.wait()?.success();
    Ok(tested)
}

#[cfg(test)]
mod tests {
    use super::Tested;

    const OUTPUT: &str = "   Compiling a v0.1.0\n\
        test a ... ok\ntest result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n\
        test dns::b ... FAILED\ntest result: FAILED. 3 passed; 1 failed; 0 ignored; finished in 1.50s\n\
        pairs of a scenario and a layer: 5 run, of 6 (orders 2, wire 4)\n";

    #[test]
    fn results_of_all_suites_are_added_up() {
        let mut tested = Tested::default();
        OUTPUT.lines().for_each(|line| tested.line(line));
        assert_eq!(
            (tested.passed, tested.failed.as_slice()),
            (15, ["dns::b".to_owned()].as_slice())
        );
        assert_eq!(tested.pairs.as_deref(), Some("pairs of a scenario and a layer: 5 run, of 6"));
    }
}
