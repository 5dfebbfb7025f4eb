//! The three kinds of cases that need no world: server names, lifetimes, addresses.
//!
//! Each is judged by one call of the core.

use std::net::IpAddr;
use std::time::Duration;

use discovery_core::{
    AddressPolicy, DnsName, Freshness, Host, Instant, InvalidServerName, Policy, ServerName,
    UnixTime, parse_document,
};
use discovery_sim::{Line, Page, Scenario};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::convert::{Unwritable, headers};
use super::format::{AddressCase, FreshnessCase, ServerNameCase};
use crate::layers::Ended;

/// What became of a case in one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it must be.
    Passed,
    /// In which ways not.
    Failed(Vec<String>),
    /// Why it could not be judged.
    Skipped(String),
}

impl Verdict {
    /// Passed, unless something differs.
    pub fn of(found: Vec<String>) -> Self {
        if found.is_empty() { Self::Passed } else { Self::Failed(found) }
    }

    /// Where the specification leaves a choice open, what differs from the case is this project's decision.
    pub(super) fn left_open(self, open: bool) -> Self {
        match self {
            Self::Failed(found) if open => Self::Skipped(format!(
                "left open by the specification, decided otherwise here ({})",
                found.join("; ")
            )),
            Self::Passed | Self::Failed(_) | Self::Skipped(_) => self,
        }
    }
}

/// Judges a server name.
pub(super) fn server_name(case: &ServerNameCase) -> Verdict {
    let parsed = ServerName::parse(&case.input);
    let mut found = Vec::new();
    let name = match (&parsed, case.valid) {
        (Ok(name), true) => name,
        (Err(_), false) => return Verdict::Passed,
        // The grammar has room for ports that are none; refusing them is this project's decision.
        (Err(InvalidServerName::Port), true) if !matches!(case.port, Some(1..=65535)) => {
            return Verdict::Passed;
        }
        (Ok(_), false) => return Verdict::Failed(vec!["valid: expected no, got yes".to_owned()]),
        (Err(why), true) => {
            return Verdict::Failed(vec![format!("valid: expected yes, got no ({why})")]);
        }
    };
    let mut compare = |what: &str, expected: Option<String>, got: Option<String>| {
        if expected.is_some() && expected != got {
            let none = || "none".to_owned();
            let expected = expected.unwrap_or_else(none);
            found.push(format!("{what}: expected {expected}, got {}", got.unwrap_or_else(none)));
        }
    };
    compare("host", case.host.clone(), Some(name.host_str().to_owned()));
    let port = |port: Option<u32>| Some(port.map_or("none".to_owned(), |port| port.to_string()));
    compare("port", port(case.port), port(name.port().map(u32::from)));
    let (kind, ip, resolvable) = match name.host() {
        Host::Ip(ip @ IpAddr::V4(_)) => ("ipv4", Some(ip), true),
        Host::Ip(ip @ IpAddr::V6(_)) => ("ipv6", Some(ip), true),
        Host::Name(host) => ("dns", None, DnsName::host(host).is_ok()),
    };
    // Where grammar and prose pull apart, a name that can't be resolved is neither kind to any effect.
    let open = case.ambiguous.is_some() && !resolvable;
    if !open {
        compare("kind", case.kind.clone(), Some(kind.to_owned()));
        let wanted = case.ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok());
        compare("ip", wanted.map(|ip| ip.to_string()), ip.map(|ip| ip.to_string()));
    }
    // A name that an administrator should choose can be asked for.
    if case.strict_valid == Some(true) && !resolvable {
        found.push("strict_valid: expected a name that can be resolved".to_owned());
    }
    Verdict::of(found)
}

