//! Reading scenarios.
//!
//! Knows nothing of what lines mean.

mod response;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use discovery_core::{
    DnsName, ErrorKind, Feedback, Policy, Question, RecordData, RecordType, ServerName, SrvRecord,
    Step, UnixTime, Url,
};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::response::{body, headers, raw};
use super::Scenario;
use super::expect::{Addresses, Count, Done, Expect, Fresh, Wanted};
use super::line::{DnsLine, HttpsLine, Line, RouteSet};
use super::token::{Keyword, duration, quoted, word};
use crate::web::{End, Page, Served};
use crate::world::{
    ConnectFault, DEFAULT_TTL, Destination, DnsOutcome, ServerFault, ZoneEntry, ZoneType,
};

/// Most records that one line can stand for.
const MAX_REPEAT: u32 = 65_536;

/// Why a text is no scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// The kind of problem with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Its first word is none that lines start with here.
    UnknownLine(String),
    /// Something is missing.
    Missing(&'static str),
    /// Something is not what should stand there.
    Bad {
        /// What should stand there.
        what: &'static str,
        /// What does.
        text: String,
    },
    /// There is more than the line can hold.
    Leftover(String),
    /// There is no such setting, or it does not take that value.
    Setting(String),
    /// Times must not go back.
    TimeGoesBack,
    /// This line holds from the start and can't stand behind `at`.
    AfterAt,
    /// More expectations than names to resolve.
    NothingResolved,
}

type Parsed<T> = Result<T, Problem>;

pub(super) fn scenario(text: &str) -> Result<Scenario, ParseError> {
    let mut scenario = Scenario::default();
    let mut below = false;
    let mut at = Duration::ZERO;
    let mut policy = scenario.policy();
    for (index, line) in text.lines().enumerate() {
        let problem = |problem| ParseError { line: index.saturating_add(1), problem };
        let line = line.trim();
        if line == "---" && !below {
            below = true;
        } else if below {
            expectation(line, &mut scenario.expect).map_err(problem)?;
            if scenario.expect.len() > scenario.resolves().len() {
                return Err(problem(Problem::NothingResolved));
            }
        } else {
            let line = world_line(line).map_err(problem)?;
            if let Line::At(time) = &line {
                if *time < at {
                    return Err(problem(Problem::TimeGoesBack));
                }
                at = *time;
            }
            if line.holds_from_the_start() && at > Duration::ZERO {
                return Err(problem(Problem::AfterAt));
            }
            if let Line::Set { field, value } = &line {
                policy = set(&policy, field, value).map_err(problem)?;
            }
            scenario.lines.push(line);
        }
    }
    Ok(scenario)
}

