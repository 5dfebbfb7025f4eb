//! Results for people: six lines at most, a tree, or one line.

use std::collections::BTreeSet;
use std::time::Duration;

use discovery_core::{ErrorOrigin, Explanation, Question, Resolved, Step, Timeline};

use super::{Answered, Paint, Trouble, seconds_until};

/// Most places shown on one line.
const MAX_PLACES: usize = 4;

/// Longest fact shown in the tree, in characters.
const MAX_FACT: usize = 160;

/// Longest summary shown, in characters.
const MAX_SUMMARY: usize = 400;

/// At most six lines.
pub(super) fn lines(answered: &Answered, paint: Paint) -> String {
    let mut out = String::new();
    head(answered, paint, &mut out);
    let (because, after) = match answered.result() {
        Ok(resolved) => (
            format!(
                "step {}: {}",
                resolved.step.number_in(answered.revision),
                summary(&resolved.explanation)
            ),
            ("cache for", fresh(answered, resolved)),
        ),
        Err(Trouble::Failed(failed)) => (
            summary(&failed.explanation),
            (
                "retry after",
                failed
                    .retry_after
                    .map_or_else(String::new, |at| time(seconds_until(answered.at, at))),
            ),
        ),
        Err(Trouble::NotAName(_)) => (String::new(), ("", String::new())),
    };
    for (label, text) in [("because", because), after] {
        row(paint, label, &text, &mut out);
    }
    out
}

/// The result, and under it every decision by step.
pub(super) fn tree(answered: &Answered, paint: Paint) -> String {
    let mut out = String::new();
    head(answered, paint, &mut out);
    match answered.result() {
        Ok(resolved) => {
            row(paint, "cache for", &fresh(answered, resolved), &mut out);
            branches(answered, &resolved.explanation, &resolved.timeline, paint, &mut out);
        }
        Err(Trouble::Failed(failed)) => {
            branches(answered, &failed.explanation, &failed.timeline, paint, &mut out);
        }
        Err(Trouble::NotAName(_)) => {}
    }
    row(paint, "not needed", &wasted(answered), &mut out);
    row(paint, "took", &millis(answered.took), &mut out);
    out
}

/// One line.
pub(super) fn short(answered: &Answered) -> String {
    let name = printable(&answered.name);
    match answered.result() {
        Ok(resolved) => {
            let places: Vec<String> =
                resolved.socket_addrs().map(|address| address.to_string()).collect();
            format!(
                "{name} {} host={} tls={} step={}\n",
                places.join(","),
                resolved.host_header_str(),
                resolved.tls_name,
                resolved.step.number_in(answered.revision)
            )
        }
        Err(trouble) => format!("{name} - {}\n", message(trouble)),
    }
}

