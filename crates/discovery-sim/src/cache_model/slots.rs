//! When as many questions of a kind were open as may be at once.
//!
//! A question holds one slot whatever its attempts. Knows nothing of slots for each host: here a host is asked for one document.

use discovery_core::{Instant, Policy, Question};

/// Slots of both kinds.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    dns: Kind,
    http: Kind,
}

#[derive(Clone, Debug)]
struct Kind {
    limit: usize,
    open: usize,
    /// When they were last all in use.
    full: Option<Instant>,
}

impl Slots {
    pub(super) fn new(policy: &Policy) -> Self {
        let kind = |limit| Kind { limit, open: 0, full: None };
        Self { dns: kind(policy.limits.dns_slots), http: kind(policy.limits.http_slots) }
    }

    fn kind(&mut self, question: &Question) -> &mut Kind {
        match question {
            Question::Dns(..) => &mut self.dns,
            Question::Get(_) => &mut self.http,
        }
    }

    pub(super) fn taken(&mut self, question: &Question) {
        let kind = self.kind(question);
        kind.open = kind.open.saturating_add(1);
    }

    pub(super) fn given_back(&mut self, question: &Question, at: Instant) {
        let kind = self.kind(question);
        if kind.is_full() {
            kind.full = Some(at);
        }
        kind.open = kind.open.saturating_sub(1);
    }

    /// Whether there may have been none for this question at some time since then.
    pub(super) fn were_full(&self, question: &Question, since: Instant) -> bool {
        let kind = match question {
            Question::Dns(..) => &self.dns,
            Question::Get(_) => &self.http,
        };
        kind.is_full() || kind.full.is_some_and(|full| since <= full)
    }
}

impl Kind {
    fn is_full(&self) -> bool {
        self.limit <= self.open
    }
}
