//! The view: the facts that the specification's function reads, and the demands that it makes while it reads.
//!
//! Turns a missing fact into a question, follows aliases, knows the names that are never asked for, vets addresses when they
//! are read. Knows no step of the specification, no time and no socket.

use std::net::IpAddr;
use std::sync::Arc;

use crate::address::{AddressFamily, Routes};
use crate::config::Context;
use crate::fact::{CachedFact, Fact, Question, Standing};
use crate::io::RecordType;
use crate::name::{DnsName, InvalidDnsName, ServerName, TlsName, Url};
use crate::outcome::{Decision, Effect, Step};
use crate::policy::{Policy, Speculation};
use crate::spec::{
    Demand, Facts, Family, HostAddresses, Memory, Priority, Suspend, Trace, Trouble,
};
use crate::util::{Instant, few_more};

/// The facts, and the notes taken while reading them.
pub(crate) struct FactView<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) routes: Routes,
    pub(super) second: Option<AddressFamily>,
    facts: &'a mut Facts,
    memory: Option<Memory<'a>>,
    trace: &'a mut Trace,
    /// Whether a fact was missing: what is read from there on is a guess.
    guessing: bool,
    /// Whether the guess is that everything is as it was last time.
    recalling: bool,
}

impl<'a> FactView<'a> {
    pub(crate) fn new(
        context: &'a Context,
        facts: &'a mut Facts,
        memory: Option<Memory<'a>>,
        trace: &'a mut Trace,
    ) -> Self {
        trace.asks.clear();
        trace.decisions.clear();
        trace.expires = None;
        trace.refresh_at = None;
        trace.held_up = None;
        Self {
            policy: &context.policy,
            routes: context.routes,
            second: context.second,
            facts,
            memory,
            trace,
            guessing: false,
            recalling: false,
        }
    }

    pub(crate) fn is_guessing(&self) -> bool {
        self.guessing
    }

    /// The host of a server name, whose text is given, as a name to ask for.
    pub(crate) fn host(
        &mut self,
        name: &ServerName,
        text: &str,
    ) -> Result<DnsName, InvalidDnsName> {
        if let Some(host) = DnsName::of(name) {
            return host;
        }
        let absolute = text.strip_suffix('.').unwrap_or(text);
        let is_it = |host: &&DnsName| host.as_str().eq_ignore_ascii_case(absolute);
        if let Some(host) = self.trace.names.iter().find(is_it) {
            return Ok(host.clone());
        }
        let host = DnsName::host(text)?;
        few_more(&mut self.trace.names);
        self.trace.names.push(host.clone());
        Ok(host)
    }

    /// The owner of a host's SRV records.
    pub(crate) fn service(&mut self, host: &DnsName, service: &str) -> Option<DnsName> {
        if let Some(owner) = self.trace.names.iter().find(|owner| owner.is_service(service, host)) {
            return Some(owner.clone());
        }
        let owner = host.service(service)?;
        few_more(&mut self.trace.names);
        self.trace.names.push(owner.clone());
        Some(owner)
    }

    /// Notes a decision and what caused it.
    pub(crate) fn decide(&mut self, step: Step, cause: Option<&Arc<CachedFact>>, effect: Effect) {
        if self.guessing {
            return;
        }
        few_more(&mut self.trace.decisions);
        self.trace.decisions.push(match cause {
            Some(known) => Decision::with_fact(step, Arc::clone(known), effect),
            None => Decision::without_fact(step, None, effect),
        });
        if let Some(known) = cause.filter(|known| known.standing == Standing::Stale) {
            let question = Some(known.question.clone());
            self.trace.decisions.push(Decision::without_fact(step, question, Effect::Stale));
        }
    }

    /// Notes that a fact has been used: the result lives no longer than it does.
    pub(crate) fn used(&mut self, known: &CachedFact) {
        if !self.guessing {
            let least = |a: Option<Instant>, b: Option<Instant>| match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let due = crate::cache::due(known, self.policy);
            self.trace.expires = least(self.trace.expires, known.expires);
            self.trace.refresh_at = least(self.trace.refresh_at, due);
        }
    }

    /// Notes that redirects lead nowhere: a failure, which lives no longer than failures do, whatever lifetime the
    /// redirects were sent with (R40).
    pub(crate) fn dead_end(&mut self, last: &CachedFact) {
        let until = last.learnt + self.policy.well_known.failure_ttl;
        self.used(&CachedFact { expires: Some(until), ..last.clone() });
    }

