//! A model of the cache after the invariants: how long an answer may be used, when a question may be sent again, and which answer may be
//! used at a given time.
//!
//! Written apart from the machine and knows nothing of lookups and attempts: it is told what went out and what the world said, and
//! counts what is open, for who finds no slot asks nobody. Where it can't tell from there whether a question has failed or was only
//! given up, it allows both.

mod slots;
mod teaching;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use discovery_core::{
    Answer, DnsReply, Fact, HttpResponse, Instant, NotFound, Policy, Question, RecordData,
    RecordType, TlsName,
};

use slots::Slots;

/// One answer of the world.
#[derive(Clone, Debug)]
struct Told {
    said: Said,
    at: Instant,
    /// Its shortest and longest lifetime; jitter lies between.
    life: (Duration, Duration),
    /// R120: never once that is over.
    never_stale: bool,
}

/// The relevant part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// This.
    Fact(Fact),
    /// An HTTP answer of no use that stays one.
    Firm,
    /// A failure that may pass.
    Temporary,
}

#[derive(Clone, Debug, Default)]
struct History {
    /// The last answers that are no failures that may pass, the latest last.
    told: Vec<Told>,
    /// Failures in a row since then, at least and at most.
    failures: (u32, u32),
    /// When the last failure was certain.
    failed: Option<Instant>,
    /// When it may have failed at last, whatever came after.
    may_have_failed: Option<Instant>,
    /// Until when a result may live on a failure, or on a last good answer in its place.
    failing_until: Instant,
    /// Whether what was told may have been forgotten since.
    forgotten: bool,
    /// Requests that are open.
    open: u32,
    /// Since when it has been asked, if it still is.
    asked: Option<Instant>,
    /// Whether one of the requests has failed.
    error: bool,
    /// Whether it may not have failed yet, though no request is open: a document that waits for more addresses of its host.
    may_go_on: bool,
    /// When it ended for the last time after it had been asked for so long that others fall back.
    was_late: Option<Instant>,
}

/// Answers of one question that are kept: enough for the longest lookup.
const KEPT: usize = 8;

/// The model of the cache.
#[derive(Clone, Debug)]
pub struct CacheModel {
    policy: Policy,
    questions: BTreeMap<Question, History>,
    slots: Slots,
}

impl CacheModel {
    /// An empty cache.
    pub fn new(policy: Policy) -> Self {
        let slots = Slots::new(&policy);
        Self { policy, questions: BTreeMap::new(), slots }
    }

    /// A request goes out. `may_doubt` says whether what was told at an instant may be in doubt though it is fresh.
    ///
    /// # Errors
    /// Says why the question must not be asked now.
    pub fn asked(
        &mut self,
        question: &Question,
        at: Instant,
        may_doubt: impl FnOnce(Instant) -> bool,
    ) -> Result<(), String> {
        let policy = &self.policy;
        let history = self.questions.entry(question.clone()).or_default();
        history.open = history.open.saturating_add(1);
        if history.open == 1 {
            self.slots.taken(question);
        }
        if history.asked.is_some() {
            return Ok(());
        }
        history.asked = Some(at);
        history.error = false;
        history.may_go_on = false;
        if let Some(failed) = history.failed {
            let (least, _) = back_off(question, history.failures, policy);
            if at < failed + least {
                return Err(format!("{question} failed at {failed:?}: it is in back-off"));
            }
        } else if let (Some(told), (_, 0), false) =
            (history.told.last(), history.failures, history.forgotten)
        {
            let percent = u32::from(policy.cache.refresh_ahead_percent.unwrap_or(100));
            let ahead = told.life.0.saturating_mul(percent).checked_div(100).unwrap_or_default();
            if at < told.at + ahead && !may_doubt(told.at) {
                return Err(format!("{question} was answered at {:?}: it is fresh", told.at));
            }
        }
        Ok(())
    }

    /// The world answers a request.
    pub fn answered(&mut self, question: &Question, answer: &Answer, at: Instant) {
        let told = match (question, answer) {
            (Question::Dns(..), Answer::Dns(_, Ok(reply))) => {
                Some(read_dns(reply, at, &self.policy))
            }
            (Question::Get(_), Answer::Http(_, Ok(response))) => {
                Some(read_http(response, at, &self.policy))
            }
            _ => None,
        };
        let history = self.questions.entry(question.clone()).or_default();
        history.open = history.open.saturating_sub(1);
        if history.open == 0 {
            self.slots.given_back(question, at);
        }
        match told {
            Some(told) if told.said == Said::Temporary => {
                history.error = true;
                // An HTTP answer is final.
                history.end_badly(question, true, at, &self.policy);
            }
            Some(told) => {
                // It may have been given up as late before: a lookup that has waited for long enough waits no more.
                history.end_late(at, &self.policy);
                history.asked = None;
                history.may_go_on = false;
                history.may_outlive(question, at, &self.policy);
                history.failures = (0, 0);
                history.failed = None;
                history.forgotten = false;
                history.told.push(told);
                if history.told.len() > KEPT {
                    history.told.remove(0);
                }
            }
            None => history.error = true,
        }
    }

