//! Why a text is no export.

use std::fmt;
use std::io;

use crate::export::Impossible;
use crate::export::format::VERSION;

/// Why an export was refused. Nothing of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadExport {
    /// It is something else.
    Foreign,
    /// It is of a version that this one does not read.
    Version(u64),
    /// It has no end: it was cut off.
    CutOff,
    /// It is not what was written: its checksum, or the number of facts, is another.
    Damaged,
    /// There is something after its end.
    Trailing,
    /// It holds more than [`MAX_EXPORT_FACTS`](crate::MAX_EXPORT_FACTS), or a line is longer than any fact.
    TooLarge,
    /// The source could not be read.
    Read(io::ErrorKind),
    /// A line can't be parsed.
    Unreadable {
        /// Which one, from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// A line holds an impossible fact.
    Impossible {
        /// Which one, from 1.
        line: usize,
        /// Why not.
        why: Impossible,
    },
}

impl fmt::Display for BadExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not an export of facts"),
            Self::Version(version) => {
                write!(f, "an export of version {version}; this one reads version {VERSION}")
            }
            Self::CutOff => f.write_str("cut off: it has no end"),
            Self::Damaged => f.write_str("damaged: its checksum is another"),
            Self::Trailing => f.write_str("there is something after its end"),
            Self::TooLarge => {
                f.write_str("too large: more facts, or a longer line, than there can be")
            }
            Self::Read(kind) => write!(f, "it could not be read: {kind}"),
            Self::Unreadable { line, why } => write!(f, "line {line} can't be read: {why}"),
            Self::Impossible { line, why } => write!(f, "line {line} can't be true: {why}"),
        }
    }
}

impl std::error::Error for BadExport {}
