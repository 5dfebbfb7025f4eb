//! Lifetimes: HTTP headers, TTLs, and the policy's bounds on both.
//!
//! Knows nothing of what is reused.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName, VARY};

use crate::config::Context;
use crate::fact::{Fact, Question};
use crate::policy::Policy;
use crate::util::{Backoff, Draw, UnixTime};

/// Largest number of seconds that a header can mean (RFC 9111 §1.2.2).
const MAX_DELTA: i64 = 1 << 31;

/// The lifetime that the headers of a response give (R37, R117–R120).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Freshness {
    /// Seconds that the response is still fresh for, its age taken off; zero or less: it is stale on arrival; None: the
    /// headers say nothing of use.
    pub seconds: Option<i64>,
    /// Whether it must never be used once it is stale: `must-revalidate`, `no-cache`, `no-store`, `Vary: *`.
    pub never_stale: bool,
}

impl Freshness {
    /// Reads the headers of a response that came in when the wall clock showed `received`.
    ///
    /// As a private cache: `s-maxage` and `private` say nothing, nor does `Pragma`. The first of duplicates counts, and an
    /// unreadable lifetime is a stale one (R119). `Cache-Control` is read as bytes: a quoted string may hold any above 127.
    pub fn from_headers(headers: &HeaderMap, received: Option<UnixTime>) -> Self {
        let control = CacheControl::parse(headers);
        let date = |name: &HeaderName| {
            let text = headers.get(name)?.to_str().ok()?;
            let time = httpdate::parse_http_date(text.trim()).ok()?;
            i64::try_from(UnixTime::from_system_time(time).0).ok()
        };
        let now = received.and_then(|now| i64::try_from(now.0).ok());
        let sent = date(&DATE);
        // RFC 9111 §4.1: a response that varies with everything fits no other request.
        let varies = list(headers, &VARY).any(|name| name == b"*");
        let lifetime = if control.no_store || control.no_cache || control.unclosed || varies {
            Some(0)
        } else {
            match (control.max_age, headers.contains_key(EXPIRES)) {
                (Some(Ok(seconds)), _) => Some(seconds),
                (Some(Err(Unreadable)), false) => Some(0),
                // R119: what can't be read may have been a lifetime.
                (None, false) => control.garbled.then_some(0),
                // R120: what can't be read as a date lies in the past.
                (Some(Err(Unreadable)) | None, true) => match (date(&EXPIRES), sent.or(now)) {
                    (Some(expires), Some(from)) => Some(expires.saturating_sub(from)),
                    (Some(_), None) => None,
                    (None, _) => Some(0),
                },
            }
        };
        // R118: the age that an upstream cache reports, or that the clocks show, whichever is more.
        // RFC 9111 §5.1: of a list the first member counts.
        let reported = list(headers, &AGE).next();
        let reported = reported.and_then(|age| delta_seconds(age).ok()).unwrap_or(0);
        let apparent = match (now, sent) {
            (Some(now), Some(sent)) => now.saturating_sub(sent).max(0),
            _ => 0,
        };
        let age = reported.max(apparent);
        Self {
            seconds: lifetime.map(|lifetime| lifetime.saturating_sub(age)),
            never_stale: control.no_store || control.no_cache || control.must_revalidate || varies,
        }
    }
}

struct Unreadable;

#[derive(Default)]
struct CacheControl {
    no_store: bool,
    no_cache: bool,
    must_revalidate: bool,
    max_age: Option<Result<i64, Unreadable>>,
    /// Whether a quoted string never ends: nobody can tell what stands in it and what behind it.
    unclosed: bool,
    /// Whether an element is no directive by its grammar.
    garbled: bool,
}

impl CacheControl {
    fn parse(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            let value = value.as_bytes();
            let unclosed = elements(value, true).any(|element| !closes(element));
            control.unclosed |= unclosed;
            // What forbids reuse counts wherever it may stand.
            for directive in elements(value, !unclosed) {
                control.read(directive);
            }
        }
        control
    }

    fn read(&mut self, directive: &[u8]) {
        let mut parts = directive.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
        let (name, argument) = (parts.next().unwrap_or_default(), parts.next());
        match name.to_ascii_lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            // With an argument it restricts the fields that it names, none of which is used here.
            b"no-cache" => self.no_cache |= argument.is_none(),
            b"must-revalidate" => self.must_revalidate = true,
            b"max-age" if self.max_age.is_none() => {
                self.max_age = Some(delta_seconds(unquote(argument.unwrap_or_default())));
            }
            name => {
                let quoted = |text| unquote(text).len() < text.len();
                let readable = argument.is_none_or(|text| is_token(text) || quoted(text));
                self.garbled |= !(is_token(name) && readable);
            }
        }
    }
}

/// The elements of a comma-separated list, empty ones left out; quoted strings are kept whole where `quotes` says so.
fn elements(value: &[u8], quotes: bool) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |byte| {
            let comma = *byte == b',' && !quoted;
            if escaped {
                escaped = false;
            } else if quoted && *byte == b'\\' {
                escaped = true;
            } else if *byte == b'"' {
                quoted = quotes && !quoted;
            }
            comma
        })
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether every quoted string of an element ends within it.
fn closes(element: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in element {
        if escaped {
            escaped = false;
        } else if quoted && *byte == b'\\' {
            escaped = true;
        } else if *byte == b'"' {
            quoted = !quoted;
        }
    }
    !quoted
}

