//! Writes test vectors for resolvers in other languages: the scenarios with cold lookups, as one JSON document.
//!
//! Expected results come from the reference model, so they are complete and leave open what the specification leaves to
//! chance. Scenarios that need a clock, a cache or bytes on the wire are left out and counted by reason.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use discovery_core::{DnsError, DnsName, ErrorKind, Question, RecordData, ServerName, TlsName};
use discovery_sim::{
    Body, ConnectFault, DnsLine, DnsOutcome, End, Expect, Expected, Line, Page, Reference,
    Scenario, Served, Verdict, World, ZoneEntry, ZoneType,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

const SCENARIOS: &str = "tests/scenarios";
const DOCUMENT: &str = "tests/vectors/vectors.json";
/// The maximum number of records of one name and type.
const MAX_RECORDS: usize = 64;
/// The maximum length of a body, in bytes.
const MAX_BODY: u64 = 60_000;

/// The reason why a scenario is not a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Reason {
    /// It resolves names at several times, or contains reports of callers.
    NeedsACache,
    /// It depends on delays, timeouts, lost datagrams or pauses.
    NeedsAClock,
    /// It contains malformed messages.
    NeedsBytes,
    /// It has several name servers, or one with a fault.
    NeedsNameServers,
    /// It depends on routes or on local failures.
    NeedsThisMachine,
    /// It has too many records or too long a body.
    TooLarge,
}

/// The document.
#[derive(Serialize)]
struct Document {
    left_out: BTreeMap<Reason, usize>,
    vectors: Vec<Vector>,
}

/// One scenario.
#[derive(Debug, Serialize)]
struct Vector {
    id: String,
    about: String,
    revision: String,
    settings: BTreeMap<String, String>,
    world: Value,
    lookups: Vec<Value>,
}

/// Writes the document.
pub(crate) fn write(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let (text, document) = document(root)?;
    fs::write(root.join(DOCUMENT), text)?;
    println!("{DOCUMENT}: {} vectors", document.vectors.len());
    for (reason, count) in &document.left_out {
        println!("left out: {count} ({})", json!(reason).as_str().unwrap_or_default());
    }
    Ok(Vec::new())
}

/// Whether the document is up to date.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let (text, _) = document(root)?;
    let same = fs::read_to_string(root.join(DOCUMENT)).is_ok_and(|there| there == text);
    let complaint = || format!("{DOCUMENT} is not up to date: run `cargo xtask vectors`");
    Ok((!same).then(complaint).into_iter().collect())
}

/// The document, and its text with one vector a line.
fn document(root: &Path) -> Result<(String, Document), Box<dyn Error>> {
    let folder = root.join(SCENARIOS);
    let mut document = Document { left_out: BTreeMap::new(), vectors: Vec::new() };
    for path in Scenario::files(&folder)? {
        let text = fs::read_to_string(&path)?;
        let id = path.strip_prefix(&folder)?.with_extension("");
        match vector(&id.to_string_lossy(), &text)? {
            Ok(vector) => document.vectors.push(vector),
            Err(reason) => *document.left_out.entry(reason).or_default() += 1,
        }
    }
    let mut text = format!(
        "{{\"format\": \"matrix-discovery-vectors\", \"version\": 1,\n\"left_out\": {},\n\"vectors\": [\n",
        serde_json::to_string(&document.left_out)?
    );
    for (index, vector) in document.vectors.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { ",\n" });
        text.push_str(&serde_json::to_string(vector)?);
    }
    text.push_str("\n]}\n");
    Ok((text, document))
}

fn vector(id: &str, text: &str) -> Result<Result<Vector, Reason>, Box<dyn Error>> {
    let scenario = Scenario::parse(text).map_err(|error| format!("{id}: {error}"))?;
    let world = scenario.world_at(Duration::ZERO);
    let written = match left_out(&scenario) {
        Some(reason) => Err(reason),
        None => written_world(&scenario, &world),
    };
    let written = match written {
        Ok(written) => written,
        Err(reason) => return Ok(Err(reason)),
    };
    let verdicts: Vec<_> = verdicts(&scenario, &world);
    let mut lookups = Vec::new();
    for ((resolve, verdict), expect) in
        scenario.resolves().iter().zip(&verdicts).zip(&scenario.expect)
    {
        let Some(expected) = lookup(verdict.as_ref(), expect) else {
            return Ok(Err(Reason::NeedsAClock));
        };
        lookups.push(json!({ "name": resolve.name, "expect": expected }));
    }
    let about = text.lines().next().unwrap_or_default().trim_start_matches('#').trim().to_owned();
    let revision = scenario.revision().to_string();
    let settings = settings(&scenario, &world, &verdicts);
    Ok(Ok(Vector { id: id.to_owned(), about, revision, settings, world: written, lookups }))
}