fn world_line(line: &str) -> Parsed<Line> {
    if line.is_empty() {
        return Ok(Line::Blank);
    }
    if let Some(comment) = line.strip_prefix('#') {
        return Ok(Line::Comment(comment.to_owned()));
    }
    let (keyword, rest) = word(line);
    let rest = rest.trim_start();
    let mut words = Words(rest);
    let line = match keyword {
        "dns" => Line::Dns(Box::new(dns(&mut words)?)),
        "https" => return Ok(Line::Https(Box::new(https(rest)?))),
        "tcp" => {
            let destination = destination(words.next("a destination")?)?;
            match words.next("ok, or how connecting fails")? {
                "ok" => Line::Tcp(destination, None),
                fault => Line::Tcp(destination, Some(keyword_of("how connecting fails", fault)?)),
            }
        }
        "server" => server(&mut words)?,
        "servers" => Line::Servers(words.number("how many name servers")?),
        "routes" => {
            let all: Vec<&str> = std::iter::from_fn(|| words.optional()).collect();
            Line::Routes(match all.as_slice() {
                ["v4", "v6"] | ["v6", "v4"] => RouteSet::Both,
                ["v4"] => RouteSet::V4,
                ["v6"] => RouteSet::V6,
                ["none"] => RouteSet::Neither,
                _ => return Err(bad("v4, v6, both or none", rest)),
            })
        }
        "set" => {
            let (field, value) = rest.split_once('=').ok_or(Problem::Missing("FIELD=VALUE"))?;
            return Ok(Line::Set {
                field: field.trim().to_owned(),
                value: value.trim().to_owned(),
            });
        }
        "revision" => {
            let text = words.next("a release")?;
            Line::Revision(text.parse().map_err(|_| bad("a release", text))?)
        }
        "seed" => Line::Seed(words.number("a number")?),
        "clock" => match words.next("seconds since 1970, or none")? {
            "none" => Line::Clock(None),
            text => Line::Clock(Some(UnixTime(number("seconds since 1970", text)?))),
        },
        "resolve" => {
            let (name, rest) = match quoted(rest) {
                Some((name, rest)) => (name, rest),
                None => {
                    let (name, rest) = word(rest);
                    (name.to_owned(), rest)
                }
            };
            if name.is_empty() && !line.contains('"') {
                return Err(Problem::Missing("a server name"));
            }
            words = Words(rest);
            let mut abandon = None;
            if let Some(option) = words.optional() {
                let text = option.strip_prefix("abandon=");
                let text = text.ok_or_else(|| Problem::Leftover(option.to_owned()))?;
                abandon = Some(time(text)?);
            }
            Line::Resolve { name, abandon }
        }
        "report" => {
            let text = words.next("a server name")?;
            let name: ServerName = text.parse().map_err(|_| bad("a server name", text))?;
            let text = words.next("ADDRESS:PORT")?;
            let place = text.parse().map_err(|_| bad("ADDRESS:PORT", text))?;
            let text = words.next("what is told")?;
            let said = Feedback::parse(text).ok_or_else(|| bad("what is told", text))?;
            Line::Report { name, place, said }
        }
        "away" => Line::Away(time(words.next("how long")?)?),
        "at" => {
            let text = words.next("+TIME")?;
            let text = text.strip_prefix('+').ok_or_else(|| bad("+TIME", text))?;
            Line::At(time(text)?)
        }
        other => return Err(Problem::UnknownLine(other.to_owned())),
    };
    words.end()?;
    Ok(line)
}

fn dns(words: &mut Words<'_>) -> Parsed<DnsLine> {
    let name = dns_name(words.next("a name")?)?;
    let kind: ZoneType = keyword_of("A, AAAA, SRV or CNAME", words.next("a type")?)?;
    let first = words.next("a record, or what is said instead")?;
    let outcome = match (DnsOutcome::read(first), first, kind) {
        (Some(outcome), ..) => outcome.clone(),
        (None, "UNUSABLE", ZoneType::Srv | ZoneType::Cname) => record(RecordData::Unusable),
        (None, text, ZoneType::A) => {
            record(RecordData::A(text.parse().map_err(|_| bad("an IPv4 address", text))?))
        }
        (None, text, ZoneType::Aaaa) => {
            record(RecordData::Aaaa(text.parse().map_err(|_| bad("an IPv6 address", text))?))
        }
        (None, text, ZoneType::Cname) => record(RecordData::Cname(dns_name(text)?)),
        (None, priority, ZoneType::Srv) => record(RecordData::Srv(SrvRecord {
            priority: number("a priority", priority)?,
            weight: words.number("a weight")?,
            port: words.number("a port")?,
            target: dns_name(words.next("a target")?)?,
        })),
    };
    let mut line = DnsLine { name, kind, entry: ZoneEntry::outcome(outcome), repeat: None };
    while let Some(option) = words.optional() {
        let entry = &mut line.entry;
        match option.split_once('=').unwrap_or((option, "")) {
            ("ttl", text) => {
                let seconds = text.strip_suffix('s').unwrap_or(text);
                let seconds = number("a TTL in seconds", seconds)?;
                let DnsOutcome::Records(records) = &mut entry.outcome else {
                    return Err(Problem::Leftover(option.to_owned()));
                };
                records.iter_mut().for_each(|(_, ttl)| *ttl = seconds);
            }
            ("repeat", text) => {
                let count: u32 = number("a number", text)?;
                if !(1..=MAX_REPEAT).contains(&count) {
                    return Err(bad("a number from 1 to 65536", text));
                }
                if !matches!(entry.outcome, DnsOutcome::Records(_)) || kind == ZoneType::Cname {
                    return Err(Problem::Leftover(option.to_owned()));
                }
                line.repeat = Some(count);
            }
            ("nosoa", "") => entry.soa = None,
            ("soa", text) => {
                let seconds = text.strip_suffix('s').unwrap_or(text);
                entry.soa = Some(number("a lifetime in seconds", seconds)?);
            }
            ("after", text) => entry.after = time(text)?,
            ("lost", text) => entry.lost = number("a number of attempts", text)?,
            ("wire", text) => {
                entry.wire = Some(keyword_of("what is wrong with the message", text)?);
            }
            ("cut", "") if kind == ZoneType::Cname => entry.cut = true,
            _ => return Err(Problem::Leftover(option.to_owned())),
        }
    }
    Ok(line)
}

