//! Forgets names: their cached facts and results, and requests in flight.
//!
//! The facts of a name are those that a lookup of it reads and asks for.
//!
//! Forgetting a name also cancels its requests in flight, because their answers may predate the call. They are made anew
//! where a lookup waits for them; lookups of other names that share the question wait for the new answer, with unchanged
//! deadlines.
//!
//! Forgetting follows the aliases of the document's host from memory. A lookup with a cached document reads no addresses,
//! but the next fetch would use the old ones. Facts that other names use as well are dropped, too, because they are part
//! of this name's answer.

use std::collections::BTreeSet;

use super::Resolver;
use crate::fact::Question;
use crate::io::RecordType;
use crate::name::{DnsName, ServerName, TlsName};
use crate::util::Instant;

impl Resolver {
    /// Drops the result of a name and every fact behind it. Later lookups of the name use answers to requests sent after this call alone.
    ///
    /// Requests in flight for these facts are cancelled, because their answers may predate the call, and are sent again where a lookup
    /// needs them. Tickets for the name keep their deadlines; a refresh of it is cancelled. Reports about its endpoints are kept.
    pub fn forget(&mut self, name: &ServerName, now: Instant) {
        self.advance(now);
        self.results.forget(name);
        let mut questions = self.questions_in_memory(name);
        for number in self.lookups_of(name) {
            let Some(running) = self.lookups.get_mut(&number) else { continue };
            questions.extend(running.lookup.questions().cloned());
            if running.lookup.is_background() {
                self.remove(number);
            } else {
                running.lookup.restart();
                self.dirty.insert(number);
            }
        }
        for host in questions.iter().filter_map(host_of_document).collect::<Vec<_>>() {
            for kind in [RecordType::Aaaa, RecordType::A] {
                self.along_aliases(Question::Dns(host.clone(), kind), &mut questions);
            }
        }
        for question in &questions {
            self.cache.forget(question);
            if let Some(crate::machine::Detached { until, .. }) = self.detached.remove(question) {
                self.detached_timers.remove(&(until, question.clone()));
            }
            self.in_flight.drop_question(question, &mut self.turn);
            // Whoever waits for it asks for it once more.
            self.dirty.extend(self.waiting.get(question).into_iter().flat_map(|all| all.iter()));
        }
        self.process_pending();
    }

    /// Drops all results and all facts. Running lookups send their questions again, within their deadlines; refreshes are cancelled.
    /// Reports of callers and measurements of name servers and address families are kept.
    pub fn forget_all(&mut self, now: Instant) {
        self.advance(now);
        self.results.clear();
        self.cache.clear();
        self.detached.clear();
        self.detached_timers.clear();
        for number in self.lookups.keys().copied().collect::<Vec<_>>() {
            let Some(running) = self.lookups.get_mut(&number) else { continue };
            if running.lookup.is_background() {
                self.remove(number);
            } else {
                running.lookup.restart();
                self.dirty.insert(number);
            }
        }
        for question in self.in_flight.questions().cloned().collect::<Vec<_>>() {
            self.in_flight.drop_question(&question, &mut self.turn);
        }
        self.process_pending();
    }

    /// What is remembered of a name, expired or not, for that may still stand in; and what it would ask for from there on.
    fn questions_in_memory(&mut self, name: &ServerName) -> BTreeSet<Question> {
        // Whether it comes to an end or not: what it has read on the way is what the answer rests on.
        let (lookup, _) = self.recollect(name, &self.turn.context.clone());
        lookup.questions().cloned().collect()
    }

    /// A question, and those that follow from it by the aliases that are remembered, expired or not; in a circle, too, no more than a
    /// lookup may follow.
    fn along_aliases(&self, mut question: Question, questions: &mut BTreeSet<Question>) {
        for _ in 0..=self.turn.context.policy.dns.max_aliases {
            let target = self.cache.alias(&question);
            let kind = match &question {
                Question::Dns(_, kind) => *kind,
                Question::Get(_) => return,
            };
            questions.insert(question);
            let Some(target) = target else { return };
            question = Question::Dns(target, kind);
        }
    }

    /// The lookup that tickets for a name share, and those in the background.
    fn lookups_of(&self, name: &ServerName) -> Vec<u64> {
        let own = self.names.get(name).copied();
        if !self.refreshing.contains(name) {
            return own.into_iter().collect();
        }
        let of_name = self.lookups.iter().filter(|(_, running)| running.lookup.name() == name);
        of_name.map(|(number, _)| *number).collect()
    }
}

/// The host that a document is got from.
pub(super) fn host_of_document(question: &Question) -> Option<DnsName> {
    match question {
        Question::Get(url) => match url.host() {
            TlsName::Dns(host) => Some(host),
            TlsName::Ip(_) => None,
        },
        Question::Dns(..) => None,
    }
}
