//! One resolution case in every layer: the name itself, what is asked for later, several calls at once, shares over many seeds.
//!
//! Knows nothing of how a layer runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{Outcome, Question, Speculation};
use discovery_sim::{Latency, Line, Options, START, Scenario, run_each, run_resolver};

use super::convert::{Unwritable, scenario};
use super::format::{Concurrency, Distribution, Expect, ResolutionCase};
use super::judge::{Seen, judge};
use super::simple::Verdict;
use crate::layers::{self, Ended, Layer};

/// Why a case is none of ours; None: it is.
pub(super) fn foreign(case: &ResolutionCase) -> Option<String> {
    if let "config" | "proxy" | "http-body" = case.scope.as_str() {
        return Some(format!("another project's setting (scope {})", case.scope));
    }
    for (key, value) in &case.policy {
        let why = match key.as_str() {
            "ip_deny" | "ip_allow" => continue,
            "proxy_hosts" => {
                // Without the setting, a name that is no proxy is judged like any other.
                let host = case.server_name.split(':').next().unwrap_or_default();
                let named = value.as_array().into_iter().flatten().any(|proxy| {
                    proxy.as_str().is_some_and(|proxy| proxy.eq_ignore_ascii_case(host))
                });
                if !named {
                    continue;
                }
                "another project's setting (proxy_hosts)".to_owned()
            }
            "address_cache_capacity" => {
                "another project's setting (address_cache_capacity)".to_owned()
            }
            other => format!("unknown setting {other}"),
        };
        return Some(why);
    }
    if let Some(field) = &case.unknown {
        return Some(format!("unknown field {field}"));
    }
    if let Some(error @ ("config" | "srv_target_is_cname")) = expected(case).error.as_deref() {
        return Some(format!("another project's setting (error {error})"));
    }
    if case.agrees_with_spec == false && case.spec_expect.is_none() {
        return Some("by its own word not what the specification says".to_owned());
    }
    None
}

/// What must come out: what the specification says, where the case tells it apart.
fn expected(case: &ResolutionCase) -> &Expect {
    case.spec_expect.as_ref().unwrap_or(&case.expect)
}

/// The case as a scenario, in which each follow-up begins so long after the name before it was answered.
pub(super) fn paced(case: &ResolutionCase, pause: Duration) -> Result<Scenario, Unwritable> {
    let mut ends = Vec::new();
    for _ in &case.followups {
        let before = scenario(case, &ends, pause)?;
        let run = run_resolver(&layers::speculating(&before, Speculation::Off), Options::default());
        let end = run.ends.last().and_then(|end| end.at).unwrap_or(START);
        ends.push(end.saturating_duration_since(START));
    }
    scenario(case, &ends, pause)
}

/// A case, and the scenario that it is written as.
pub(super) struct Trial<'a> {
    pub(super) case: &'a ResolutionCase,
    pub(super) scenario: &'a Scenario,
    pub(super) remembers: bool,
}