/// The members of a field that is a list without quoted strings.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().flat_map(|value| elements(value.as_bytes(), false))
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(letter)
}

fn unquote(argument: &[u8]) -> &[u8] {
    let inner = argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inner.unwrap_or(argument)
}

/// Reads `1*DIGIT`; what is too large means the largest there is.
fn delta_seconds(text: &[u8]) -> Result<i64, Unreadable> {
    let text = std::str::from_utf8(text).map_err(|_| Unreadable)?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unreadable);
    }
    Ok(text.parse().unwrap_or(MAX_DELTA).min(MAX_DELTA))
}

/// The lifetime of a valid document or redirect (R37–R39).
pub(crate) fn valid(freshness: Freshness, policy: &Policy, seed: u64, of: &Question) -> Duration {
    let life = match freshness.seconds {
        Some(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        None => {
            let default = policy.well_known.default_ttl;
            let jitter = share(default, policy.cache.ttl_jitter_percent);
            let moved = Draw::new(seed, ("life", of)).between(0, nanos(jitter).saturating_mul(2));
            default.saturating_sub(jitter).saturating_add(Duration::from_nanos(moved))
        }
    };
    // The floor gives way where somebody sets the cap below it: the cap is the invariant (R39).
    life.max(policy.well_known.min_ttl).min(policy.well_known.max_ttl)
}

/// The lifetime of a failure: `base`, with jitter that only shortens it, so that no bound is exceeded.
pub(crate) fn failure(base: Duration, policy: &Policy, seed: u64, of: &Question) -> Duration {
    let jitter = nanos(share(base, policy.cache.ttl_jitter_percent));
    let moved = Draw::new(seed, ("failure", of)).between(0, jitter);
    base.saturating_sub(Duration::from_nanos(moved))
}

fn share(of: Duration, percent: u8) -> Duration {
    of.checked_div(100).unwrap_or_default().saturating_mul(u32::from(percent.min(100)))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The lifetime of DNS records: the least of their TTLs, within the policy's bounds (R93, R102).
pub(crate) fn records(ttl: u32, policy: &Policy) -> Duration {
    seconds(ttl).max(policy.dns.min_ttl).min(policy.dns.max_ttl)
}

/// The lifetime of a negative answer (R96).
pub(crate) fn negative(soa: Option<u32>, policy: &Policy) -> Duration {
    soa.map_or(policy.dns.negative_default_ttl, seconds)
        .max(policy.dns.negative_min_ttl)
        .min(policy.dns.negative_max_ttl)
}

/// RFC 2181 §8: a lifetime with the top bit set is zero.
fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(i32::try_from(ttl).map_or(0, |_| u64::from(ttl)))
}

/// For how long an HTTP answer may be reused (R36–R41, R74).
pub(crate) fn response(
    fact: &Fact,
    freshness: Freshness,
    question: &Question,
    context: &Context,
) -> Duration {
    let policy = &context.policy;
    match fact {
        Fact::Unusable(why) => {
            let base = if why.is_temporary() {
                policy.well_known.retry_ttl
            } else {
                policy.well_known.failure_ttl
            };
            failure(base, policy, context.seed, question)
        }
        // R121: each hop has a freshness of its own.
        Fact::Document(_) | Fact::Redirect(_) => valid(freshness, policy, context.seed, question),
        // No other fact is read from an HTTP answer.
        Fact::Addresses { .. }
        | Fact::Services(_)
        | Fact::UnusableServices
        | Fact::Alias(_)
        | Fact::NotFound(_)
        | Fact::Failed(_)
        | Fact::Late => Duration::ZERO,
    }
}

/// Failures in a row beyond which nothing grows any more.
pub(crate) const MAX_FAILURES: u8 = 16;

/// How many times in a row a question has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Failures(pub(crate) u8);

impl Failures {
    /// Counts one more failure, and returns its lifetime.
    pub(crate) fn strike(
        &mut self,
        question: &Question,
        fact: &Fact,
        policy: &Policy,
        seed: u64,
    ) -> Duration {
        self.0 = self.0.saturating_add(1).min(MAX_FAILURES);
        self.life(question, fact, policy, seed)
    }

    /// The lifetime of the last failure (R41, R97).
    pub(crate) fn life(
        self,
        question: &Question,
        fact: &Fact,
        policy: &Policy,
        seed: u64,
    ) -> Duration {
        let (base, cap) = match (question, fact) {
            (_, Fact::Late) => (policy.dns.failure_ttl, policy.cache.partial_result_ttl),
            (Question::Dns(..), _) => (policy.dns.failure_ttl, policy.dns.failure_max_ttl),
            (Question::Get(_), _) => (policy.well_known.retry_ttl, policy.well_known.failure_ttl),
        };
        let life = Backoff { first: base, max: cap }.after(u32::from(self.0.max(1)));
        // Being late is one lookup's own impatience: no crowd expires together.
        if *fact == Fact::Late { life } else { failure(life, policy, seed, question) }
    }
}

#[cfg(test)]
mod tests;