/// The reason to leave out a scenario, if there is one.
fn left_out(scenario: &Scenario) -> Option<Reason> {
    let cold = scenario.resolves().iter().all(|resolve| resolve.at.is_zero());
    let reason = |line: &Line| match line {
        Line::At(_) | Line::Report { .. } => Some(Reason::NeedsACache),
        Line::Away(_) => Some(Reason::NeedsAClock),
        Line::Resolve { abandon, .. } => abandon.map(|_| Reason::NeedsAClock),
        Line::Clock(_) => Some(Reason::NeedsAClock),
        Line::Servers(_) | Line::Server(..) => Some(Reason::NeedsNameServers),
        Line::Routes(_) => Some(Reason::NeedsThisMachine),
        Line::Dns(line) => zone_reason(line),
        Line::Https(line) => page_reason(&line.page),
        Line::Tcp(_, Some(ConnectFault::Local | ConnectFault::NoRoute)) => {
            Some(Reason::NeedsThisMachine)
        }
        Line::Blank
        | Line::Comment(_)
        | Line::Tcp(..)
        | Line::Set { .. }
        | Line::Revision(_)
        | Line::Seed(_) => None,
    };
    if !cold { Some(Reason::NeedsACache) } else { scenario.lines.iter().find_map(reason) }
}

fn zone_reason(line: &DnsLine) -> Option<Reason> {
    let entry = &line.entry;
    let count = usize::try_from(line.repeat.unwrap_or(1)).unwrap_or(usize::MAX);
    let this_machine = matches!(
        entry.outcome,
        DnsOutcome::Error(DnsError::Local | DnsError::NoRoute | DnsError::NoServer)
    );
    if entry.wire.is_some() || entry.cut {
        Some(Reason::NeedsBytes)
    } else if !entry.after.is_zero() || entry.lost > 0 {
        Some(Reason::NeedsAClock)
    } else if count > MAX_RECORDS {
        Some(Reason::TooLarge)
    } else {
        this_machine.then_some(Reason::NeedsThisMachine)
    }
}

fn page_reason(page: &Page) -> Option<Reason> {
    if !(page.after.is_zero() && page.connect.is_zero()) {
        return Some(Reason::NeedsAClock);
    }
    match &page.answer {
        Served::Fault(ConnectFault::Local | ConnectFault::NoRoute) => {
            Some(Reason::NeedsThisMachine)
        }
        Served::Fault(_) => None,
        Served::Raw { .. } => Some(Reason::NeedsBytes),
        Served::Response { end: End::Stall | End::Reset, .. } => Some(Reason::NeedsBytes),
        Served::Response { headers, .. }
            if headers.iter().any(|(name, _)| {
                [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING].contains(name)
            }) =>
        {
            Some(Reason::NeedsBytes)
        }
        Served::Response { body, .. } => match body {
            Body::Bytes(_) => None,
            Body::Repeat { unit, count, .. } => {
                let length = u64::try_from(unit.len()).unwrap_or(u64::MAX);
                let fits = count.is_some_and(|count| count.saturating_mul(length) < MAX_BODY);
                (!fits).then_some(Reason::TooLarge)
            }
        },
    }
}

/// The verdict of the reference model on each name. None: it is not a server name.
fn verdicts(scenario: &Scenario, world: &World) -> Vec<Option<Verdict>> {
    let policy = scenario.policy();
    let verdict = |name: &str| {
        let name = ServerName::parse(name).ok()?;
        Some(Reference::new(world, &policy).resolve(&name))
    };
    scenario.resolves().iter().map(|resolve| verdict(&resolve.name)).collect()
}

/// The settings that change the result of a lookup.
fn settings(
    scenario: &Scenario,
    world: &World,
    with: &[Option<Verdict>],
) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (index, line) in scenario.lines.iter().enumerate() {
        let Line::Set { field, value } = line else { continue };
        let mut without = scenario.clone();
        without.lines.remove(index);
        if verdicts(&without, world) != with {
            settings.insert(field.clone(), value.clone());
        }
    }
    settings
}