    /// Goes on as if the fact that was just asked for were absent, or stops here: that is all that speculation is.
    pub(crate) fn missing(&mut self) -> Result<(), Suspend> {
        self.guessing = true;
        match self.policy.spec.speculation {
            Speculation::Off => Err(Suspend::Missing),
            // What was not needed last time is no guess.
            Speculation::Remembered if self.recalling => Err(Suspend::Missing),
            Speculation::Addresses | Speculation::Full | Speculation::Remembered => Ok(()),
        }
    }

    /// Goes on as if the fact that was just asked for were what it was last time, if that is remembered.
    fn recall(&mut self, question: &Question) -> Option<Arc<CachedFact>> {
        let blind = self.guessing && !self.recalling;
        if blind || self.policy.spec.speculation != Speculation::Remembered {
            return None;
        }
        // While name servers fail there is nothing to guess: what follows from what they say would fail, too.
        let asked = self.trace.asks.iter().filter(|ask| matches!(ask.question, Question::Dns(..)));
        let cache = &self.memory.as_ref()?.cache;
        if asked.clone().any(|ask| cache.is_failing(&ask.question)) {
            return None;
        }
        let known = self.memory.as_ref()?.cache.recall(question)?;
        self.guessing = true;
        self.recalling = true;
        Some(known)
    }

    /// What a fact was last time, once the guess has begun: so it is asked for, too.
    pub(super) fn recall_on(&mut self, question: &Question) -> Option<Arc<CachedFact>> {
        let known = if self.recalling { self.recall(question)? } else { return None };
        self.ask(question, Priority::Speculative);
        Some(known)
    }

    pub(crate) fn ask(&mut self, question: &Question, need: Priority) {
        self.put(Demand {
            question: question.clone(),
            priority: need,
            via: Vec::new(),
            more: false,
            hold: false,
        });
    }

    fn put(&mut self, mut ask: Demand) {
        if self.guessing {
            let address =
                matches!(ask.question, Question::Dns(_, RecordType::A | RecordType::Aaaa));
            match self.policy.spec.speculation {
                Speculation::Off => return,
                Speculation::Addresses if !address => return,
                // GETs go to addresses that are known, not to those of last time.
                Speculation::Remembered if matches!(ask.question, Question::Get(_)) => return,
                Speculation::Remembered if !address && !self.recalling => return,
                Speculation::Addresses | Speculation::Full | Speculation::Remembered => {
                    ask.priority = Priority::Speculative;
                }
            }
        }
        match self.trace.asks.iter_mut().find(|other| other.question == ask.question) {
            Some(other) => other.priority = other.priority.max(ask.priority),
            None => {
                few_more(&mut self.trace.asks);
                self.trace.asks.push(ask);
            }
        }
    }

    /// What this lookup has read stays read; what it has not is looked for in memory.
    pub(super) fn known(&mut self, question: &Question) -> Option<Arc<CachedFact>> {
        if let Some(known) = self.facts.get(question) {
            return Some(Arc::clone(known));
        }
        let Memory { cache, mode, late, now } = self.memory.as_mut()?;
        let known = cache
            .get(question, *mode, *now, self.policy)
            .filter(|known| *late || known.fact != Fact::Late)?;
        self.facts.insert(Arc::clone(&known));
        Some(known)
    }

    /// The SRV records of a name, aliases followed; None: missing, and asked for.
    pub(crate) fn services(
        &mut self,
        step: Step,
        owner: &DnsName,
    ) -> Result<Option<Arc<CachedFact>>, Suspend> {
        match self.follow(owner, RecordType::Srv) {
            Family::Known(known) => {
                self.used(&known);
                if let Question::Dns(name, _) = &known.question
                    && name != owner
                {
                    let asked = Question::Dns(owner.clone(), RecordType::Srv);
                    if let Some(alias) = self.known(&asked) {
                        self.used(&alias);
                        self.decide(step, Some(&alias), Effect::Followed);
                    }
                }
                Ok(Some(known))
            }
            Family::Missing(question) => {
                self.ask(&question, Priority::Required);
                if self.recall(&question).is_some() {
                    let Family::Known(known) = self.follow(owner, RecordType::Srv) else {
                        return Err(Suspend::Missing);
                    };
                    return Ok(Some(known));
                }
                self.missing()?;
                Ok(None)
            }
            Family::Off => Ok(None),
        }
    }

