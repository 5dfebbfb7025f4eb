//! Results as text: a few lines, the whole tree, one line, or one JSON object.
//!
//! Knows nothing of how a result came about.

mod json;
pub(crate) mod table;
mod text;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use discovery_core::{
    Effect, Instant, InvalidServerName, Outcome, ResolveError, Resolved, Revision,
};

use crate::options::FormatOptions;
use crate::status::Status;

pub(crate) use json::ascii;
pub(crate) use text::printable;

/// What became of one name.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// The name as it was given; it may break the grammar.
    pub(crate) name: String,
    /// How its lookup ended.
    pub(crate) end: End,
    /// How long it took.
    pub(crate) took: Duration,
    /// When it ended, by the machine's clock: lifetimes are told from then.
    pub(crate) at: Instant,
    /// The revision of the specification that was followed: it numbers the steps.
    pub(crate) revision: Revision,
    /// What the name is an example of, in the lab.
    pub(crate) note: Option<String>,
}

/// How a lookup ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// There was none: the name breaks the grammar.
    NotAName(InvalidServerName),
    /// There was none: the line was longer than any name, and was not read to its end.
    LineTooLong,
    /// With a result, or without.
    Outcome(Outcome),
}

/// In which form results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// At most six lines a name.
    Lines,
    /// Those, and every decision.
    Tree,
    /// One line per name.
    Short,
    /// One JSON object a line.
    Json,
}

/// Whether text may be highlighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// It goes to a terminal whose user does not mind.
    Ansi,
    /// It does not.
    Plain,
}

impl From<FormatOptions> for Format {
    fn from(options: FormatOptions) -> Self {
        match (options.explain, options.short, options.json) {
            (true, ..) => Self::Tree,
            (_, true, _) => Self::Short,
            (.., true) => Self::Json,
            (false, false, false) => Self::Lines,
        }
    }
}

impl Paint {
    /// Colour for a terminal, unless `NO_COLOR` is set to anything; for anything else, if `CLICOLOR_FORCE` is set.
    pub(crate) fn for_standard_output() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        if forced && !unwanted {
            return Self::Ansi;
        }
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stdout().is_terminal() && !unwanted && !dumb { Self::Ansi } else { Self::Plain }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Ansi if text.is_empty() => String::new(),
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    pub(crate) fn caution(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }
}

/// What may be a problem for other servers although the name resolves here.
fn warnings(resolved: &Resolved) -> Vec<String> {
    let aliases = resolved.explanation.decisions.iter().filter(|decision| {
        matches!(decision.effect, Effect::TargetIsAlias | Effect::TargetAliasRejected)
    });
    let mut warnings: Vec<String> = aliases
        .map(|decision| {
            let question = decision.question().map(ToString::to_string).unwrap_or_default();
            format!(
                "an SRV target must not be an alias (RFC 2782), some servers refuse it: {question}"
            )
        })
        .collect();
    warnings.dedup();
    warnings
}

impl Answered {
    /// What this answer makes the program end with.
    pub(crate) fn status(&self) -> Status {
        match &self.end {
            End::NotAName(_) | End::LineTooLong => Status::No,
            End::Outcome(outcome) => match outcome.as_ref() {
                Ok(_) => Status::Resolved,
                Err(failed) if failed.is_temporary() => Status::Unknown,
                Err(_) => Status::No,
            },
        }
    }

    /// Writes the answer whole. Nothing is flushed.
    pub(crate) fn write(
        &self,
        format: Format,
        paint: Paint,
        to: &mut impl Write,
    ) -> io::Result<()> {
        let text = match format {
            Format::Lines => text::lines(self, paint),
            Format::Tree => text::tree(self, paint),
            Format::Short => text::short(self),
            Format::Json => json::line(self)?,
        };
        to.write_all(text.as_bytes())
    }

    fn result(&self) -> Result<&Resolved, Trouble<'_>> {
        match &self.end {
            End::NotAName(why) => Err(Trouble::NotAName(why)),
            End::LineTooLong => Err(Trouble::NotAName(&"the line is longer than 4096 bytes")),
            End::Outcome(outcome) => outcome.as_deref().map_err(|error| Trouble::Failed(error)),
        }
    }
}

/// Why there is no result.
#[derive(Clone, Copy)]
enum Trouble<'a> {
    NotAName(&'a dyn fmt::Display),
    Failed(&'a ResolveError),
}

/// Seconds until an instant, the started one counted: what is fresh for 299.9 s was fresh for 300 s when it came.
fn seconds_until(at: Instant, until: Instant) -> u64 {
    until
        .saturating_duration_since(at)
        .as_nanos()
        .div_ceil(1_000_000_000)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