fn record(data: RecordData) -> DnsOutcome {
    DnsOutcome::Records(vec![(data, DEFAULT_TTL)])
}

fn https(line: &str) -> Parsed<HttpsLine> {
    let (target, mut rest) = word(line);
    let (authority, path) = match target.split_once('/') {
        Some((authority, path)) => (authority, path),
        None => (target, ".well-known/matrix/server"),
    };
    let text = format!("https://{authority}/{path}");
    // A query behind the host would take the path for its own.
    if authority.contains(['?', '#']) {
        return Err(bad("HOST[:PORT][/PATH]", target));
    }
    let url = Url::parse(&text).map_err(|_| bad("HOST[:PORT][/PATH]", target))?;
    let (mut address, mut connect, mut after) = (None, Duration::ZERO, Duration::ZERO);
    let mut end = End::Proper;
    let what = loop {
        let (option, behind) = word(rest);
        match option.split_once('=') {
            Some(("on", text)) => {
                address = Some(text.parse::<IpAddr>().map_err(|_| bad("an address", text))?);
            }
            Some(("connect", text)) => connect = time(text)?,
            Some(("after", text)) => after = time(text)?,
            Some(("then", "stall")) => end = End::Stall,
            Some(("then", "reset")) => end = End::Reset,
            _ => break option,
        }
        rest = behind;
    };
    if what.is_empty() {
        return Err(Problem::Missing("a status, or how it fails"));
    }
    if let Some(text) = rest.trim_start().strip_prefix("raw=") {
        let answer = Served::Raw { pieces: raw(text)?, end };
        return Ok(HttpsLine { url, address, page: Page { connect, after, answer } });
    }
    let (_, rest) = word(rest);
    let answer = match ConnectFault::read(what) {
        Some(fault) => {
            Words(rest).end()?;
            Served::Fault(*fault)
        }
        None => {
            let status =
                StatusCode::from_bytes(what.as_bytes()).map_err(|_| bad("a status", what))?;
            let (headers, rest) = headers(rest)?;
            Served::Response { status, headers, body: body(rest)?, end }
        }
    };
    Ok(HttpsLine { url, address, page: Page { connect, after, answer } })
}

fn server(words: &mut Words<'_>) -> Parsed<Line> {
    let index = words.number("which name server, from 0")?;
    let outcome = match words.next("ok, or what it says to everything")? {
        "ok" => None,
        text => Some(keyword_of("what a name server says", text)?),
    };
    let mut fault = ServerFault { outcome, ..ServerFault::default() };
    while let Some(option) = words.optional() {
        match option.split_once('=') {
            Some(("after", text)) => fault.after = time(text)?,
            Some(("edns", text)) => fault.edns = Some(keyword_of("how it meets OPT", text)?),
            Some(("only", text)) => fault.only = Some(keyword_of("A, AAAA or SRV", text)?),
            Some(("udp", "silent")) => fault.udp_silent = true,
            None if option == "folds" => fault.folds = true,
            None if option == "bare" => fault.bare = true,
            _ => return Err(Problem::Leftover(option.to_owned())),
        }
    }
    Ok(Line::Server(index, fault))
}