/// Judges the lifetime of a response.
pub(super) fn freshness(case: &FreshnessCase) -> Verdict {
    let mut map = HeaderMap::new();
    match headers(&case.headers) {
        Ok(headers) => headers.into_iter().for_each(|(name, value)| {
            map.append(name, value);
        }),
        Err(why) => return Verdict::Skipped(why.0),
    }
    let policy = Policy::default();
    let received = case.now.and_then(|now| u64::try_from(now).ok()).map(UnixTime);
    let valid = is_document(case);
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: &Value, got: Option<i64>, slack: i64| {
        if !agrees(expected, got, slack) {
            let got = got.map_or("none".to_owned(), |got| got.to_string());
            found.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    if !valid {
        // R40: headers do not count for failures; their life shows in a whole lookup.
        return Verdict::Passed;
    }
    let fresh = Freshness::from_headers(&map, received).seconds;
    let (default, cap, floor) = (
        seconds(policy.well_known_default_ttl),
        seconds(policy.well_known_max_ttl),
        seconds(policy.well_known_min_ttl),
    );
    let within = |fresh: Option<i64>| fresh.unwrap_or(default).clamp(0, cap);
    // A raw lifetime beyond the cap is as good as the cap; a negative one is as stale as any.
    let raw_is_capped = case.expected_raw_s.as_i64() == Some(cap);
    let raw = fresh.map(|fresh| if raw_is_capped { fresh.min(cap) } else { fresh });
    let slack = if case.jitter_allowed { default / 10 } else { 0 };
    let ttl_agrees = agrees(&case.expected_ttl_s, Some(within(fresh)), slack);
    // Deprecated headers (`Pragma`) may count or not: the lifetime tells.
    if !(ttl_agrees && case.agrees_with_spec == "unclear") {
        compare("expected_raw_s", &case.expected_raw_s, raw, 0);
    }
    compare("expected_ttl_s", &case.expected_ttl_s, Some(within(fresh)), slack);
    if !case.expected_ttl_with_min300_s.is_null() {
        let floored = within(fresh).max(floor);
        compare(
            "expected_ttl_with_min300_s",
            &case.expected_ttl_with_min300_s,
            Some(floored),
            slack,
        );
    }
    Verdict::of(found)
}

fn is_document(case: &FreshnessCase) -> bool {
    let body = case.body.as_ref();
    case.status == 200 && body.is_none_or(|body| parse_document(body.as_bytes()).is_ok())
}

/// A world in which nothing but the response bounds the life of the answer.
pub(super) fn lifetime_scenario(case: &FreshnessCase) -> Result<Scenario, Unwritable> {
    let text = format!(
        "clock {}\nhttps example.org 200\ndns example.org A 192.0.2.1 ttl=86400\ndns example.org AAAA 2001:db8::1 ttl=86400\n\
         dns _matrix-fed._tcp.example.org SRV 0 0 8448 example.org ttl=86400\nresolve example.org",
        case.now.unwrap_or_default().max(0)
    );
    let mut scenario = Scenario::parse(&text).map_err(|error| Unwritable(error.to_string()))?;
    let status = StatusCode::from_u16(case.status)
        .map_err(|_| Unwritable(format!("status {}", case.status)))?;
    let headers = headers(&case.headers)?;
    let body = case.body.clone().unwrap_or_else(|| r#"{"m.server":"192.0.2.9"}"#.to_owned());
    for line in &mut scenario.lines {
        if let Line::Https(line) = line {
            line.page = Page::response(status, headers.clone(), body.clone());
        }
    }
    Ok(scenario)
}

/// Judges for how long the answer of a whole lookup may be reused.
pub(super) fn lifetime(case: &FreshnessCase, end: &Ended, policy: &Policy) -> Verdict {
    let Some(Ok(done)) = end.result() else {
        return Verdict::Failed(vec![format!("expected a result, got {:?}", end.outcome)]);
    };
    let until = done.fresh_until.unwrap_or(Instant::FAR_FUTURE);
    let life = seconds(until.saturating_duration_since(end.at));
    let (expected, slack) = if is_document(case) {
        let jitter =
            if case.jitter_allowed { seconds(policy.well_known_default_ttl) / 10 } else { 0 };
        (&case.expected_ttl_with_min300_s, jitter)
    } else {
        (&case.expected_ttl_s, 0)
    };
    if expected.is_null() || agrees(expected, Some(life), slack) {
        return Verdict::Passed;
    }
    Verdict::Failed(vec![format!("life of the answer: expected {expected}, got {life}")])
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Whether a lifetime is the expected one: a number, null for none, `<=3600`, or `0 or 86400`.
fn agrees(expected: &Value, got: Option<i64>, slack: i64) -> bool {
    let near = |wanted: i64| got.is_some_and(|got| got.saturating_sub(wanted).abs() <= slack);
    match expected {
        Value::Null => got.is_none(),
        Value::Number(number) => number.as_i64().is_some_and(near),
        Value::String(text) => text.split(" or ").any(|one| {
            let (most, number) = match one.trim().strip_prefix("<=") {
                Some(number) => (true, number),
                None => (false, one.trim()),
            };
            match number.trim().parse::<i64>() {
                Ok(number) if most => got.is_some_and(|got| got <= number),
                Ok(number) => near(number),
                Err(_) => false,
            }
        }),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Judges an address by the default policy.
pub(super) fn address(case: &AddressCase) -> Verdict {
    let Ok(ip) = case.ip.parse() else {
        return Verdict::Skipped(format!("{:?} is no address", case.ip));
    };
    let denied = AddressPolicy::default().judge(ip);
    if denied.is_err() == case.recommended_deny {
        return Verdict::Passed;
    }
    let word = |deny: bool| if deny { "denied" } else { "allowed" };
    let got = denied.map_or_else(|denied| denied.to_string(), |()| "allowed".to_owned());
    Verdict::Failed(vec![format!("expected {}, got {got}", word(case.recommended_deny))])
}
