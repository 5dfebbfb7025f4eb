//! Exports of facts, for another resolver, a file or a store, and their text format.
//!
//! The text is lines of JSON: a header with the format, its version and the wall-clock time; one fact per line; a last line with their
//! number and a checksum. Times are ages and remaining lifetimes at the moment of the export, so no fact can come from the future. No
//! fact is returned before the whole text has been read.
//!
//! The difference between the clocks of both sides counts as time that has passed, in either direction, and rounding
//! makes facts older. A clock that jumps therefore makes facts expire early and never late.

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use crate::cache::changes::Cursor;
use crate::export::BadExport;
use crate::fact::{Fact, Question};
use crate::name::DnsName;
use crate::util::UnixMillis;

/// The format name in the header.
const FORMAT: &str = "matrix-discovery-facts";
/// The version of the format that is written, and the only one that is read.
pub(super) const VERSION: u64 = 1;
/// The maximum number of facts that are read of one export.
pub const MAX_EXPORT_FACTS: usize = 4_000_000;
/// Longest line of an export, in bytes: as many SRV records as the largest DNS message holds, each with the longest name.
const MAX_LINE: u64 = 2 * 1024 * 1024;
/// Most letters of what is said of a line that can't be read.
const MAX_WHY: usize = 200;

/// Facts of one resolver at one moment, in the order in which it has learnt them.
///
/// Whatever is in here could be a resolver's: what could not be is refused when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// When it was made.
    pub(crate) at: UnixMillis,
    /// The position for the next export.
    pub(crate) cursor: Cursor,
    /// Whether there was more, for which there was no room.
    pub(crate) more: bool,
    pub(crate) facts: Vec<Exported>,
}

/// One question and its fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    #[serde(rename = "q")]
    pub(crate) question: Question,
    /// The latest that was learnt.
    #[serde(rename = "f")]
    pub(crate) fact: Fact,
    /// The age at the time of the export, in milliseconds.
    pub(crate) age: u64,
    /// For how much longer it is fresh, in milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) left: u64,
    /// Whether it must never be used after that (R120).
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) never_stale: bool,
    /// The number of consecutive failures, if the fact is a temporary failure.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) failures: u8,
    /// The last good fact, if the fact is a temporary failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) good: Option<Dated>,
}

/// A fact and its time, as of the latest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dated {
    #[serde(rename = "f")]
    pub(crate) fact: Fact,
    /// Its age.
    pub(crate) age: u64,
    /// For how much longer it is fresh.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) left: u64,
    /// Whether it must never be used after that (R120).
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) never_stale: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    version: u64,
    at: UnixMillis,
    cursor: Cursor,
    #[serde(default, skip_serializing_if = "is_default")]
    more: bool,
}

/// The fields that the headers of all versions have in common.
#[derive(Deserialize)]
struct AnyHead {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: usize,
    sum: String,
}

impl Export {
    /// When it was made.
    pub fn at(&self) -> UnixMillis {
        self.at
    }