/// The expected result of a lookup. None: the reference model, which has no time, disagrees with the scenario.
fn lookup(verdict: Option<&Verdict>, expect: &Expect) -> Option<Value> {
    let Some(verdict) = verdict else {
        return Some(json!({ "error": ErrorKind::InvalidServerName.as_str() }));
    };
    // The budget of queries counts attempts.
    let attempts = verdict.expected == Expected::Failed(ErrorKind::TooManyQueries);
    if attempts || !expect.check_reference(&verdict.expected).is_empty() {
        return None;
    }
    let questions: Vec<String> = verdict.asked.iter().map(Question::to_string).collect();
    let ttl = verdict.fresh.map(|life| [life.least.as_secs(), life.most.as_secs()]);
    Some(match &verdict.expected {
        Expected::Failed(kind) => json!({ "error": kind.as_str(), "questions": questions }),
        Expected::Resolved(result) => {
            let sni = result.tls_name.sni();
            json!({
                "host_header": result.host_header,
                "certificate": result.tls_name.to_string(),
                "sni": sni,
                "step": result.step.name(),
                "groups": result.groups.iter().map(|group| json!({
                    "priority": group.priority,
                    "at_least": group.take.saturating_sub(group.without).min(group.places.len()),
                    "at_most": group.take.min(group.places.len()),
                    "targets": group.places.iter().map(|place| json!({
                        "host": place.host.to_string(),
                        "port": place.port,
                        "addresses": place.addresses,
                    })).collect::<Vec<_>>(),
                })).collect::<Vec<_>>(),
                "ttl": ttl,
                "questions": questions,
            })
        }
    })
}

fn written_world(scenario: &Scenario, world: &World) -> Result<Value, Reason> {
    let mut dns = Vec::new();
    for (name, kind, entry) in world.zone() {
        dns.push(zone(name, kind, entry)?);
    }
    let mut https = Vec::new();
    for (url, address, served) in world.pages() {
        // Hosts of pages have addresses where no line speaks of them.
        if let TlsName::Dns(name) = url.host() {
            for kind in [ZoneType::A, ZoneType::Aaaa] {
                let spoken_for = world.zone().any(|(other, of, _)| *other == name && of == kind);
                if let Some(entry) = world.entry(&name, kind).filter(|_| !spoken_for) {
                    let entry = zone(&name, kind, &entry)?;
                    if !dns.contains(&entry) {
                        dns.push(entry);
                    }
                }
            }
        }
        let mut written = page(served)?;
        written.insert("url".to_owned(), json!(url.text()));
        if let Some(address) = address {
            written.insert("address".to_owned(), json!(address));
        }
        https.push(written);
    }
    let fault = |line: &Line| {
        let Line::Tcp(destination, Some(_)) = line else { return None };
        let text = line.to_string();
        let fault = text.split_whitespace().last().unwrap_or_default();
        Some(json!({ "to": destination.to_string(), "fault": fault }))
    };
    let connect: Vec<Value> = scenario.lines.iter().filter_map(fault).collect();
    Ok(json!({ "dns": dns, "https": https, "connect": connect }))
}

fn zone(name: &DnsName, kind: ZoneType, entry: &ZoneEntry) -> Result<Value, Reason> {
    let kind = match kind {
        ZoneType::A => "A",
        ZoneType::Aaaa => "AAAA",
        ZoneType::Srv => "SRV",
        ZoneType::Cname => "CNAME",
    };
    let status = match &entry.outcome {
        DnsOutcome::Records(records) => {
            let records: Vec<Value> =
                records.iter().map(|(data, ttl)| record(data, *ttl)).collect();
            return Ok(json!({ "name": name.to_string(), "type": kind, "records": records }));
        }
        DnsOutcome::NxDomain => "NXDOMAIN",
        DnsOutcome::NoData => "NODATA",
        DnsOutcome::Silence => "TIMEOUT",
        DnsOutcome::Error(error) => match *error {
            DnsError::ServerFailure => "SERVFAIL",
            DnsError::Refused => "REFUSED",
            DnsError::NotImplemented => "NOTIMP",
            DnsError::OtherCode => "FORMERR",
            DnsError::Malformed => "MALFORMED",
            DnsError::Unreachable => "UNREACHABLE",
            DnsError::Timeout => "TIMEOUT",
            DnsError::Local
            | DnsError::NoServer
            | DnsError::NoRoute
            | DnsError::NotListening(_)
            | DnsError::Rejected(_)
            | _ => return Err(Reason::NeedsThisMachine),
        },
    };
    let negative = matches!(entry.outcome, DnsOutcome::NxDomain | DnsOutcome::NoData);
    let name = name.to_string();
    Ok(if negative {
        json!({ "name": name, "type": kind, "status": status, "soa": entry.soa })
    } else {
        json!({ "name": name, "type": kind, "status": status })
    })
}

