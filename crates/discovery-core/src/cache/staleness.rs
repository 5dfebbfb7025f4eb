//! When a fact is due for a refresh, and for how long it may be used after its expiry (RFC 8767).
//!
//! A definite failure of a document, such as a 404, may be used while stale as a document may. A temporary failure leads
//! to the same next step, so the result is unaffected, and the explanation shows the last definite answer.

use std::sync::Arc;

use crate::fact::{CachedFact, Question, Standing};
use crate::policy::Policy;
use crate::util::Instant;

/// Whether a fact is old enough to be refreshed at its next use.
pub(super) fn is_due(known: &CachedFact, now: Instant, policy: &Policy) -> bool {
    due(known, policy).is_some_and(|due| now >= due)
}

/// When a fact is worth asking again ahead of its expiry. What is asked again only after a back-off is not asked ahead of it.
pub(crate) fn due(known: &CachedFact, policy: &Policy) -> Option<Instant> {
    let until = known.expires?;
    let waits = known.standing == Standing::Stale || known.fact.is_temporary();
    match policy.cache.refresh_ahead_percent.filter(|_| !waits) {
        Some(percent) => {
            let life = until.saturating_duration_since(known.learnt);
            let part = life.checked_div(100).unwrap_or_default();
            Some(known.learnt + part.saturating_mul(u32::from(percent.min(100))))
        }
        None => Some(until),
    }
}

/// Whether a fact may still be used though a newer one could not be had.
pub(super) fn is_usable(good: &CachedFact, now: Instant, policy: &Policy) -> bool {
    now < usable_until(good, policy)
}

/// Until when a fact may be used though a newer one could not be had: while it is fresh, and as the last good one.
pub(super) fn usable_until(good: &CachedFact, policy: &Policy) -> Instant {
    let limit = match good.question {
        Question::Get(_) => policy.well_known.max_ttl,
        Question::Dns(..) => policy.cache.max_stale,
    };
    let oldest = good.learnt + limit;
    // R120.
    let never_stale =
        good.standing == Standing::NeverStale || policy.cache.serve_stale_after.is_none();
    match good.expires {
        Some(until) if never_stale => until.min(oldest),
        Some(_) | None => oldest,
    }
}

/// The last good fact, to be used as stale until `until`.
pub(super) fn in_place_of(
    good: &CachedFact,
    until: Option<Instant>,
    policy: &Policy,
) -> Arc<CachedFact> {
    let usable = usable_until(good, policy);
    Arc::new(CachedFact {
        question: good.question.clone(),
        fact: good.fact.clone(),
        learnt: good.learnt,
        expires: until.map(|until| until.min(usable)),
        standing: Standing::Stale,
        noticed: good.noticed,
    })
}
