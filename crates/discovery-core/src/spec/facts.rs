//! The facts that one lookup has read, by question.
//!
//! Knows nothing of what they are for.

use std::sync::Arc;

use crate::fact::{CachedFact, Question};
use crate::util::few_more;

/// Facts in the order of their questions. They are few, and many lookups keep some: a list takes less room than a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Facts(Vec<Arc<CachedFact>>);

impl Facts {
    pub(crate) fn get(&self, question: &Question) -> Option<&Arc<CachedFact>> {
        self.0.get(self.find(question).ok()?)
    }

    /// Inserts or replaces a fact.
    pub(crate) fn insert(&mut self, known: Arc<CachedFact>) {
        match self.find(&known.question) {
            Ok(at) => {
                if let Some(place) = self.0.get_mut(at) {
                    *place = known;
                }
            }
            Err(at) => {
                few_more(&mut self.0);
                self.0.insert(at, known);
            }
        }
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Arc<CachedFact>) -> bool) {
        self.0.retain(keep);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<CachedFact>> {
        self.0.iter()
    }

    fn find(&self, question: &Question) -> Result<usize, usize> {
        self.0.binary_search_by(|known| known.question.cmp(question))
    }
}