    /// A request is cancelled.
    pub fn cancelled(&mut self, question: &Question, at: Instant) {
        let history = self.questions.entry(question.clone()).or_default();
        history.open = history.open.saturating_sub(1);
        if history.open == 0 {
            self.slots.given_back(question, at);
        }
        // Given up by its lookups, maybe, while another place could still have answered.
        history.error = false;
    }

    /// All that happens at this moment has happened: questions with no request left have ended.
    pub fn rest(&mut self, at: Instant) {
        // A document may still be asked for at addresses of its host that are yet to come.
        let under_way = |question: &Question| {
            self.addresses(question).iter().any(|(_, history)| history.asked.is_some())
        };
        let going_on: BTreeSet<Question> =
            self.questions.keys().filter(|it| under_way(it)).cloned().collect();
        for (question, history) in &mut self.questions {
            if history.asked.is_some() && history.open == 0 {
                // Without an error the last request was cancelled: given up by its lookups, or failed by the clock.
                history.may_go_on = going_on.contains(question);
                let certain = history.error && !history.may_go_on;
                history.end_badly(question, certain, at, &self.policy);
            } else if history.may_go_on {
                // It may fail as late as its host has no address left to come.
                history.may_outlive(question, at, &self.policy);
                history.may_go_on = going_on.contains(question);
            }
        }
    }

    /// The machine was away. What was given up as late before may be given up as late again, and may have failed for another lookup in
    /// between: a back-off ends in the meantime, a question under way does not.
    pub fn paused(&mut self) {
        for history in self.questions.values_mut().filter(|history| history.asked.is_some()) {
            history.failures.1 = history.failures.1.saturating_add(2);
        }
    }

    /// These questions may have been forgotten, and asked anew.
    pub fn forget(&mut self, mut may_be: impl FnMut(&Question) -> bool) {
        for (question, history) in &mut self.questions {
            if may_be(question) {
                history.forgotten = true;
                history.failures.0 = 0;
                history.failed = None;
            }
        }
    }

    /// Whether a lookup that ran from `begun` to `at` may have used this fact. Gives until when the result may live on it.
    ///
    /// # Errors
    /// Says why not.
    pub fn used(
        &self,
        question: &Question,
        fact: &Fact,
        stale: bool,
        begun: Instant,
        at: Instant,
    ) -> Result<Instant, String> {
        let unheard = || format!("{question}: nobody ever said {fact}");
        let history = self.questions.get(question).ok_or_else(unheard)?;
        let policy = &self.policy;
        let mut failing = history.is_failing(begun);
        let mut outlives = history.outlives(question, at, policy);
        // Nobody could be asked, for want of a slot or, for a document, of an address: what was known had to do, for that moment.
        let mut unasked = self.slots.were_full(question, begun);
        // A document that can't be asked for is asked for again when its host's addresses are.
        for (question, history) in self.addresses(question) {
            unasked |= history.is_late(at, policy)
                || history.was_late.is_some_and(|late| begun <= late)
                || self.slots.were_full(question, begun);
            failing |= history.is_failing(begun);
            outlives = outlives.max(history.outlives(question, at, policy));
        }
        if !failing {
            outlives = at;
        }
        if is_temporary(fact) {
            let before = |good: &&Told| history.may_have_failed.is_some_and(|at| good.at < at);
            if let Some(good) = history.told.last().filter(before)
                && !history.forgotten
                && *fact != Fact::Late
                && !stale
                && good.said != Said::Firm
                && good.may_stand_in(question, at, good.life.0, policy)
            {
                return Err(format!("{question}: {fact} takes the place of {:?}", good.said));
            }
            let unknown = || format!("{question}: no {fact} is known");
            let unasked = unasked && (stale || *fact == Fact::Late);
            return (failing || unasked).then_some(outlives).ok_or_else(unknown);
        }
        let said = |told: &&Told| told.said.is(fact);
        let told = history.told.iter().rfind(said).ok_or_else(unheard)?;
        // What was learnt meanwhile may be used however short its life is; and what had been told before, by whoever has read it,
        // though the same was told since for a shorter time.
        let lives = history.told.iter().filter(said).map(|told| (told.at, told.at + told.life.1));
        let fresh = lives.filter(|(at, until)| begun <= *at || begun < *until);
        if let Some(until) = fresh.map(|(_, until)| until).max().filter(|_| !stale) {
            return Ok(until);
        }
        if !failing && !unasked {
            return Err(format!("{question}: {fact} has expired, and nothing keeps from asking"));
        }
        if !told.may_stand_in(question, begun, told.life.1, policy) {
            return Err(format!("{question}: {fact} is too old to be the last good answer"));
        }
        if !stale {
            return Err(format!("{question}: {fact} is the last good answer, and nobody says so"));
        }
        Ok(outlives.min(told.at + greatest_age(question, policy)))
    }
}