impl Trial<'_> {
    /// The name itself by the reference model.
    pub(super) fn reference(&self) -> Verdict {
        let verdicts = layers::verdicts(&self.alone());
        let seen = match verdicts.first() {
            Some(Some(verdict)) => Seen::reference(verdict),
            _ => Seen::invalid(),
        };
        Verdict::of(self.judge_all([seen]))
    }

    /// The name itself, in every order of answers: no end is a broken promise or another than the reference model's, and what
    /// comes without a timer is what must come out.
    pub(super) fn orders(&self) -> Verdict {
        match layers::orders(&self.alone()) {
            Err(faults) => Verdict::Failed(faults),
            Ok(names) => {
                let judged = |outcome: &Outcome| {
                    self.judge_all([Seen::machine(outcome, &[], false).without_questions()])
                };
                let ends = names.iter().flatten().map(judged);
                Verdict::of(ends.min_by_key(Vec::len).unwrap_or_default())
            }
        }
    }

    /// The name itself, and what is asked for later, by a machine.
    pub(super) fn machine(&self, layer: &dyn Layer) -> Verdict {
        let alone = self.alone();
        let later = layer.declines(self.scenario).is_none() && self.remembers;
        let scenario = match paced(self.case, layer.pause()) {
            Ok(paced) if later => paced,
            Ok(_) | Err(_) => alone,
        };
        let verdict = Verdict::of(layers::examine(layer, &scenario, |ends, frugal| {
            self.judge_all(ends.iter().map(|end| seen(end, frugal)))
        }));
        let wants = !self.case.followups.is_empty() && layer.declines(self.scenario).is_none();
        if verdict == Verdict::Passed && wants && !later {
            return Verdict::Skipped("what is asked for later needs the cache".to_owned());
        }
        verdict
    }

    /// Expectations about more than one run.
    pub(super) fn special(&self) -> Vec<(&'static str, Verdict)> {
        let expect = expected(self.case);
        let mut verdicts = Vec::new();
        if let Some(wanted) = &expect.distribution {
            verdicts.push(("seeds", Verdict::of(self.distribution(wanted))));
        }
        if let Some(wanted) = &expect.concurrency {
            verdicts.push(("at once", Verdict::of(self.concurrency(wanted))));
        }
        verdicts
    }

    /// Where the specification leaves a choice open, and all layers agree with each other but not with the case, this
    /// project's policy decides otherwise.
    pub(super) fn settle(
        &self,
        verdicts: Vec<(&'static str, Verdict)>,
    ) -> Vec<(&'static str, Verdict)> {
        let open = self.case.agrees_with_spec == "unclear" && self.case.spec_expect.is_none();
        let mut failures = verdicts.iter().filter_map(|(_, verdict)| match verdict {
            Verdict::Failed(found) => Some(found),
            Verdict::Passed | Verdict::Skipped(_) => None,
        });
        let Some(first) = failures.next().filter(|_| open).cloned() else { return verdicts };
        let unanimous = failures.all(|found| found.first() == first.first())
            && verdicts.iter().all(|(_, verdict)| *verdict != Verdict::Passed);
        if !unanimous {
            return verdicts;
        }
        vec![("all", Verdict::Failed(first).left_open(true))]
    }

    /// The scenario up to the name itself.
    fn alone(&self) -> Scenario {
        let first = self.scenario.lines.iter().position(|line| matches!(line, Line::At(_)));
        let mut alone = self.scenario.clone();
        alone.lines.truncate(first.unwrap_or(alone.lines.len()));
        alone
    }

    /// How what came of each name in turn differs from what must.
    fn judge_all(&self, all: impl IntoIterator<Item = Seen>) -> Vec<String> {
        let resolves = self.scenario.resolves();
        let mut found: Vec<String> = Vec::new();
        for (index, seen) in all.into_iter().enumerate() {
            let expect = match index.checked_sub(1) {
                None => expected(self.case),
                Some(later) => match self.case.followups.get(later) {
                    Some(followup) => &followup.expect,
                    None => continue,
                },
            };
            let at = resolves.get(index).map(|resolve| resolve.at).unwrap_or_default();
            for one in judge(expect, &seen, &self.scenario.world_at(at)) {
                let one = if index == 0 { one } else { format!("follow-up {index}: {one}") };
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        found
    }

    fn distribution(&self, wanted: &Distribution) -> Vec<String> {
        let alone = self.alone();
        let mut counts: BTreeMap<SocketAddr, u32> = BTreeMap::new();
        for seed in 0..wanted.trials {
            let scenario = layers::seeded(&alone, u64::from(seed));
            for run in run_each(&scenario, Options::default()) {
                let outcomes =
                    run.ends.iter().filter_map(|end| end.outcome.as_ref()?.as_ref().ok());
                for done in outcomes.filter_map(|outcome| outcome.as_ref().ok()) {
                    if let Some(first) = done.socket_addrs().next() {
                        let count = counts.entry(first).or_default();
                        *count = count.saturating_add(1);
                    }
                }
            }
        }
        let mut found = Vec::new();
        for (place, share) in &wanted.first {
            let count =
                place.parse().ok().and_then(|place: SocketAddr| counts.get(&place).copied());
            let got = f64::from(count.unwrap_or(0)) / f64::from(wanted.trials.max(1));
            if (got - share).abs() > wanted.tolerance {
                found.push(format!("distribution of {place}: expected {share}, got {got}"));
            }
        }
        found
    }

    fn concurrency(&self, wanted: &Concurrency) -> Vec<String> {
        let mut scenario = self.alone();
        let name = self.case.server_name.clone();
        scenario.lines.retain(|line| !matches!(line, Line::Resolve { .. }));
        for call in 0..wanted.parallel_calls {
            // Given up while the first question is still open.
            let abandon = (call == 0 && wanted.cancel_first).then_some(Duration::from_millis(1));
            scenario.lines.push(Line::Resolve { name: name.clone(), abandon });
        }
        let latency = Latency::Same(Duration::from_millis(5));
        let run = run_resolver(&scenario, Options { latency, ..Options::default() });
        let mut found: Vec<String> = run.violations.iter().map(ToString::to_string).collect();
        let questions = run.questions();
        let gets = questions.iter().filter(|question| matches!(question, Question::Get(_))).count();
        if let Some(total) = wanted.http_requests_total.filter(|total| *total != gets) {
            found.push(format!("http_requests_total: expected {total}, got {gets}"));
        }
        let world = scenario.world_at(Duration::ZERO);
        let waiting = run.ends.iter().skip(usize::from(wanted.cancel_first));
        for end in waiting {
            match end.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok()) {
                Some(outcome) => {
                    let seen = Seen::machine(outcome, &questions, false);
                    found.extend(judge(expected(self.case), &seen, &world));
                }
                None => found.push("one of the calls never ends".to_owned()),
            }
        }
        found
    }
}

fn seen(end: &Ended, frugal: bool) -> Seen {
    match end.result() {
        Some(outcome) => Seen::machine(outcome, end.asked.as_deref().unwrap_or_default(), frugal),
        None => Seen::invalid(),
    }
}
