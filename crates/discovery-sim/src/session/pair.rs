//! Two resolvers in one world that teach each other, each with a model of its own.
//!
//! Knows nothing of who chose the steps.

use std::time::Duration;

use discovery_core::{
    CacheLookup, Config, Cursor, Effect, Fact, Outcome, Resolver, ServerName, UnixMillis,
};

use super::setup::NAMES;
use super::{Half, Session};

/// What the wall clocks show when a life begins.
const WALL: u64 = 1_764_000_000_000;
/// By how much the clock of whoever is taught differs from the other one's, in milliseconds: none, a little, an hour behind or ahead,
/// and one that has lost everything.
const SKEWS: [i64; 6] = [0, 40, -40, 3_600_000, -3_600_000, -1_700_000_000_000];

impl Session {
    /// The other one lives on from here.
    pub(super) fn swap(&mut self) {
        self.meet();
        std::mem::swap(&mut self.here, &mut self.there);
    }

    /// The other one tells what it has learnt, all of it or since the last time.
    pub(super) fn import(&mut self, which: usize) {
        self.meet();
        let now = self.here.bench.now();
        let begun = now.saturating_duration_since(crate::run::START);
        let wall = WALL.saturating_add(u64::try_from(begun.as_millis()).unwrap_or(u64::MAX));
        let skew = SKEWS.get(which % SKEWS.len()).copied().unwrap_or_default();
        let cursor = if which.is_multiple_of(2) { self.there.told } else { Cursor::START };
        let export = self.there.bench.export_since(cursor, UnixMillis(wall));
        assert!(!export.has_more());
        self.there.told = export.cursor();
        assert_eq!(self.there.model.exported(&export, now), Ok(()));
        let elapsed = Duration::from_millis(skew.unsigned_abs().saturating_add(1));
        self.here.model.taught(&export, elapsed, now);
        self.here.bench.import(export, UnixMillis(wall.saturating_add_signed(skew)));
        self.here.hear();
        if !self.setup.remembers {
            self.compare_with_a_newcomer(wall);
        }
    }

    /// Both have come to the same moment.
    fn meet(&mut self) {
        let now = self.here.bench.now().max(self.there.bench.now());
        for half in [&mut self.here, &mut self.there] {
            half.bench.wait(now.saturating_duration_since(half.bench.now()));
            half.hear();
        }
    }

    /// I13: whoever knows nothing and is taught everything answers as the teacher would.
    fn compare_with_a_newcomer(&mut self, wall: u64) {
        let now = self.there.bench.now();
        let export = self.there.bench.export_since(Cursor::START, UnixMillis(wall));
        let mut newcomer = Resolver::new(Config::new(self.here.policy.clone()), now);
        let _ = newcomer.import(export, now, UnixMillis(wall));
        let Half { bench, .. } = &mut self.there;
        for name in NAMES {
            let Ok(parsed) = name.parse::<ServerName>() else { continue };
            let CacheLookup::Known(told) = bench.explain(name) else { continue };
            // What was late for the teacher is no fact about the world; and facts grow older by some milliseconds.
            let until = match &told {
                Ok(resolved) => resolved.expires,
                Err(failed) => failed.retry_after,
            };
            let soon = until.is_some_and(|until| until <= now + Duration::from_millis(3));
            if soon || decisions(&told).iter().any(is_impatient) {
                continue;
            }
            let own = newcomer.explain(&parsed, now);
            let CacheLookup::Known(own) = &own else { panic!("{name}: {told:?}\n{own:?}") };
            // What callers told is nobody else's to know.
            let told = decisions(&told).iter();
            let told = told.filter(|decision| !matches!(decision.effect, Effect::MovedBack(_)));
            assert!(told.eq(decisions(own)), "{name}: {own:?}");
        }
    }
}

fn decisions(outcome: &Outcome) -> &[discovery_core::Decision] {
    match outcome {
        Ok(resolved) => &resolved.explanation.decisions,
        Err(failed) => &failed.explanation.decisions,
    }
}

fn is_impatient(decision: &discovery_core::Decision) -> bool {
    decision.fact() == Some(&Fact::Late)
        || matches!(decision.effect, Effect::Stale | Effect::WentWithout)
}
