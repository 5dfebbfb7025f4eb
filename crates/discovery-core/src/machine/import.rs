//! Facts that leave a resolver as data, and those that come in as such.
//!
//! Knows nothing of how they travel, nor of which of two facts counts.
//!
//! A lookup that waits for an imported fact continues with it, and the request goes on: its answer is newer and replaces
//! the fact. After an import all cached errors are computed again from facts, without asking; they are few, and no index
//! from facts to results is needed.

use serde::{Deserialize, Serialize};

use super::Resolver;
use crate::cache::changes::Cursor;
use crate::export::{Export, ImportResult};
use crate::fact::Question;
use crate::util::{Instant, UnixMillis};

/// The numbers of facts that an import added, skipped and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportSummary {
    /// Facts that were new.
    pub taken: usize,
    /// Facts that the cache had already, or had a newer fact for.
    pub known: usize,
    /// Facts that were too old to be used.
    pub expired: usize,
}

impl Resolver {
    /// Exports a page of the facts learnt since `cursor`. [`Export::cursor`] is the position for the next page, and [`Export::has_more`]
    /// says whether there is one already. [`Cursor::START`] and cursors of other resolvers start with the oldest fact.
    ///
    /// `wall` is the wall-clock time at `now`. The cost depends on the new facts alone, and a page is bounded (I10). Imported facts are
    /// exported again; late answers, local failures and forgotten facts are not. Failures are exported with their consecutive number, so
    /// that resolvers that share facts do not all query a dead server.
    pub fn export_since(&mut self, cursor: Cursor, now: Instant, wall: UnixMillis) -> Export {
        self.advance(now);
        let export = self.cache.export_since(
            cursor,
            self.turn.now,
            wall,
            &self.turn.context.policy,
            self.turn.context.seed,
        );
        self.process_pending();
        export
    }

    /// All facts in one export.
    pub fn export(&mut self, now: Instant, wall: UnixMillis) -> Export {
        let mut all = self.export_since(Cursor::START, now, wall);
        while all.has_more() {
            all.append(self.export_since(all.cursor(), now, wall));
        }
        all
    }

    /// Takes in what another resolver has learnt, or this one before its process began anew. `wall` is what the wall clock shows at
    /// `now`.
    ///
    /// A fact is never fresher here than it was there, and lives no longer from when it was learnt than this resolver's own policy
    /// allows (R39): by however much the two clocks differ, in either direction, counts as time that has passed. It takes the place of
    /// what was learnt before it alone, so neither order nor repetition matters. It comes in on probation: what is in use is not pushed
    /// out. Addresses are judged when they are read, so the address policy holds. A lookup that waits for such a fact goes on with it at
    /// once; the request runs on, and what it brings counts then.
    pub fn import(&mut self, export: Export, now: Instant, wall: UnixMillis) -> ImportSummary {
        self.advance(now);
        // Both clocks show whole milliseconds: up to one more may have passed.
        let elapsed = wall.0.abs_diff(export.at.0).saturating_add(1);
        let mut taught = ImportSummary::default();
        for exported in export.facts {
            let awaited =
                self.waiting.contains_key(&exported.question).then(|| exported.question.clone());
            let lesson =
                self.cache.import(exported, elapsed, self.turn.now, &self.turn.context.policy);
            let count = match lesson {
                ImportResult::Taken => &mut taught.taken,
                ImportResult::AlreadyKnown => &mut taught.known,
                ImportResult::Expired => &mut taught.expired,
            };
            *count = count.saturating_add(1);
            if let Some(question) = awaited.filter(|_| lesson == ImportResult::Taken) {
                self.tell(&question);
            }
        }
        if taught.taken > 0 {
            self.results.taught();
            let taken = u64::try_from(taught.taken).unwrap_or(u64::MAX);
            self.counters.taught = self.counters.taught.saturating_add(taken);
        }
        self.process_pending();
        taught
    }

    /// Those who wait for a question go on with what has been taught, if it may be read.
    fn tell(&mut self, question: &Question) {
        let waiting = self.waiting.get(question).cloned().unwrap_or_default();
        for number in waiting.iter() {
            let Some(running) = self.lookups.get(&number) else { continue };
            let mode = running.lookup.mode();
            let known = self.cache.get(question, mode, self.turn.now, &self.turn.context.policy);
            if let Some(known) = known {
                self.stop_waiting(number, &known, true);
            }
            // What can't be read may stand in.
            self.dirty.insert(number);
        }
    }
}

#[cfg(test)]
mod tests;