impl CacheModel {
    /// What is known of the addresses of a document's host, and of what it was ever told to be an alias of.
    fn addresses(&self, question: &Question) -> Vec<(&Question, &History)> {
        let mut hosts = match question {
            Question::Get(url) => Vec::from([url.host()]),
            Question::Dns(..) => Vec::new(),
        };
        let mut addresses = Vec::new();
        let mut next = 0;
        while let Some(host) = hosts.get(next).cloned() {
            next = next.saturating_add(1);
            for (other, history) in &self.questions {
                let Question::Dns(name, RecordType::Aaaa | RecordType::A) = other else { continue };
                if host != TlsName::Dns(name.clone()) {
                    continue;
                }
                addresses.push((other, history));
                for told in &history.told {
                    if let Said::Fact(Fact::Alias(target)) = &told.said {
                        let target = TlsName::Dns(target.clone());
                        if !hosts.contains(&target) {
                            hosts.push(target);
                        }
                    }
                }
            }
        }
        addresses
    }
}

impl History {
    fn is_failing(&self, begun: Instant) -> bool {
        self.asked.is_some() || begun <= self.failing_until
    }

    /// Whether it has been asked for so long that lookups fall back.
    fn is_late(&self, at: Instant, policy: &Policy) -> bool {
        let (asked, after) = (self.asked, policy.cache.serve_stale_after);
        asked.zip(after).is_some_and(|(asked, after)| asked + after <= at)
    }

    fn end_late(&mut self, at: Instant, policy: &Policy) {
        if self.is_late(at, policy) {
            self.was_late = Some(at);
        }
    }

    fn end_badly(&mut self, question: &Question, certain: bool, at: Instant, policy: &Policy) {
        // A question that was late before it failed may count twice: the back-off of a late one can be over first.
        self.failures.1 = self.failures.1.saturating_add(u32::from(self.is_late(at, policy)));
        self.end_late(at, policy);
        self.asked = None;
        self.may_have_failed = Some(at);
        let (least, most) = self.failures;
        self.may_outlive(question, at, policy);
        self.failures = (least.saturating_add(u32::from(certain)), most.saturating_add(1));
        self.failed = certain.then_some(at);
    }

    fn outlives(&self, question: &Question, at: Instant, policy: &Policy) -> Instant {
        let mut failed = self.clone();
        failed.may_outlive(question, at, policy);
        failed.failing_until
    }

    /// A failure at this moment would live for as long as one more in a row does.
    fn may_outlive(&mut self, question: &Question, at: Instant, policy: &Policy) {
        let (_, longest) = back_off(question, (0, self.failures.1.saturating_add(1)), policy);
        self.failing_until = self.failing_until.max(at + longest);
    }
}

impl Told {
    /// Whether it may still be used at that moment though it may have expired.
    fn may_stand_in(
        &self,
        question: &Question,
        at: Instant,
        life: Duration,
        policy: &Policy,
    ) -> bool {
        let fresh = at < self.at + life;
        let stale = policy.cache.serve_stale_after.is_some() && !self.never_stale;
        (fresh || stale) && at < self.at + greatest_age(question, policy)
    }
}

impl Said {
    fn is(&self, fact: &Fact) -> bool {
        match self {
            Self::Fact(said) => said == fact,
            Self::Firm => matches!(fact, Fact::Unusable(_)) && !is_temporary(fact),
            Self::Temporary => is_temporary(fact),
        }
    }
}

fn greatest_age(question: &Question, policy: &Policy) -> Duration {
    match question {
        Question::Dns(..) => policy.cache.max_stale,
        Question::Get(_) => policy.well_known.max_ttl,
    }
}

