//! What the specification's function writes while it reads: demands, decisions, and how long its facts hold.

use std::net::IpAddr;

use crate::cache::{Cache, ReadMode};
use crate::fact::Question;
use crate::name::DnsName;
use crate::outcome::{Decision, ErrorKind};
use crate::util::Instant;

/// How much a lookup needs a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Priority {
    /// It may be needed, depending on what is still unknown.
    Speculative,
    /// There is enough without it, but it would make the result better.
    Optional,
    /// Nothing goes on without it.
    Required,
}

/// A question that the function demands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Demand {
    pub(crate) question: Question,
    pub(crate) priority: Priority,
    /// For a GET: the vetted addresses to try, in order.
    pub(crate) via: Vec<IpAddr>,
    /// For a GET: whether more addresses may come.
    pub(crate) more: bool,
    /// For a GET: whether only the second-choice family's addresses are here so far (R127).
    pub(crate) hold: bool,
}

/// Why the function stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspend {
    /// A fact is missing and has been demanded.
    Missing,
    /// The lookup fails.
    Failed(ErrorKind),
}

/// What the function writes while it reads: kept between runs, so that a run allocates little.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Trace {
    pub(crate) asks: Vec<Demand>,
    pub(crate) decisions: Vec<Decision>,
    /// The least expiry of the facts read; None: they never expire.
    pub(crate) expires: Option<Instant>,
    /// When the first of them is worth asking again.
    pub(crate) refresh_at: Option<Instant>,
    /// A GET that can't be asked for yet, since no address of its host is known, and that has a stand-in.
    pub(crate) held_up: Option<Question>,
    /// Names made of other names: each is made once.
    pub(crate) names: Vec<DnsName>,
}

/// Facts that were learnt before, by anybody.
pub(crate) struct Memory<'a> {
    pub(crate) cache: &'a mut Cache,
    pub(crate) mode: ReadMode,
    /// Whether what others have given up as late counts as known.
    pub(crate) late: bool,
    pub(crate) now: Instant,
}