fn record(data: &RecordData, ttl: u32) -> Value {
    match data {
        RecordData::A(address) => json!({ "address": address, "ttl": ttl }),
        RecordData::Aaaa(address) => json!({ "address": address, "ttl": ttl }),
        RecordData::Cname(name) => json!({ "alias": name.to_string(), "ttl": ttl }),
        RecordData::Srv(srv) => json!({
            "priority": srv.priority,
            "weight": srv.weight,
            "port": srv.port,
            "target": srv.target.to_string(),
            "ttl": ttl,
        }),
        RecordData::Unusable => json!({ "unusable": true, "ttl": ttl }),
    }
}

fn page(page: &Page) -> Result<Map<String, Value>, Reason> {
    let (status, headers, body) = match &page.answer {
        Served::Fault(_) => {
            // The scenario's word for the fault.
            let fault = page.to_string().trim().to_owned();
            return Ok(Map::from_iter([("fault".to_owned(), json!(fault))]));
        }
        Served::Response { status, headers, body, .. } => (status, headers, body),
        Served::Raw { .. } => return Err(Reason::NeedsBytes),
    };
    let mut fields = Vec::new();
    for (name, value) in headers {
        let value = value.to_str().map_err(|_| Reason::NeedsBytes)?;
        fields.push([name.as_str().to_owned(), value.to_owned()]);
    }
    let body = match body {
        Body::Bytes(bytes) => String::from_utf8(bytes.clone()).map_err(|_| Reason::NeedsBytes)?,
        Body::Repeat { prefix, unit, count, suffix } => {
            let count = usize::try_from(count.unwrap_or(0)).unwrap_or(0);
            format!("{prefix}{}{suffix}", unit.repeat(count))
        }
    };
    let fields =
        [("status", json!(status.as_u16())), ("headers", json!(fields)), ("body", json!(body))];
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::{Reason, vector};

    fn written(text: &str) -> Result<String, Reason> {
        let vector = vector("a/b", text).unwrap_or_else(|error| panic!("{error}"))?;
        Ok(serde_json::to_string(&vector).unwrap_or_default())
    }

    #[test]
    fn a_vector_holds_the_expectations_of_the_reference_model() {
        let text = "# R1\ndns a.example A 192.0.2.1\nresolve a.example:1\n---\ndone 192.0.2.1:1\n";
        let written = written(text).unwrap_or_default();
        for part in [
            r#""dns":[{"name":"a.example","records":[{"address":"192.0.2.1","ttl":300}],"type":"A"}]"#,
            r#""host_header":"a.example:1""#,
            r#""step":"explicit_port""#,
            r#""settings":{}"#,
        ] {
            assert!(written.contains(part), "{part} in {written}");
        }
    }

    #[test]
    fn settings_are_named_where_they_decide() {
        let text = "# R1\nset addresses.families=v4\nset well_known.user_agent=x\ndns a.example A 192.0.2.1\ndns a.example AAAA 2001:db8::1\n\
                    resolve a.example:1\n---\ndone 192.0.2.1:1\n";
        let written = written(text).unwrap_or_default();
        assert!(written.contains(r#""settings":{"addresses.families":"v4"}"#), "{written}");
    }

    #[test]
    fn scenarios_that_need_machinery_are_left_out() {
        for (lines, reason) in [
            ("resolve a.example\nat +9s\nresolve a.example", Reason::NeedsACache),
            ("dns a.example A 192.0.2.1 after=2s\nresolve a.example", Reason::NeedsAClock),
            ("https a.example raw=\"x\"\nresolve a.example", Reason::NeedsBytes),
            ("servers 2\nresolve a.example", Reason::NeedsNameServers),
            ("routes v4\nresolve a.example", Reason::NeedsThisMachine),
            ("dns a.example A 192.0.2.1 repeat=65\nresolve a.example", Reason::TooLarge),
        ] {
            assert_eq!(written(&format!("# R1\n{lines}\n---\nany\n")), Err(reason), "{lines}");
        }
    }
}
