//! The facts that one lookup has read, by question.
//!
//! Knows nothing of what they are for.

use std::sync::Arc;

use crate::fact::{Known, Question};
use crate::util::few_more;

/// Facts in the order of their questions. They are few, and many lookups keep some: a list takes less room than a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Facts(Vec<Arc<Known>>);

impl Facts {
    pub(crate) fn get(&self, question: &Question) -> Option<&Arc<Known>> {
        self.0.get(self.find(question).ok()?)
    }

    /// Puts a fact in, in the place of the one that is there.
    pub(crate) fn insert(&mut self, known: Arc<Known>) {
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

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Arc<Known>) -> bool) {
        self.0.retain(keep);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Known>> {
        self.0.iter()
    }

    fn find(&self, question: &Question) -> Result<usize, usize> {
        self.0.binary_search_by(|known| known.question.cmp(question))
    }
}