    /// The position for the next export.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Whether there is more already, from that cursor on.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// How many facts it holds.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// The facts.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Exported> {
        self.facts.iter()
    }

    /// Keeps the facts of these questions alone.
    pub fn retain(&mut self, mut keep: impl FnMut(&Question) -> bool) {
        self.facts.retain(|exported| keep(&exported.question));
    }

    /// Splits the facts, in order, into portions of at most this number, at least one. A shared resolver can be unlocked between
    /// portions.
    pub fn portions(self, most: usize) -> impl Iterator<Item = Self> {
        let Self { at, cursor, more, facts } = self;
        let mut facts = facts.into_iter();
        std::iter::from_fn(move || {
            let facts: Vec<_> = facts.by_ref().take(most.max(1)).collect();
            (!facts.is_empty()).then_some(Self { at, cursor, more, facts })
        })
    }

    /// Appends the next export of the same resolver. Ages are relative to the first export, which can make facts older, never younger.
    pub fn append(&mut self, next: Self) {
        let later = next.at.0.abs_diff(self.at.0);
        self.facts.extend(next.facts.into_iter().map(|mut exported| {
            exported.age = exported.age.saturating_add(later);
            exported.left = exported.left.saturating_sub(later);
            if let Some(good) = &mut exported.good {
                good.age = good.age.saturating_add(later);
                good.left = good.left.saturating_sub(later);
            }
            exported
        }));
        self.cursor = next.cursor;
        self.more = next.more;
    }

    /// Writes the export as text.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut to = Summed { to, sum: SipHasher13::new() };
        let (format, version) = (FORMAT.to_owned(), VERSION);
        let head = Head { format, version, at: self.at, cursor: self.cursor, more: self.more };
        let mut line = Vec::new();
        to.line(&mut line, &head)?;
        for exported in &self.facts {
            to.line(&mut line, exported)?;
        }
        let sum = to.sum();
        to.line(&mut line, &End { end: self.facts.len(), sum })?;
        to.to.flush()
    }

    /// The text.
    pub fn to_text(&self) -> String {
        let mut text = Vec::new();
        // A vector takes everything, and JSON is UTF-8.
        let _ = self.write(&mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Says why nothing of it can be used.
    pub fn read(text: &[u8]) -> Result<Self, BadExport> {
        Self::read_from(text)
    }

    /// Reads a text line by line: no more than one line is held in memory beside the facts.
    ///
    /// # Errors
    /// Says why nothing of it can be used. The head tells what is something else, so no more than 2 MiB of that are read.
    pub fn read_from(from: impl BufRead) -> Result<Self, BadExport> {
        let mut lines = Lines { from, line: Vec::new(), number: 0 };
        let mut sum = SipHasher13::new();
        if !lines.advance()? {
            return Err(BadExport::Foreign);
        }
        let any: AnyHead = serde_json::from_slice(&lines.line).map_err(|_| BadExport::Foreign)?;
        if any.format != FORMAT {
            return Err(BadExport::Foreign);
        }
        if any.version != VERSION {
            return Err(BadExport::Version(any.version));
        }
        let Head { at, cursor, more, .. } = lines.parse()?;
        add(&mut sum, &lines.line);
        let mut export = Self { at, cursor, more, facts: Vec::new() };
        loop {
            if !lines.advance()? {
                return Err(BadExport::CutOff);
            }
            if lines.line.starts_with(b"{\"end\":") {
                let end: End = lines.parse()?;
                if end.end != export.facts.len() || end.sum != total(&sum) {
                    return Err(BadExport::Damaged);
                }
                return if lines.is_at_end()? { Ok(export) } else { Err(BadExport::Trailing) };
            }
            if export.facts.len() >= MAX_EXPORT_FACTS {
                return Err(BadExport::TooLarge);
            }
            let mut exported: Exported = lines.parse()?;
            let impossible = |why| BadExport::Impossible { line: lines.number, why };
            exported.check().map_err(impossible)?;
            exported.share_name(export.facts.last());
            add(&mut sum, &lines.line);
            export.facts.push(exported);
        }
    }
}

impl Exported {
    /// The question.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The latest that was learnt.
    pub fn fact(&self) -> &Fact {
        &self.fact
    }

    /// Its age at the time of the export.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.age)
    }

    /// For how much longer it was fresh then.
    pub fn left(&self) -> Duration {
        Duration::from_millis(self.left)
    }

    /// The last good fact, if the latest one is a temporary failure.
    pub fn stale(&self) -> Option<&Fact> {
        self.good.as_ref().map(|good| &good.fact)
    }

    /// Facts of both families of a host are adjacent, so their name is stored once.
    fn share_name(&mut self, before: Option<&Self>) {
        if let Question::Dns(name, _) = &mut self.question
            && let Some(Question::Dns(other, _)) = before.map(|before| &before.question)
            && name == other
        {
            *name = DnsName::clone(other);
        }
    }
}

struct Summed<W> {
    to: W,
    sum: SipHasher13,
}

impl<W: Write> Summed<W> {
    fn line(&mut self, line: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
        line.clear();
        serde_json::to_writer(&mut *line, value)?;
        add(&mut self.sum, line);
        line.push(b'\n');
        self.to.write_all(line)
    }

    fn sum(&self) -> String {
        total(&self.sum)
    }
}

fn add(sum: &mut SipHasher13, line: &[u8]) {
    use std::hash::Hasher as _;
    sum.write(line);
    sum.write(b"\n");
}

fn total(sum: &SipHasher13) -> String {
    use std::hash::Hasher as _;
    format!("{:016x}", sum.finish())
}

struct Lines<R> {
    from: R,
    /// The last line, without its end.
    line: Vec<u8>,
    /// The number of the last line, from 1.
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line, which must have an end. False: there is none.
    fn advance(&mut self) -> Result<bool, BadExport> {
        self.line.clear();
        let mut within = (&mut self.from).take(MAX_LINE);
        within.read_until(b'\n', &mut self.line).map_err(|error| BadExport::Read(error.kind()))?;
        if self.line.pop_if(|last| *last == b'\n').is_none() {
            return if within.limit() == 0 { Err(BadExport::TooLarge) } else { Ok(false) };
        }
        self.number = self.number.saturating_add(1);
        Ok(true)
    }

    fn is_at_end(&mut self) -> Result<bool, BadExport> {
        let rest = self.from.fill_buf().map_err(|error| BadExport::Read(error.kind()))?;
        Ok(rest.is_empty())
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, BadExport> {
        serde_json::from_slice(&self.line)
            .map_err(|error| BadExport::Unreadable { line: self.number, why: legible(&error) })
    }
}

/// An error in a few words: it quotes what it does not like, however long that is and whatever letters are in it.
fn legible(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let escaped = text.chars().take(MAX_WHY).flat_map(|letter| {
        let (raw, escaped) = match letter.is_control() {
            true => (None, Some(letter.escape_default())),
            false => (Some(letter), None),
        };
        raw.into_iter().chain(escaped.into_iter().flatten())
    });
    let more = if text.chars().nth(MAX_WHY).is_some() { "…" } else { "" };
    escaped.chain(more.chars()).collect()
}

#[cfg(test)]
mod tests;