/// The summary, cut where it gets out of hand: many late addresses, for instance.
fn summary(explanation: &Explanation) -> String {
    let text = explanation.summary();
    match text.char_indices().nth(MAX_SUMMARY) {
        Some((end, _)) => format!("{}… (--explain)", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn head(answered: &Answered, paint: Paint, out: &mut String) {
    let note = answered.note.as_ref().map_or_else(String::new, |note| format!("  # {note}"));
    let (name, note) = (paint.bold(&printable(&answered.name)), paint.dim(&note));
    match answered.result() {
        Ok(resolved) => {
            out.push_str(&format!("{name}{note}\n"));
            row(paint, "connect to", &places(resolved), out);
            row(paint, "Host", resolved.host_header_str(), out);
            let sni = match resolved.sni() {
                Some(sni) if sni == resolved.tls_name.to_string() => {
                    ", also sent as SNI".to_owned()
                }
                Some(sni) => format!(", SNI {sni}"),
                None => ", no SNI".to_owned(),
            };
            row(paint, "certificate", &format!("for {}{sni}", resolved.tls_name), out);
            for warning in super::warnings(resolved).iter().take(1) {
                row(paint, "warning", warning, out);
            }
        }
        Err(trouble) => {
            out.push_str(&format!("{name}{note}\n"));
            row(paint, "error", &message(trouble), out);
            if let Trouble::Failed(failed) = trouble {
                row(paint, "problem at", where_it_is(failed.origin()), out);
            }
        }
    }
}

fn message(trouble: Trouble<'_>) -> String {
    match trouble {
        Trouble::NotAName(why) => format!("not a server name: {why}"),
        Trouble::Failed(failed) => failed.to_string(),
    }
}

const fn where_it_is(origin: ErrorOrigin) -> &'static str {
    match origin {
        ErrorOrigin::Remote => "the other side",
        ErrorOrigin::Local => "this machine or its network",
        ErrorOrigin::Policy => "your address policy (--allow-address, --any-address)",
        ErrorOrigin::Caller => "the name you typed",
    }
}

fn row(paint: Paint, label: &str, text: &str, out: &mut String) {
    if !text.is_empty() {
        out.push_str(&format!("  {}{text}\n", paint.dim(&format!("{label:<13}"))));
    }
}

/// The places to connect to, each host once.
fn places(resolved: &Resolved) -> String {
    let mut words: Vec<String> = Vec::new();
    let total = resolved.socket_addrs().count();
    for target in &resolved.targets {
        let count = target.addresses.len();
        for (i, address) in target.socket_addrs().enumerate() {
            let mut word = address.to_string();
            if i.saturating_add(1) == count
                && let Some(name) = target.dns_name()
                && *name.as_str() != *resolved.tls_name.to_string()
            {
                word.push_str(&format!(" ({name})"));
            }
            words.push(word);
        }
    }
    words.truncate(MAX_PLACES);
    match total.saturating_sub(MAX_PLACES) {
        0 => words.join(", "),
        more => format!("{} and {more} more", words.join(", ")),
    }
}

fn fresh(answered: &Answered, resolved: &Resolved) -> String {
    match resolved.expires {
        Some(until) => time(seconds_until(answered.at, until)),
        None => "no limit".to_owned(),
    }
}

/// A time by its two greatest units.
pub(super) fn time(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let mut left = seconds;
    let mut words = Vec::new();
    for (unit, length) in units {
        let count = left.checked_div(length).unwrap_or(0);
        left = left.saturating_sub(count.saturating_mul(length));
        if count > 0 {
            words.push(format!("{count} {unit}"));
        }
    }
    words.truncate(2);
    if words.is_empty() { "0 s".to_owned() } else { words.join(" ") }
}

fn branches(
    answered: &Answered,
    explanation: &Explanation,
    timeline: &Timeline,
    paint: Paint,
    out: &mut String,
) {
    let mut step: Option<Step> = None;
    let mut told = BTreeSet::new();
    let decisions = &explanation.decisions;
    for (i, decision) in decisions.iter().enumerate() {
        let next = decisions.get(i.saturating_add(1)).map(|next| next.step);
        if step != Some(decision.step) {
            step = Some(decision.step);
            let heading = format!(
                "step {:<4}{}",
                decision.step.number_in(answered.revision),
                gist(decision.step)
            );
            out.push_str(&format!("  {}\n", paint.bold(heading.trim_end())));
        }
        let (branch, below) = if next == step { ("├─", "│ ") } else { ("└─", "  ") };
        let fact = decision.fact().map_or_else(String::new, |fact| {
            let fact = fact.to_string();
            format!("{}: ", shortened(&fact))
        });
        match decision.question() {
            Some(question) => {
                let when =
                    if told.insert(question) { when(answered, timeline, question) } else { None };
                let when = paint.dim(&when.unwrap_or_default());
                out.push_str(&format!("  {branch} {question}{when}\n"));
                out.push_str(&format!("  {below}   {fact}{}\n", decision.effect));
            }
            None => out.push_str(&format!("  {branch} {fact}{}\n", decision.effect)),
        }
    }
}

/// What was asked ahead of need and never came to be needed.
fn wasted(answered: &Answered) -> String {
    let timeline = match answered.result() {
        Ok(resolved) => &resolved.timeline,
        Err(Trouble::Failed(failed)) => &failed.timeline,
        Err(Trouble::NotAName(_)) => return String::new(),
    };
    let vain = timeline.questions.iter().filter(|timed| timed.wasted);
    let words: Vec<String> = vain.map(|timed| timed.question.to_string()).collect();
    shortened(&words.join(", "))
}

/// When a question was asked after the start, and how long its answer took.
fn when(answered: &Answered, timeline: &Timeline, question: &Question) -> Option<String> {
    let timed = timeline.questions.iter().find(|timed| timed.question == *question)?;
    let ago = answered.at.saturating_duration_since(timed.asked);
    let asked = millis(answered.took.saturating_sub(ago));
    Some(match timed.answered {
        Some(at) => {
            let took = millis(at.saturating_duration_since(timed.asked));
            format!("  (at {asked}, took {took})")
        }
        None => format!("  (at {asked})"),
    })
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// The beginning of a text that may be very long: a thousand records are no help to anybody.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_FACT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

const fn gist(step: Step) -> &'static str {
    match step {
        Step::IpLiteral => "an IP literal",
        Step::ExplicitPort => "an explicit port",
        Step::WellKnown => "the well-known document",
        Step::DelegatedIpLiteral => "delegated to an IP literal",
        Step::DelegatedPort => "delegated to an explicit port",
        Step::DelegatedFedService => "_matrix-fed SRV of the delegated host",
        Step::DelegatedService => "_matrix SRV of the delegated host",
        Step::DelegatedDefault => "port 8448 of the delegated host",
        Step::FedService => "_matrix-fed SRV of the host",
        Step::Service => "_matrix SRV of the host",
        Step::Default => "port 8448 of the host",
    }
}

/// A name as it may be shown: what is no name may hold anything, but must not speak to the terminal, nor look like another name.
/// Everything but printable ASCII is escaped.
pub(crate) fn printable(name: &str) -> String {
    let shown = escaped(name, |c| matches!(c, ' '..='~'));
    if shown.is_empty() { "\"\"".to_owned() } else { shown }
}

/// A text of the program's own, with whatever it quotes.
pub(super) fn legible(text: &str) -> String {
    escaped(text, |c| matches!(c, ' '..='~' | '→' | '…' | '×' | '§'))
}

fn escaped(text: &str, plain: impl Fn(char) -> bool) -> String {
    let mut shown = String::new();
    for c in text.chars().take(300) {
        if plain(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}
