//! What may follow from what callers tell of places, as the invariants read: which come last, and when facts may be asked again
//! early.
//!
//! Written apart from the machine and knows nothing of lookups. Where it can't tell whether a name's facts were asked again, it takes
//! that they were not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{Feedback, Instant, Policy};

/// How long what a name's doubt has begun may go on asking: for as long as a lookup lives.
const GOES_ON: Duration = Duration::from_secs(100);

/// What is told of a place: for which name, or for all of them.
type Key = (SocketAddr, Option<String>);

#[derive(Clone, Copy, Debug)]
struct Rest {
    said: Feedback,
    times: u32,
    until: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Doubt {
    doubted: bool,
    /// Whether it was told once more before it was seen to ask: that may have been after it had begun to.
    again: bool,
    /// When its facts were last asked again early, and for which time in a row.
    asked: Option<(Instant, u32)>,
    /// When they may have begun to be asked again, at last.
    begun: Option<Instant>,
}

/// All accepted reports.
#[derive(Clone, Debug)]
pub(crate) struct FeedbackModel {
    first: Duration,
    longest: Duration,
    rests: BTreeMap<Key, Rest>,
    doubts: BTreeMap<String, Doubt>,
}

impl FeedbackModel {
    pub(crate) fn new(policy: &Policy) -> Self {
        let (first, longest) = (policy.feedback.backoff, policy.feedback.max_backoff);
        Self { first, longest, rests: BTreeMap::new(), doubts: BTreeMap::new() }
    }

    /// A caller's word was taken. `all` are the places of the name, the one it is about among them.
    pub(crate) fn told(
        &mut self,
        name: &str,
        place: SocketAddr,
        said: Feedback,
        all: &[SocketAddr],
        at: Instant,
    ) {
        let (anybody, own) = ((place, None), (place, Some(name.to_owned())));
        if said == Feedback::Connected {
            self.rests.remove(&own);
            let doubt = self.doubts.entry(name.to_owned()).or_default();
            (doubt.doubted, doubt.again) = (false, false);
        }
        if said == Feedback::ConnectFailed {
            self.fails(anybody, said, at);
        } else {
            self.rests.remove(&anybody);
        }
        if said.invalidates_facts() {
            self.fails(own, said, at);
        }
        let all_fail = all.iter().all(|place| self.rests(name, *place, at).is_some());
        if said.invalidates_facts() || (said == Feedback::ConnectFailed && all_fail) {
            let doubt = self.doubts.entry(name.to_owned()).or_default();
            doubt.again = doubt.doubted;
            doubt.doubted = true;
            self.used(name, at);
        }
    }

    fn fails(&mut self, key: Key, said: Feedback, at: Instant) {
        let before = self.rests.get(&key).copied();
        let rest = match before {
            Some(rest) if at < rest.until => Rest { said, ..rest },
            Some(rest) if at < rest.until + self.longest => {
                self.rest(said, rest.times.saturating_add(1), at)
            }
            Some(_) | None => self.rest(said, 1, at),
        };
        self.rests.insert(key, rest);
    }

    fn rest(&self, said: Feedback, times: u32, at: Instant) -> Rest {
        Rest { said, times, until: at + self.back_off(times) }
    }

    fn back_off(&self, times: u32) -> Duration {
        let doublings = times.saturating_sub(1).min(30);
        self.first
            .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(self.longest)
    }

    /// How a place fails under a name, while it comes last.
    pub(crate) fn rests(&self, name: &str, place: SocketAddr, at: Instant) -> Option<Feedback> {
        let keys = [(place, None), (place, Some(name.to_owned()))];
        let mut rests = keys.iter().filter_map(|key| self.rests.get(key));
        rests.find(|rest| at < rest.until).map(|rest| rest.said)
    }

    /// Moments from the one to the other, both included, at which other places may come last.
    pub(crate) fn moments(&self, since: Instant, at: Instant) -> Vec<Instant> {
        let ends = self.rests.values().map(|rest| rest.until);
        let ends = ends.filter(|until| since < *until && *until < at);
        [at, since].into_iter().chain(ends).collect()
    }

    /// A name is asked for: what is doubted may be asked again from here on, if its back-off is over.
    pub(crate) fn used(&mut self, name: &str, at: Instant) {
        let Some(doubt) = self.doubts.get(name).copied() else { return };
        let over = doubt.asked.is_none_or(|(asked, times)| asked + self.back_off(times) <= at);
        if doubt.doubted && over {
            self.doubts.entry(name.to_owned()).or_default().begun = Some(at);
        }
    }

    /// Whether a question that was answered at `told` may be asked again early, by any of these names.
    pub(crate) fn may_ask(
        &mut self,
        told: Instant,
        at: Instant,
        mut is_of: impl FnMut(&str) -> bool,
    ) -> bool {
        let first = self.first;
        // Nobody's word makes what is younger than the back-off be asked again.
        let mut may = |name: &str, doubt: &Doubt| {
            let open = |begun: &Instant| at <= *begun + GOES_ON && told + first <= *begun;
            doubt.begun.filter(open).filter(|_| is_of(name))
        };
        let mut could: Vec<(String, Instant)> = Vec::new();
        for (name, doubt) in &self.doubts {
            let Some(begun) = may(name, doubt) else { continue };
            if doubt.asked.is_some_and(|(asked, _)| asked == begun) {
                return true;
            }
            could.push((name.clone(), begun));
        }
        // Where several could have asked, nobody knows whose back-off has begun.
        if let [(name, begun)] = could.as_slice() {
            self.ask(name, *begun);
        }
        !could.is_empty()
    }

    /// The facts of a name are asked again early.
    fn ask(&mut self, name: &str, begun: Instant) {
        let Some(doubt) = self.doubts.get(name).copied() else { return };
        let recent = |(asked, times): &(Instant, u32)| {
            begun < *asked + self.back_off(*times).saturating_add(self.longest)
        };
        let times = doubt.asked.filter(recent).map_or(0, |(_, times)| times);
        let asked = Some((begun, times.saturating_add(1)));
        let doubt = Doubt { doubted: doubt.again, again: false, asked, ..doubt };
        self.doubts.insert(name.to_owned(), doubt);
    }
}
