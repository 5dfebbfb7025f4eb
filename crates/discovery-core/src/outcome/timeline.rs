//! When each question of a lookup was asked and answered.

use serde::{Deserialize, Serialize};

use crate::fact::Question;
use crate::util::Instant;

/// When each question was asked and answered. It is no part of the explanation, because it differs from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline {
    /// The questions, in the order in which they were asked.
    pub questions: Vec<Timed>,
}

/// When one question was asked and answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timed {
    /// The question.
    pub question: Question,
    /// When its first request went out, or the lookup joined others that were waiting for it.
    pub asked: Instant,
    /// When its fact was there; None: it was not needed or not waited for any longer.
    pub answered: Option<Instant>,
    /// Whether it was asked ahead of need and never came to be needed.
    pub wasted: bool,
}
