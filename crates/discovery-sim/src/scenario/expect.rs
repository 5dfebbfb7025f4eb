//! What must come out of a scenario, and how it differs from what came out.
//!
//! Knows nothing of who ran it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{
    ErrorKind, Explanation, Instant, InvalidServerName, Outcome, Question, Resolved, Step,
};

use crate::reference::{Expected, ExpectedResult};

/// What must come out of one `resolve`.
///
/// `asked`, `never`, `gets` and `queries` speak of all that is asked from the moment of this `resolve` to the next later
/// one, with speculation off.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Expect {
    /// `done …`, `fail …`, and alternatives by `or …`: any of these is right. Empty (`any`): whatever comes out.
    pub wanted: Vec<Wanted>,
    /// `why …`: the summary of the explanation.
    pub why: Option<String>,
    /// `asked …`
    pub asked: Vec<Asked>,
    /// `never …`
    pub never: Vec<Asked>,
    /// `gets N`: so many URLs are fetched, each counted once however many addresses are tried.
    pub gets: Option<Count>,
    /// `queries N`: so many names and types are asked of DNS, each counted once however many attempts it takes.
    pub queries: Option<Count>,
}

/// Something that may be asked.
pub type Asked = Question;

/// A result, or a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `done …`
    Done(Box<Done>),
    /// `fail …`
    Fail(ErrorKind),
}

/// A result; what is None or empty is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Done {
    /// Where to connect, in order.
    pub targets: Vec<Addresses>,
    /// `host=`: the `Host` header.
    pub host: Option<String>,
    /// `tls=`: what the certificate must be valid for.
    pub tls: Option<String>,
    /// `sni=`: the server name indication; `sni=-` for none.
    pub sni: Option<Option<String>>,
    /// `step=`: the step that decided.
    pub step: Option<Step>,
    /// `fresh=`: for how long the answer may be reused, from the moment it came out.
    pub fresh: Option<Fresh>,
}

/// One place in the order of places to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// This one.
    One(SocketAddr),
    /// `{A B C}`: these, in any order.
    AnyOrder(BTreeSet<SocketAddr>),
}

/// For how long an answer may be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// `fresh=ever`
    Ever,
    /// `fresh=300s`, or `fresh=5m..6m`, to the nearest second.
    Between(Duration, Duration),
}

/// `N`, or `..N` for at most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly so many.
    Exactly(usize),
    /// At most so many.
    AtMost(usize),
}

/// The outcome.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// The result, or how there is none.
    pub outcome: Result<&'a Resolved, ErrorKind>,
    /// The summary of the explanation.
    pub summary: String,
    /// When it came out.
    pub at: Instant,
    /// What was asked; None: that was not watched.
    pub questions: Option<&'a [Question]>,
}

/// One difference between what must come out and what came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// In what.
    pub what: &'static str,
    /// The expected result.
    pub expected: String,
    /// The outcome.
    pub got: String,
}

impl<'a> Observed<'a> {
    /// The end of a lookup, seen at that moment.
    pub fn new(outcome: &'a Outcome, at: Instant) -> Self {
        let summary = |explanation: &Explanation| explanation.summary();
        match outcome {
            Ok(done) => {
                Self { outcome: Ok(done), summary: summary(&done.explanation), at, questions: None }
            }
            Err(failed) => Self {
                outcome: Err(failed.kind),
                summary: summary(&failed.explanation),
                at,
                questions: None,
            },
        }
    }

    /// A name that is none: no machine is asked.
    pub fn invalid(why: InvalidServerName, at: Instant) -> Self {
        Self {
            outcome: Err(ErrorKind::InvalidServerName),
            summary: format!("not a server name: {why}"),
            at,
            questions: None,
        }
    }

    /// With what was asked.
    #[must_use]
    pub fn asking(self, questions: &'a [Question]) -> Self {
        Self { questions: Some(questions), ..self }
    }

    fn fresh(&self) -> Option<Fresh> {
        let Ok(done) = self.outcome else { return None };
        Some(match done.expires {
            None => Fresh::Ever,
            Some(until) => {
                let left = until.saturating_duration_since(self.at);
                let seconds = left.as_secs().saturating_add(u64::from(left.subsec_millis() >= 500));
                Fresh::Between(Duration::from_secs(seconds), Duration::from_secs(seconds))
            }
        })
    }
}

