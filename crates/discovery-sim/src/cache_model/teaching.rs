//! What the invariants say of facts that travel: never fresher than they were, never past their cap, and as good as if they had been
//! learnt here when they were learnt there.
//!
//! Reads an export by its text, apart from the machine.

use std::time::Duration;

use discovery_core::{Export, Fact, Instant, Policy, Question};
use serde::Deserialize;

use super::{CacheModel, History, KEPT, Said, Told, greatest_age, is_temporary};

/// One line of an export.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "q")]
    question: Question,
    #[serde(flatten)]
    latest: Dated,
    #[serde(default)]
    failures: u32,
    good: Option<Dated>,
}

#[derive(Deserialize)]
struct Dated {
    #[serde(rename = "f")]
    fact: Fact,
    age: u64,
    #[serde(default)]
    left: u64,
    #[serde(default)]
    never_stale: bool,
}

fn lines(export: &Export) -> Vec<Line> {
    let read =
        |text: &str| serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"));
    let text = export.to_text();
    let facts = text.lines().skip(1).take(export.len());
    facts.map(read).collect()
}

impl CacheModel {
    /// Facts leave at this moment.
    ///
    /// # Errors
    /// Says which of them must not leave so.
    pub fn exported(&self, export: &Export, now: Instant) -> Result<(), String> {
        for Line { question, latest, good, .. } in lines(export) {
            let unheard = || format!("{question}: nobody ever said {}", latest.fact);
            let history = self.questions.get(&question).ok_or_else(unheard)?;
            for Dated { fact, age, left, .. } in
                [Some(&latest), good.as_ref()].into_iter().flatten()
            {
                let until = now + Duration::from_millis(*left);
                let age = Duration::from_millis(*age);
                let as_told = |told: &Told| {
                    told.said.is(fact)
                        && now <= told.at + age
                        && (*left == 0 || until <= told.at + told.life.1)
                };
                let fits = if is_temporary(fact) {
                    history.may_have_failed.is_some()
                        && (*left == 0 || until <= history.outlives(&question, now, &self.policy))
                } else {
                    history.told.iter().any(as_told)
                };
                if !fits || *fact == Fact::Late {
                    return Err(format!(
                        "{question}: {fact} of {age:?} ago is fresh until {until:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Facts come in at this moment, so long after they have left another one's memory, as the clocks show it.
    pub fn taught(&mut self, export: &Export, elapsed: Duration, now: Instant) {
        for Line { question, latest, failures, good } in lines(export) {
            let history = self.questions.entry(question.clone()).or_default();
            for dated in good.into_iter().chain([latest]) {
                history.taught(&question, dated, failures, elapsed, now, &self.policy);
            }
        }
    }
}

impl History {
    fn taught(
        &mut self,
        question: &Question,
        dated: Dated,
        failures: u32,
        elapsed: Duration,
        now: Instant,
        policy: &Policy,
    ) {
        let Dated { fact, age, left, never_stale } = dated;
        let age = Duration::from_millis(age).saturating_add(elapsed);
        let cap = cap(question, &fact, policy).saturating_sub(age);
        let left = Duration::from_millis(left).saturating_sub(elapsed).min(cap);
        if left.is_zero() && (never_stale || age >= greatest_age(question, policy)) {
            return;
        }
        let nanos = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        let at = Instant::from_nanos(now.as_nanos().saturating_sub(nanos));
        if is_temporary(&fact) {
            if self.told.last().is_none_or(|told| told.at <= at) {
                self.may_have_failed = self.may_have_failed.max(Some(at));
                self.failures = (0, self.failures.1.max(failures));
                self.failed = None;
                self.may_outlive(question, now, policy);
                self.failing_until = self.failing_until.max(now + left);
            }
            return;
        }
        let firm = matches!(fact, Fact::Unusable(_));
        let said = if firm { Said::Firm } else { Said::Fact(fact) };
        let life = age.saturating_add(left);
        let place = self.told.partition_point(|told| told.at <= at);
        let newest =
            place == self.told.len() && self.may_have_failed.is_none_or(|failed| failed < at);
        self.told.insert(place, Told { said, at, life: (life, life), never_stale });
        if self.told.len() > KEPT {
            self.told.remove(0);
        }
        if newest {
            self.may_outlive(question, now, policy);
            self.failures = (0, 0);
            self.failed = None;
            self.forgotten = false;
        }
    }
}

/// The longest that a fact may live, whoever says so.
fn cap(question: &Question, fact: &Fact, policy: &Policy) -> Duration {
    match (question, fact) {
        (Question::Get(_), Fact::Unusable(_) | Fact::Failed(_)) => policy.well_known.failure_ttl,
        (Question::Get(_), _) => policy.well_known.max_ttl,
        (Question::Dns(..), Fact::NotFound(_)) => policy.dns.negative_max_ttl,
        (Question::Dns(..), Fact::Failed(_)) => policy.dns.failure_max_ttl,
        (Question::Dns(..), _) => policy.dns.max_ttl,
    }
}
