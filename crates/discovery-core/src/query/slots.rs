//! Slots for questions of one kind, in all and for each host, and the queue before them.
//!
//! Knows nothing of how a question is answered. The queue serves the oldest lookup and the newest in turn: a crowd that came
//! at once gets through, and whoever comes alone in the middle of it does not wait for its end.

use std::collections::BTreeMap;

use crate::fact::Question;
use crate::name::TlsName;

/// A place in the queue: the lookup that asked first, then the order of asking.
pub(crate) type Place = (u64, u64);

/// Slots of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slots {
    limit: usize,
    host_limit: usize,
    used: usize,
    taken: u64,
    queue: BTreeMap<Place, Question>,
    /// Only hosts that have a slot.
    hosts: BTreeMap<TlsName, Host>,
    newest_next: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Host {
    used: usize,
    /// Questions that had their turn when this host had no slot left.
    parked: BTreeMap<Place, Question>,
}

impl Slots {
    /// Changes the limits. If more slots are in use than a smaller limit allows, no new slot is given until enough are free.
    pub(crate) fn set_limits(&mut self, limit: usize, host_limit: usize) {
        (self.limit, self.host_limit) = (limit.max(1), host_limit.max(1));
    }

    pub(crate) fn new(limit: usize, host_limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            host_limit: host_limit.max(1),
            used: 0,
            taken: 0,
            queue: BTreeMap::new(),
            hosts: BTreeMap::new(),
            newest_next: false,
        }
    }

    pub(crate) fn in_use(&self) -> usize {
        self.used
    }

    /// How many questions have had a slot so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn waiting(&self) -> usize {
        let parked = self.hosts.values().map(|host| host.parked.len());
        self.queue.len().saturating_add(parked.sum())
    }

    /// Takes a slot at once, if nobody waits and there is one; otherwise queues.
    pub(crate) fn take_or_wait(&mut self, place: Place, question: &Question) -> bool {
        if self.queue.is_empty() && self.take(place, question) {
            return true;
        }
        // Unless it has been parked before its host.
        let parked = host(question)
            .and_then(|host| self.hosts.get(&host))
            .is_some_and(|host| host.parked.contains_key(&place));
        if !parked {
            self.queue.insert(place, question.clone());
        }
        false
    }

    /// Whether a question waits that may get a slot: those before a host that has none left do not.
    pub(crate) fn has_next(&self) -> bool {
        self.used < self.limit && !self.queue.is_empty()
    }

    /// The next question to get a slot, which it has then.
    pub(crate) fn next(&mut self) -> Option<Question> {
        while self.used < self.limit {
            let (place, question) =
                if self.newest_next { self.queue.pop_last() } else { self.queue.pop_first() }?;
            self.newest_next = !self.newest_next;
            if self.take(place, &question) {
                return Some(question);
            }
        }
        None
    }

    fn take(&mut self, place: Place, question: &Question) -> bool {
        if self.used >= self.limit {
            return false;
        }
        if let Some(host) = host(question) {
            let host = self.hosts.entry(host).or_default();
            if host.used >= self.host_limit {
                host.parked.insert(place, question.clone());
                return false;
            }
            host.used = host.used.saturating_add(1);
        }
        self.used = self.used.saturating_add(1);
        self.taken = self.taken.saturating_add(1);
        true
    }

    /// Gives a slot back.
    pub(crate) fn give_back(&mut self, question: &Question) {
        self.used = self.used.saturating_sub(1);
        let Some(name) = host(question) else { return };
        let Some(host) = self.hosts.get_mut(&name) else { return };
        host.used = host.used.saturating_sub(1);
        if let Some((place, question)) = host.parked.pop_first() {
            self.queue.insert(place, question);
        } else if host.used == 0 {
            self.hosts.remove(&name);
        }
    }

    /// Takes a question out of the queue.
    pub(crate) fn leave(&mut self, place: Place, question: &Question) {
        let queued = self.queue.remove(&place).is_some();
        let Some(name) = host(question) else { return };
        let Some(host) = self.hosts.get_mut(&name) else { return };
        if !queued {
            host.parked.remove(&place);
        } else if let Some((place, question)) = host.parked.pop_first() {
            // It may have been called out of the park for a slot that came free: the next one goes in its place.
            self.queue.insert(place, question);
        }
        if host.used == 0 && host.parked.is_empty() {
            self.hosts.remove(&name);
        }
    }
}

/// The host that a question bothers. Name servers are few, and all questions' alike.
fn host(question: &Question) -> Option<TlsName> {
    match question {
        Question::Dns(..) => None,
        Question::Get(url) => Some(url.host()),
    }
}

#[cfg(test)]
mod tests;