impl Expect {
    /// An expectation that exactly what came out comes out again: its result and its reason.
    pub fn of(observed: &Observed<'_>) -> Self {
        let wanted = match observed.outcome {
            Ok(done) => Wanted::Done(Box::new(Done {
                targets: done.socket_addrs().map(Addresses::One).collect(),
                host: Some(done.host_header_str().to_owned()),
                tls: Some(done.tls_name.to_string()),
                sni: None,
                step: Some(done.step),
                fresh: observed.fresh(),
            })),
            Err(kind) => Wanted::Fail(kind),
        };
        let why = (!observed.summary.is_empty()).then(|| observed.summary.clone());
        Self { wanted: vec![wanted], why, ..Self::default() }
    }

    /// How what came out differs; nothing if it is right.
    pub fn check(&self, observed: &Observed<'_>) -> Vec<Mismatch> {
        let mut found = self.check_outcome(observed);
        if let Some(why) = &self.why
            && *why != observed.summary
        {
            found.push(Mismatch::new("why", why, &observed.summary));
        }
        if let Some(questions) = observed.questions {
            self.check_questions(questions, &mut found);
        }
        found
    }

    /// How what the reference model expects differs; nothing if it is right. Order within a priority is not looked at,
    /// nor is what the model does not speak of.
    pub fn check_reference(&self, expected: &Expected) -> Vec<Mismatch> {
        let mut nearest: Option<Vec<Mismatch>> = None;
        for wanted in &self.wanted {
            let found = match (wanted, expected) {
                (Wanted::Done(done), Expected::Resolved(result)) => done.check_reference(result),
                (Wanted::Fail(wanted), Expected::Failed(kind)) if wanted == kind => Vec::new(),
                (wanted, Expected::Failed(kind)) => {
                    vec![Mismatch::new("outcome", wanted, format!("fail {kind}"))]
                }
                (wanted, Expected::Resolved(result)) => {
                    vec![Mismatch::new("outcome", wanted, format!("done by step {}", result.step))]
                }
            };
            if nearest.as_ref().is_none_or(|nearest| found.len() < nearest.len()) {
                nearest = Some(found);
            }
        }
        nearest.unwrap_or_default()
    }

    fn check_outcome(&self, observed: &Observed<'_>) -> Vec<Mismatch> {
        let mut nearest: Option<Vec<Mismatch>> = None;
        for wanted in &self.wanted {
            let found = wanted.check(observed);
            if nearest.as_ref().is_none_or(|nearest| found.len() < nearest.len()) {
                nearest = Some(found);
            }
        }
        nearest.unwrap_or_default()
    }

    fn check_questions(&self, questions: &[Question], found: &mut Vec<Mismatch>) {
        let distinct: BTreeSet<&Question> = questions.iter().collect();
        for question in &self.asked {
            if !distinct.contains(question) {
                found.push(Mismatch::new("asked", question, "not asked"));
            }
        }
        for question in &self.never {
            if distinct.contains(question) {
                found.push(Mismatch::new("never", question, "asked"));
            }
        }
        let gets = distinct.iter().filter(|question| matches!(question, Question::Get(_))).count();
        let counts = [("gets", self.gets, gets), ("queries", self.queries, distinct.len() - gets)];
        for (what, wanted, got) in counts {
            if let Some(wanted) = wanted.filter(|wanted| !wanted.allows(got)) {
                found.push(Mismatch::new(what, wanted, got));
            }
        }
    }
}

impl Wanted {
    fn check(&self, observed: &Observed<'_>) -> Vec<Mismatch> {
        let said = |outcome: Result<&Resolved, ErrorKind>| match outcome {
            Ok(done) => {
                let places: Vec<String> = done.socket_addrs().map(|at| at.to_string()).collect();
                format!("done {}", places.join(" "))
            }
            Err(kind) => format!("fail {kind}"),
        };
        match (self, observed.outcome) {
            (Self::Done(wanted), Ok(done)) => wanted.check(done, observed.fresh()),
            (Self::Fail(wanted), Err(kind)) if *wanted == kind => Vec::new(),
            (Self::Fail(wanted), outcome) => {
                vec![Mismatch::new("outcome", format!("fail {wanted}"), said(outcome))]
            }
            (Self::Done(wanted), outcome @ Err(_)) => {
                vec![Mismatch::new("outcome", wanted, said(outcome))]
            }
        }
    }
}