/// How long the question is not asked again after so many failures in a row, at least and at most.
fn back_off(question: &Question, failures: (u32, u32), policy: &Policy) -> (Duration, Duration) {
    let (base, cap) = match question {
        Question::Dns(..) => (policy.dns.failure_ttl, policy.dns.failure_max_ttl),
        Question::Get(_) => (policy.well_known.retry_ttl, policy.well_known.failure_ttl),
    };
    let doubled = |base: Duration, count: u32| {
        let doublings = count.saturating_sub(1).min(20);
        base.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
    };
    let least = less_jitter(doubled(base, failures.0).min(cap), policy);
    // A question that was late waits for as long as a late address does.
    let late = doubled(policy.dns.failure_ttl, failures.1).min(policy.cache.partial_result_ttl);
    (least, doubled(base, failures.1).min(cap).max(late))
}

fn less_jitter(life: Duration, policy: &Policy) -> Duration {
    let percent = 100_u32.saturating_sub(u32::from(policy.cache.ttl_jitter_percent));
    life.saturating_mul(percent).checked_div(100).unwrap_or_default()
}

fn is_temporary(fact: &Fact) -> bool {
    use discovery_core::UnusableResponse::Status;
    let temporary = |status: &u16| is_temporary_status(*status);
    matches!(fact, Fact::Failed(_) | Fact::Late)
        || matches!(fact, Fact::Unusable(Status(status)) if temporary(status))
}

fn is_temporary_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn read_dns(reply: &DnsReply, at: Instant, policy: &Policy) -> Told {
    let mut addresses = Vec::new();
    let mut services = Vec::new();
    for record in &reply.records {
        match &record.data {
            RecordData::A(ip) => addresses.push((*ip).into()),
            RecordData::Aaaa(ip) => addresses.push((*ip).into()),
            RecordData::Srv(service) => services.push(service.clone()),
            RecordData::Cname(_) | RecordData::Unusable => {}
        }
    }
    let seconds = |ttl: u32| Duration::from_secs(if ttl >> 31 == 1 { 0 } else { ttl.into() });
    let least = reply.records.iter().map(|record| seconds(record.ttl)).min();
    let life = match least {
        Some(ttl) => ttl.max(policy.dns.min_ttl).min(policy.dns.max_ttl),
        None => reply
            .negative_ttl
            .map_or(policy.dns.negative_default_ttl, seconds)
            .max(policy.dns.negative_min_ttl)
            .min(policy.dns.negative_max_ttl),
    };
    let fact = if !addresses.is_empty() {
        Fact::Addresses { addresses: addresses.into(), alias: None }
    } else if !services.is_empty() {
        Fact::Services(services.into())
    } else if reply.nxdomain {
        Fact::NotFound(NotFound::NxDomain)
    } else {
        Fact::NotFound(NotFound::NoData)
    };
    Told { said: Said::Fact(fact), at, life: (life, life), never_stale: false }
}

fn read_http(response: &HttpResponse, at: Instant, policy: &Policy) -> Told {
    let status = response.status.as_u16();
    let value = || serde_json::from_slice::<serde_json::Value>(&response.body).ok();
    let delegated = || value()?.get("m.server")?.as_str()?.parse().ok();
    let mut never_stale = false;
    let mut lifetime = None;
    for value in response.headers.get_all("cache-control") {
        for directive in value.to_str().unwrap_or_default().split(',') {
            match directive.trim().split_once('=') {
                Some(("max-age", seconds)) => lifetime = lifetime.or(seconds.parse().ok()),
                None if matches!(directive.trim(), "no-store" | "no-cache") => {
                    (never_stale, lifetime) = (true, Some(0));
                }
                None if directive.trim() == "must-revalidate" => never_stale = true,
                _ => {}
            }
        }
    }
    match (status, delegated()) {
        (200, Some(name)) => {
            let default = policy.well_known.default_ttl;
            let jitter = default.saturating_sub(less_jitter(default, policy));
            let (least, most) = match lifetime.map(Duration::from_secs) {
                Some(life) => (life, life),
                None => (default.saturating_sub(jitter), default.saturating_add(jitter)),
            };
            let bounded =
                |life: Duration| life.max(policy.well_known.min_ttl).min(policy.well_known.max_ttl);
            let said = Said::Fact(Fact::Document(name));
            Told { said, at, life: (bounded(least), bounded(most)), never_stale }
        }
        _ => {
            let said = if is_temporary_status(status) { Said::Temporary } else { Said::Firm };
            let life = policy.well_known.failure_ttl;
            Told { said, at, life: (less_jitter(life, policy), life), never_stale }
        }
    }
}