fn destination(text: &str) -> Parsed<Destination> {
    Ok(match text {
        "v4" => Destination::V4,
        "v6" => Destination::V6,
        "all" => Destination::All,
        text => match (text.parse::<SocketAddr>(), text.parse::<IpAddr>()) {
            (Ok(address), _) => Destination::Socket(address),
            (_, Ok(address)) => Destination::Address(address),
            (Err(_), Err(_)) => return Err(bad("ADDRESS:PORT, ADDRESS, v4, v6 or all", text)),
        },
    })
}

fn expectation(line: &str, expect: &mut Vec<Expect>) -> Parsed<()> {
    let (keyword, rest) = word(line);
    let rest = rest.trim();
    if keyword.is_empty() || keyword.starts_with('#') {
        return Ok(());
    }
    if let "done" | "fail" | "any" = keyword {
        expect.push(Expect::default());
    }
    let Some(last) = expect.last_mut() else {
        return Err(Problem::Missing("done, fail or any, before anything else"));
    };
    match keyword {
        "any" => Words(rest).end()?,
        "done" | "fail" => last.wanted.push(wanted(keyword, rest)?),
        "or" => {
            let (keyword, rest) = word(rest);
            last.wanted.push(wanted(keyword, rest.trim())?);
        }
        "why" => last.why = Some(rest.to_owned()),
        "asked" => last.asked.push(question(rest)?),
        "never" => last.never.push(question(rest)?),
        "gets" => last.gets = Some(count(rest)?),
        "queries" => last.queries = Some(count(rest)?),
        other => return Err(Problem::UnknownLine(other.to_owned())),
    }
    Ok(())
}

fn wanted(keyword: &str, rest: &str) -> Parsed<Wanted> {
    match keyword {
        "fail" => Ok(Wanted::Fail(named::<ErrorKind>("a kind of failure", rest)?)),
        "done" => Ok(Wanted::Done(Box::new(done(rest)?))),
        other => Err(bad("done or fail", other)),
    }
}

fn done(text: &str) -> Parsed<Done> {
    let mut done = Done::default();
    let mut group: Option<BTreeSet<SocketAddr>> = None;
    for token in text.split_whitespace() {
        if let Some((option, value)) = token.split_once('=').filter(|_| group.is_none()) {
            match option {
                "host" => done.host = Some(value.to_owned()),
                "tls" => done.tls = Some(value.to_owned()),
                "sni" => done.sni = Some((value != "-").then(|| value.to_owned())),
                "step" => done.step = Some(named::<Step>("a step", value)?),
                "fresh" => done.fresh = Some(fresh(value)?),
                _ => return Err(Problem::Leftover(token.to_owned())),
            }
            continue;
        }
        let opened = token.strip_prefix('{');
        let closed = opened.unwrap_or(token).strip_suffix('}');
        let address = closed.or(opened).unwrap_or(token);
        let address = address.parse().map_err(|_| bad("ADDRESS:PORT", address))?;
        if opened.is_some() && group.replace(BTreeSet::new()).is_some() {
            return Err(bad("a group without groups in it", token));
        }
        match &mut group {
            Some(group) => {
                group.insert(address);
            }
            None => done.targets.push(Addresses::One(address)),
        }
        if closed.is_some() {
            let group = group.take().ok_or_else(|| bad("an open group", token))?;
            done.targets.push(Addresses::AnyOrder(group));
        }
    }
    if group.is_some() { Err(Problem::Missing("}")) } else { Ok(done) }
}

fn fresh(text: &str) -> Parsed<Fresh> {
    if text == "ever" {
        return Ok(Fresh::Ever);
    }
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    Ok(Fresh::Between(time(least)?, time(most)?))
}

fn question(text: &str) -> Parsed<Question> {
    let (name, kind) = word(text);
    let kind = kind.trim();
    if name == "GET" {
        return Url::parse(kind).map(Question::Get).map_err(|_| bad("a URL", kind));
    }
    Ok(Question::Dns(dns_name(name)?, named::<RecordType>("A, AAAA or SRV", kind)?))
}

fn count(text: &str) -> Parsed<Count> {
    Ok(match text.strip_prefix("..") {
        Some(most) => Count::AtMost(number("a number", most)?),
        None => Count::Exactly(number("a number", text)?),
    })
}

