//! One JSON object a name, on one line. Keys keep their order and their meaning; more may come.

use std::io;

use discovery_core::{Decision, Effect, ErrorKind, ErrorOrigin, ResolveError, Resolved, Target};
use serde::Serialize;

use super::{Answered, Trouble, seconds_until};

#[derive(Serialize)]
struct Good<'a> {
    name: &'a str,
    ok: bool,
    /// As the chosen revision numbers it.
    step: &'static str,
    /// The same in every revision.
    step_name: &'static str,
    targets: Vec<Place>,
    host_header: &'a str,
    tls_name: String,
    sni: Option<&'a str>,
    /// None: for ever.
    fresh_for_s: Option<u64>,
    ms: f64,
    explanation: &'a [Decision],
    schema: &'static str,
    /// What the document delegates to; None: there is no valid one.
    delegated: Option<String>,
    /// What may be a problem for other servers, in words.
    warnings: Vec<String>,
}

/// The id of this form. Within `/1` members may be added; none changes its meaning.
const SCHEMA: &str = "matrix-discovery/resolve/1";

#[derive(Serialize)]
pub(super) struct Place {
    addr: String,
    host: String,
    priority: Option<u16>,
    weight: Option<u16>,
}

#[derive(Serialize)]
struct Bad<'a> {
    name: &'a str,
    ok: bool,
    error: Error,
    ms: f64,
    explanation: &'a [Decision],
    schema: &'static str,
    /// None: nothing says when.
    retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct Error {
    kind: ErrorKind,
    origin: ErrorOrigin,
    temporary: bool,
    message: String,
}

pub(super) fn line(answered: &Answered) -> io::Result<String> {
    let ms = (answered.took.as_secs_f64() * 10_000.0).round() / 10.0;
    let mut text = match answered.result() {
        Ok(resolved) => serde_json::to_string(&good(answered, resolved, ms)),
        Err(trouble) => serde_json::to_string(&bad(answered, trouble, ms)),
    }?;
    text.push('\n');
    Ok(ascii(text))
}

/// The same JSON in ASCII: a name may hold characters that a terminal acts upon or shows as others. Outside strings there are none.
pub(crate) fn ascii(text: String) -> String {
    let plain = |c: char| matches!(c, ' '..='~' | '\n');
    if text.chars().all(plain) {
        return text;
    }
    let mut units = [0; 2];
    let mut escaped = String::with_capacity(text.len().saturating_mul(2));
    for c in text.chars() {
        if plain(c) {
            escaped.push(c);
        } else {
            let units = c.encode_utf16(&mut units).iter();
            units.for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
        }
    }
    escaped
}

fn good<'a>(answered: &'a Answered, resolved: &'a Resolved, ms: f64) -> Good<'a> {
    let targets = resolved.targets.iter().flat_map(place);
    Good {
        name: &answered.name,
        ok: true,
        step: resolved.step.number_in(answered.revision),
        step_name: resolved.step.name(),
        targets: targets.collect(),
        host_header: resolved.host_header_str(),
        tls_name: resolved.tls_name.to_string(),
        sni: resolved.sni(),
        fresh_for_s: resolved.expires.map(|until| seconds_until(answered.at, until)),
        ms,
        explanation: &resolved.explanation.decisions,
        schema: SCHEMA,
        delegated: resolved.explanation.decisions.iter().find_map(|decision| {
            if let Effect::Delegated(to) = &decision.effect { Some(to.to_string()) } else { None }
        }),
        warnings: super::warnings(resolved),
    }
}

pub(super) fn place(target: &Target) -> impl Iterator<Item = Place> {
    target.socket_addrs().map(|addr| Place {
        addr: addr.to_string(),
        host: target.host.to_string(),
        priority: target.srv.map(|rank| rank.priority),
        weight: target.srv.map(|rank| rank.weight),
    })
}

fn bad<'a>(answered: &'a Answered, trouble: Trouble<'a>, ms: f64) -> Bad<'a> {
    let (error, explanation) = match trouble {
        Trouble::NotAName(why) => {
            (error(ErrorKind::InvalidServerName, format!("not a server name: {why}")), &[][..])
        }
        Trouble::Failed(failed) => (failed_error(failed), &failed.explanation.decisions[..]),
    };
    let retry_after = match answered.result() {
        Err(Trouble::Failed(failed)) => failed.retry_after,
        Ok(_) | Err(Trouble::NotAName(_)) => None,
    };
    let retry_after_s = retry_after.map(|at| seconds_until(answered.at, at));
    Bad { name: &answered.name, ok: false, error, ms, explanation, schema: SCHEMA, retry_after_s }
}

fn error(kind: ErrorKind, message: String) -> Error {
    Error { kind, origin: kind.origin(), temporary: kind.is_temporary(), message }
}

fn failed_error(failed: &ResolveError) -> Error {
    error(failed.kind, failed.to_string())
}
