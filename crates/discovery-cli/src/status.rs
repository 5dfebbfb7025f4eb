//! Exit statuses, and what keeps a subcommand from doing its work.
//!
//! Knows nothing of which lookup ended how.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// How the names came out. Of several names' statuses, the greatest in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Status {
    /// Every name resolved.
    #[default]
    Resolved,
    /// Nobody can tell now: a temporary failure, or no network here.
    Unknown,
    /// The answer is no: a name does not resolve.
    No,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Resolved => 0,
            Status::No => 1,
            Status::Unknown => 3,
        })
    }
}

/// What keeps a subcommand from doing its work.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// An option's value can't be used.
    Usage(String),
    /// Something is missing on this machine.
    Here(String),
    /// Whoever read the results does so no more. That is no trouble of ours: the names seen so far say how it ends.
    BrokenPipe(Status),
    /// A signal of this number ended the work early. What was known by then has been written.
    Signal(u8),
}

impl Trouble {
    /// Results could not be written.
    pub(crate) fn write(error: &io::Error, status: Status) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe(status)
        } else {
            Self::Here(format!("standard output: {error}"))
        }
    }

    /// Says on standard error what there is to say, and ends accordingly.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Usage(_) => say(&format!("error: {self}")),
            Self::Here(_) => warn(&self.to_string()),
            Self::BrokenPipe(_) | Self::Signal(_) => {}
        }
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Here(_) => Status::Unknown.into(),
            Self::BrokenPipe(status) => (*status).into(),
            // As shells tell of what a signal has ended.
            Self::Signal(number) => ExitCode::from(number.saturating_add(128)),
        }
    }
}

/// Says something on standard error, in the program's name.
pub(crate) fn warn(text: &str) {
    say(&format!("matrix-discovery: {text}"));
}

/// Says something on standard error. If nobody listens there, nobody is told.
pub(crate) fn say(text: &str) {
    // In one write: lines of several processes must not mix.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) | Self::Here(what) => f.write_str(what),
            Self::BrokenPipe(_) => f.write_str("nobody reads the results any more"),
            Self::Signal(number) => write!(f, "ended by signal {number}"),
        }
    }
}