/// The policy with one field changed: `field` names its group, itself and, in a map, the key, with dots between; `value` takes the type
/// that is there.
pub(super) fn set(policy: &Policy, field: &str, value: &str) -> Parsed<Policy> {
    let problem = |why: String| Problem::Setting(format!("{field}={value}: {why}"));
    let mut json = serde_json::to_value(policy).map_err(|error| problem(error.to_string()))?;
    let mut parts = field.splitn(3, '.');
    let group = json.get_mut(parts.next().unwrap_or_default());
    let name = parts.next().unwrap_or_default();
    let mut place = group
        .and_then(|group| group.get_mut(name))
        .ok_or_else(|| problem("no such setting".to_owned()))?;
    if let Some(key) = parts.next() {
        let object = place.as_object_mut();
        let object = object.ok_or_else(|| problem("it has no parts".to_owned()))?;
        // Maps by name take new keys; their values are lists.
        place = object.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    }
    *place = match place {
        _ if value.starts_with(['{', '[', '"']) => {
            serde_json::from_str(value).map_err(|error| problem(error.to_string()))?
        }
        Value::Array(_) => {
            let is_range = matches!(name, "allow" | "deny");
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            items
                .map(|item| Value::from(if is_range { range(item) } else { item.to_owned() }))
                .collect()
        }
        Value::String(_) => Value::from(value),
        Value::Number(_) | Value::Bool(_) | Value::Null | Value::Object(_) => {
            serde_json::from_str(value).map_err(|error| problem(error.to_string()))?
        }
    };
    serde_json::from_value(json).map_err(|error| problem(error.to_string()))
}

/// A range of addresses; one address is the range that holds it alone.
fn range(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => format!("{ip}/32"),
        Ok(IpAddr::V6(ip)) => format!("{ip}/128"),
        Err(_) => text.to_owned(),
    }
}

fn named<T: DeserializeOwned>(what: &'static str, text: &str) -> Parsed<T> {
    serde_json::from_value(Value::from(text)).map_err(|_| bad(what, text))
}

fn keyword_of<T: Keyword + Clone>(what: &'static str, text: &str) -> Parsed<T> {
    T::read(text).cloned().ok_or_else(|| bad(what, text))
}

fn number<T: std::str::FromStr>(what: &'static str, text: &str) -> Parsed<T> {
    text.parse().map_err(|_| bad(what, text))
}

fn time(text: &str) -> Parsed<Duration> {
    duration(text).ok_or_else(|| bad("a time such as 250ms, 3s, 5m or 24h", text))
}

fn dns_name(text: &str) -> Parsed<DnsName> {
    DnsName::parse(text).map_err(|_| bad("a DNS name", text))
}

fn bad(what: &'static str, text: &str) -> Problem {
    Problem::Bad { what, text: text.to_owned() }
}

/// The words of a line, one after another.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn optional(&mut self) -> Option<&'a str> {
        let (next, rest) = word(self.0);
        self.0 = rest;
        (!next.is_empty()).then_some(next)
    }

    fn next(&mut self, what: &'static str) -> Parsed<&'a str> {
        self.optional().ok_or(Problem::Missing(what))
    }

    fn number<T: std::str::FromStr>(&mut self, what: &'static str) -> Parsed<T> {
        number(what, self.next(what)?)
    }

    fn end(&mut self) -> Parsed<()> {
        match self.optional() {
            Some(word) => Err(Problem::Leftover(word.to_owned())),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLine(word) => write!(f, "no line starts with {word:?} here"),
            Self::Missing(what) => write!(f, "missing: {what}"),
            Self::Bad { what, text } => write!(f, "expected {what}, found {text:?}"),
            Self::Leftover(word) => write!(f, "{word:?} has no place here"),
            Self::Setting(why) => f.write_str(why),
            Self::TimeGoesBack => f.write_str("times must not go back"),
            Self::AfterAt => f.write_str("this holds from the start and must stand before `at`"),
            Self::NothingResolved => f.write_str("more expectations than names to resolve"),
        }
    }
}

impl std::error::Error for ParseError {}
impl std::error::Error for Problem {}
