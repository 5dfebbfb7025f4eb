//! Synapse's agent in a process of its own, with one name in and one result out a line.
//!
//! `ask_synapse.py` runs the agent.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::answer::Answer;

/// The process.
pub struct Synapse {
    child: Child,
    names: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Synapse {
    /// Starts it with a Python interpreter that has `matrix-synapse`. It trusts this authority alone.
    pub fn start(python: &Path, script: &Path, authority: &Path) -> io::Result<Self> {
        let mut command = Command::new(python);
        command.arg(script).env("SSL_CERT_FILE", authority).env("SSL_CERT_DIR", "/nonexistent");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let broken = || io::Error::other("a pipe is missing");
        let names = child.stdin.take().ok_or_else(broken)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(broken)?);
        Ok(Self { child, names, answers })
    }

    /// Resolves a name.
    pub fn ask(&mut self, name: &str) -> io::Result<Answer> {
        let name = serde_json::to_string(name)?;
        writeln!(self.names, "{name}")?;
        self.names.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::Error::other("Synapse's agent has ended"));
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Synapse {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