    /// The document or redirect at a URL, asked for at the addresses of its host; None: missing, and asked for.
    ///
    /// A known answer needs no addresses. The addresses of a host that has none that may be used are given back, for that is
    /// why there is no answer.
    pub(crate) fn get(&mut self, url: &Url) -> Result<Option<Fetched>, Suspend> {
        let question = Question::Get(url.clone());
        if let Some(known) = self.known(&question) {
            self.used(&known);
            return Ok(Some(Fetched::Answer(known)));
        }
        let host = match url.host() {
            TlsName::Ip(ip) => return self.get_literal(question, ip),
            TlsName::Dns(host) => host,
        };
        let addresses = self.addresses(&host);
        let more = addresses.missing().next().is_some();
        if addresses.usable.is_empty() && !more {
            if let Some(known) = self.stale(&question, &addresses) {
                self.used(&known);
                return Ok(Some(Fetched::Answer(known)));
            }
            return Ok(Some(Fetched::NoAddress(addresses)));
        }
        // A family still open is worth waiting for, but not before the other has been tried.
        let need =
            if addresses.usable.is_empty() { Priority::Required } else { Priority::Optional };
        for question in addresses.missing() {
            self.ask(question, need);
        }
        let stands_in =
            |memory: &Memory<'_>| memory.cache.has_stand_in(&question, memory.now, self.policy);
        if need == Priority::Required
            && !self.guessing
            && self.memory.as_ref().is_some_and(stands_in)
        {
            self.trace.held_up = Some(question.clone());
        }
        if !addresses.usable.is_empty() {
            // R127: IPv6 goes first; IPv4 alone waits a moment for it. A family without route is not waited for. Where IPv6 leads
            // nowhere it is the other way round.
            let hold = if self.second == Some(AddressFamily::V6) {
                let waits = matches!(addresses.families, [_, Family::Missing(_)]) && self.routes.v4;
                waits && addresses.usable.iter().all(IpAddr::is_ipv6)
            } else {
                let waits = matches!(addresses.families, [Family::Missing(_), _]) && self.routes.v6;
                waits && addresses.usable.iter().all(IpAddr::is_ipv4)
            };
            let via = addresses.usable;
            self.put(Demand {
                question: question.clone(),
                priority: Priority::Required,
                via,
                more,
                hold,
            });
        }
        // Last time there may have been no address to get anything from.
        let first = self.addresses(&host).missing().next().cloned();
        if first.is_some_and(|first| self.recall(&first).is_some()) {
            let addresses = self.addresses(&host);
            if addresses.usable.is_empty() && addresses.missing().next().is_none() {
                return Ok(Some(Fetched::NoAddress(addresses)));
            }
        }
        self.guess_answer(question)
    }

    /// The answer of last time, as a guess; or on as if there were none.
    fn guess_answer(&mut self, question: Question) -> Result<Option<Fetched>, Suspend> {
        if let Some(known) = self.recall(&question) {
            return Ok(Some(Fetched::Answer(known)));
        }
        self.missing()?;
        Ok(None)
    }

    /// The last good document or redirect, where a newer one can't be asked for: its host has no address for a reason that may
    /// pass. It is asked for again when the addresses are.
    fn stale(&mut self, question: &Question, host: &HostAddresses) -> Option<Arc<CachedFact>> {
        let fails = matches!(host.trouble(), Trouble::Failed | Trouble::Local);
        if !fails || self.recalling {
            return None;
        }
        let until = host.known().filter_map(|known| known.expires).min();
        let Memory { cache, now, .. } = self.memory.as_mut()?;
        let known = cache.stale(question, until, *now, self.policy)?;
        self.facts.insert(Arc::clone(&known));
        Some(known)
    }

    fn get_literal(&mut self, question: Question, ip: IpAddr) -> Result<Option<Fetched>, Suspend> {
        if let Err(denied) = self.policy.addresses.judge(ip) {
            return Ok(Some(Fetched::NoAddress(HostAddresses {
                families: [Family::Off, Family::Off],
                usable: Vec::new(),
                second: None,
                denied: vec![denied],
            })));
        }
        let via = vec![ip];
        self.put(Demand {
            question: question.clone(),
            priority: Priority::Required,
            via,
            more: false,
            hold: false,
        });
        self.guess_answer(question)
    }
}

/// The answer at a URL.
pub(crate) enum Fetched {
    /// An answer, or that there was none.
    Answer(Arc<CachedFact>),
    /// Nothing could be asked: the host has no address that may be used.
    NoAddress(HostAddresses),
}