impl Done {
    fn check(&self, done: &Resolved, fresh: Option<Fresh>) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let got: Vec<SocketAddr> = done.socket_addrs().collect();
        if !self.targets.is_empty() && !Addresses::allow(&self.targets, &got) {
            let got: Vec<String> = got.iter().map(SocketAddr::to_string).collect();
            found.push(Mismatch::new("targets", Addresses::write(&self.targets), got.join(" ")));
        }
        let sni = |sni: Option<&str>| sni.unwrap_or("-").to_owned();
        let texts = [
            ("host", self.host.clone(), done.host_header_str().to_owned()),
            ("tls", self.tls.clone(), done.tls_name.to_string()),
            ("sni", self.sni.as_ref().map(|wanted| sni(wanted.as_deref())), sni(done.sni())),
            ("step", self.step.map(|step| step.to_string()), done.step.to_string()),
        ];
        for (what, wanted, got) in texts {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != got) {
                found.push(Mismatch::new(what, wanted, got));
            }
        }
        if let (Some(wanted), Some(fresh)) = (self.fresh, fresh)
            && !wanted.allows(fresh)
        {
            found.push(Mismatch::new("fresh", wanted, fresh));
        }
        found
    }
}

impl Done {
    fn check_reference(&self, result: &ExpectedResult) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let sni = |sni: Option<&str>| sni.unwrap_or("-").to_owned();
        let texts = [
            ("host", self.host.clone(), result.host_header.clone()),
            ("tls", self.tls.clone(), result.tls_name.to_string()),
            (
                "sni",
                self.sni.as_ref().map(|wanted| sni(wanted.as_deref())),
                sni(result.tls_name.sni()),
            ),
            ("step", self.step.map(|step| step.to_string()), result.step.to_string()),
        ];
        for (what, wanted, got) in texts {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != got) {
                found.push(Mismatch::new(what, wanted, got));
            }
        }
        let mut wanted = self.targets.as_slice();
        let right = result.groups.iter().all(|group| {
            let (these, rest) = Addresses::first(wanted, group.socket_addrs().count());
            wanted = rest;
            match group.places.len() {
                1 => Addresses::allow(these, &group.socket_addrs().collect::<Vec<_>>()),
                _ => Addresses::union(these) == group.socket_addrs().collect(),
            }
        });
        let cut = result.groups.iter().any(|group| group.take < group.places.len());
        let agrees = self.targets.is_empty() || cut || (right && wanted.is_empty());
        if !agrees {
            let got = format!("{:?}", result.groups);
            found.push(Mismatch::new("targets", Addresses::write(&self.targets), got));
        }
        found
    }
}

impl Addresses {
    fn union(all: &[Self]) -> BTreeSet<SocketAddr> {
        let mut union = BTreeSet::new();
        for places in all {
            match places {
                Self::One(place) => union.extend([*place]),
                Self::AnyOrder(set) => union.extend(set),
            }
        }
        union
    }

    /// The first of them that make up so many places, and the others.
    fn first(all: &[Self], places: usize) -> (&[Self], &[Self]) {
        let mut count = 0;
        let enough = all.iter().position(|one| {
            count += Self::union(std::slice::from_ref(one)).len();
            count >= places
        });
        let end = enough.map_or(all.len(), |index| index + 1);
        all.split_at_checked(end).unwrap_or((all, &[]))
    }

    fn allow(wanted: &[Self], got: &[SocketAddr]) -> bool {
        let mut rest = got;
        for places in wanted {
            let count = match places {
                Self::One(_) => 1,
                Self::AnyOrder(set) => set.len(),
            };
            let Some((these, after)) = rest.split_at_checked(count) else { return false };
            let right = match places {
                Self::One(place) => these == [*place],
                Self::AnyOrder(set) => these.iter().copied().collect::<BTreeSet<_>>() == *set,
            };
            if !right {
                return false;
            }
            rest = after;
        }
        rest.is_empty()
    }

    pub(super) fn write(all: &[Self]) -> String {
        let words: Vec<String> = all.iter().map(Self::to_string).collect();
        words.join(" ")
    }
}

impl Fresh {
    fn allows(self, got: Self) -> bool {
        match (self, got) {
            (Self::Ever, Self::Ever) => true,
            (Self::Between(least, most), Self::Between(got, _)) => least <= got && got <= most,
            (Self::Ever, Self::Between(..)) | (Self::Between(..), Self::Ever) => false,
        }
    }
}

impl Count {
    fn allows(self, got: usize) -> bool {
        match self {
            Self::Exactly(wanted) => got == wanted,
            Self::AtMost(most) => got <= most,
        }
    }
}

impl Mismatch {
    pub(crate) fn never_ended() -> Self {
        Self::new("outcome", "an end", "none")
    }

    fn new(what: &'static str, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self { what, expected: expected.to_string(), got: got.to_string() }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.what, self.expected, self.got)
    }
}
