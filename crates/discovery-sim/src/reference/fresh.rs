//! For how long what was read may be reused: bounds, for jitter is left to chance.
//!
//! Knows nothing of what the facts lead to.

use std::time::Duration;

use discovery_core::Policy;
use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, VARY};

/// A lifetime between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// At least so long.
    pub least: Duration,
    /// At most so long.
    pub most: Duration,
}

impl Life {
    /// Exactly so long.
    pub(super) fn exactly(life: Duration) -> Self {
        Self { least: life, most: life }
    }

    /// So long at most, and any time less: what the model does not tell.
    pub(super) fn at_most(most: Duration) -> Self {
        Self { least: Duration::ZERO, most }
    }

    /// The life of what jitter moves down.
    pub(super) fn jittered_down(life: Duration, policy: &Policy) -> Self {
        Self { least: life.saturating_sub(part(life, policy)), most: life }
    }

    /// The life of what jitter moves either way, within the bounds of a document's life (R38, R39).
    pub(super) fn of_document(policy: &Policy) -> Self {
        let life = policy.well_known.default_ttl;
        let within =
            |life: Duration| life.max(policy.well_known.min_ttl).min(policy.well_known.max_ttl);
        Self {
            least: within(life.saturating_sub(part(life, policy))),
            most: within(life.saturating_add(part(life, policy))),
        }
    }

    /// The life of a document whose headers state it, within the policy's bounds (R37, R39).
    pub(super) fn stated(seconds: u64, policy: &Policy) -> Self {
        let life = Duration::from_secs(seconds);
        Self::exactly(life.max(policy.well_known.min_ttl).min(policy.well_known.max_ttl))
    }

    /// The lifetime of records with this TTL (RFC 2181 §8).
    pub(super) fn of_records(ttl: u32, policy: &Policy) -> Self {
        Self::exactly(seconds(ttl).max(policy.dns.min_ttl).min(policy.dns.max_ttl))
    }

    /// The lifetime of a negative answer at the end of aliases (R96).
    pub(super) fn of_absence(soa: Option<u32>, aliases: Option<u32>, policy: &Policy) -> Self {
        let absence = match soa {
            Some(soa) => Self::exactly(
                seconds(soa).max(policy.dns.negative_min_ttl).min(policy.dns.negative_max_ttl),
            ),
            None => Self::jittered_down(policy.dns.negative_default_ttl, policy),
        };
        match aliases {
            Some(ttl) => absence.and(Self::of_records(ttl, policy)),
            None => absence,
        }
    }

    /// Of two facts, the one that expires first decides.
    pub(super) fn and(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.min(other.most) }
    }

    /// Whether a life lies between the bounds, to the nearest second.
    pub fn allows(self, life: Duration) -> bool {
        let second = Duration::from_secs(1);
        life.saturating_add(second) >= self.least && life <= self.most.saturating_add(second)
    }
}

fn part(life: Duration, policy: &Policy) -> Duration {
    life.saturating_mul(policy.cache.ttl_jitter_percent.into()) / 100
}

/// A TTL; one with the top bit set counts as 0.
fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(if ttl > u32::MAX / 2 { 0 } else { ttl.into() })
}

/// The lifetime that headers state, the age taken off (RFC 9111 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stated {
    /// The headers say nothing of it.
    Nothing,
    /// So many seconds.
    Seconds(u64),
    /// It depends on a clock, which the model has not.
    ByTheClock,
}

impl Stated {
    pub(super) fn by(headers: &HeaderMap) -> Self {
        let first = |name| headers.get_all(name).iter().next();
        let mut directives = Vec::new();
        let mut readable = true;
        for value in headers.get_all(CACHE_CONTROL) {
            match split(value.as_bytes()) {
                Some(list) => directives.extend(list),
                // RFC 9111 §4.2.1: stale, where nobody can tell what is quoted.
                None => return Self::Seconds(0),
            }
        }
        // RFC 9111 §4.1: `*` never matches.
        let varies = headers.get_all(VARY).iter().any(|value| value.as_bytes().contains(&b'*'));
        if varies {
            return Self::Seconds(0);
        }
        let mut max_age = None;
        for directive in &directives {
            let text = String::from_utf8_lossy(directive);
            let (name, argument) = match text.split_once('=') {
                Some((name, argument)) => (name.trim(), Some(argument.trim())),
                None => (&*text, None),
            };
            match (name.to_ascii_lowercase().as_str(), argument) {
                ("no-store", _) | ("no-cache", None) => return Self::Seconds(0),
                ("max-age", argument) => {
                    let argument = argument.unwrap_or_default().trim_matches('"');
                    // RFC 9111 §1.2.2: what is too large is 2^31.
                    let digits =
                        !argument.is_empty() && argument.bytes().all(|b| b.is_ascii_digit());
                    let seconds = argument.parse().unwrap_or(u64::MAX).min(1 << 31);
                    max_age = max_age.or(Some(digits.then_some(seconds)));
                }
                (name, argument) => {
                    let odd = |c: char| !c.is_ascii_graphic() || "\"(),/:;<=>?@[\\]{}".contains(c);
                    let quoted =
                        |text: &str| text.len() > 1 && text.starts_with('"') && text.ends_with('"');
                    let wrong = |text: &str| text.is_empty() || text.contains(odd);
                    readable &=
                        !wrong(name) && argument.is_none_or(|text| !wrong(text) || quoted(text));
                }
            }
        }
        let lifetime = match max_age {
            Some(Some(seconds)) => seconds,
            _ if headers.contains_key(EXPIRES) => return Self::ByTheClock,
            Some(None) => return Self::Seconds(0),
            None if !readable => return Self::Seconds(0),
            None => return Self::Nothing,
        };
        if headers.contains_key(DATE) {
            return Self::ByTheClock;
        }
        // RFC 9111 §5.1: the first member of a list, if it is a number.
        let age = first(AGE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let age = age.unwrap_or_default();
        let age = age.split(',').map(str::trim).find(|member| !member.is_empty());
        let age = age.filter(|age| age.bytes().all(|byte| byte.is_ascii_digit()));
        let age = age.map_or(0, |age| age.parse().unwrap_or(1_u64 << 31));
        Self::Seconds(lifetime.saturating_sub(age))
    }
}

/// The members of a list, which may hold quoted strings (RFC 9110 §5.6.1, §5.6.4). None where one never ends.
fn split(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut members = vec![Vec::new()];
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b',' {
            members.push(Vec::new());
            continue;
        }
        let member = members.last_mut()?;
        member.push(*byte);
        if *byte == b'"' {
            loop {
                let inner = *bytes.next()?;
                member.push(inner);
                match inner {
                    b'"' => break,
                    b'\\' => member.push(*bytes.next()?),
                    _ => {}
                }
            }
        }
    }
    let members = members.iter().map(|member| member.trim_ascii().to_vec());
    Some(members.filter(|member| !member.is_empty()).collect())
}
