//! When each question of a lookup was asked and answered.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::fact::Question;
use crate::util::Instant;

/// When each question was asked and answered: beside the explanation, for it differs from run to run. Any two timelines are
/// equal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline {
    /// The questions, in the order in which they were asked.
    pub questions: Vec<Timed>,
}

/// When one question was asked and answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed {
    /// The question.
    pub question: Question,
    /// When its first request went out, or the lookup joined others that were waiting for it.
    pub asked: Instant,
    /// When its fact was there; None: it was not needed or not waited for any longer.
    pub answered: Option<Instant>,
    /// Whether it was asked ahead of need and never came to be needed.
    pub in_vain: bool,
}

impl PartialEq for Timeline {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Timeline {}

impl Hash for Timeline {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
