//! From the JSON of a resolution case to a scenario: the same world, the same names, in this project's words.
//!
//! Knows nothing of what must come out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use discovery_core::{DnsError, DnsName, RecordData, Service, TlsName, Url};
use discovery_sim::{
    Body, ConnectFault, Destination, DnsLine, DnsOutcome, End, HttpsLine, Line, Page, Scenario,
    Served, ZoneEntry, ZoneType,
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::base64::decode;
use super::format::{DnsEntry, HttpEntry, ResolutionCase, TcpEntry, World};

/// Why a case can't be written as a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable(pub String);

type Written<T> = Result<T, Unwritable>;

/// The case's world and names as a scenario without expectations. Follow-ups are further names, later: `ends` says when each
/// name before them was answered, for the case counts time from there, and at least `pause` is waited. Those beyond it are left
/// out.
///
/// # Errors
/// Says what has no words here.
pub fn scenario(case: &ResolutionCase, ends: &[Duration], pause: Duration) -> Written<Scenario> {
    let mut scenario = Scenario::default();
    let lines = &mut scenario.lines;
    // The cases count requests, and are meant to be run without refreshes ahead of need.
    lines.push(Line::Set { field: "refresh_ahead_percent".to_owned(), value: "null".to_owned() });
    for (field, key) in [("addresses.deny", "ip_deny"), ("addresses.allow", "ip_allow")] {
        if let Some(list) = case.policy.get(key) {
            lines.push(Line::Set { field: field.to_owned(), value: networks(list)? });
        }
    }
    world(&case.world, true, lines)?;
    lines.push(Line::Resolve { name: case.server_name.clone(), abandon: None });
    for (followup, end) in case.followups.iter().zip(ends) {
        // Names that are asked for one after another must not share what is in flight.
        let wait = Duration::from_secs(followup.advance_s).max(pause);
        lines.push(Line::At(end.saturating_add(wait)));
        if followup.world_change.is_object() {
            let change: World = serde_json::from_value(followup.world_change.clone())
                .map_err(|error| Unwritable(format!("world_change: {error}")))?;
            world(&change, false, lines)?;
        }
        let name = followup.server_name.clone().unwrap_or_else(|| case.server_name.clone());
        lines.push(Line::Resolve { name, abandon: None });
    }
    Ok(scenario)
}

/// Address lists: networks or single addresses, as the setting reads them.
fn networks(list: &Value) -> Written<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let items: Option<Vec<String>> = items
        .iter()
        .map(|item| {
            let text = item.as_str()?;
            Some(match text.parse::<IpAddr>() {
                Ok(IpAddr::V4(_)) => format!("{text}/32"),
                Ok(IpAddr::V6(_)) => format!("{text}/128"),
                Err(_) => text.to_owned(),
            })
        })
        .collect();
    items.map(|items| items.join(",")).ok_or_else(|| Unwritable(format!("addresses {list}")))
}

fn world(world: &World, whole: bool, lines: &mut Vec<Line>) -> Written<()> {
    for entry in &world.dns {
        dns(entry, lines)?;
    }
    for entry in &world.http {
        let Some(line) = https(entry)? else { continue };
        if whole && let TlsName::Dns(host) = line.url.host() {
            no_invented_addresses(&host, world, lines);
        }
        lines.push(Line::Https(Box::new(line)));
    }
    for entry in &world.tcp {
        lines.push(tcp(entry)?);
    }
    Ok(())
}

/// In a scenario a web server's host has addresses by itself; in a case it has only those that are written down.
fn no_invented_addresses(host: &DnsName, world: &World, lines: &mut Vec<Line>) {
    let spoken_for = |entry: &DnsEntry| {
        entry.kind != "SRV" && DnsName::parse(&entry.name).is_ok_and(|name| name == *host)
    };
    if !world.dns.iter().any(spoken_for) {
        for kind in [ZoneType::A, ZoneType::Aaaa] {
            lines.push(outcome(host, kind, DnsOutcome::NxDomain));
        }
    }
}

fn outcome(name: &DnsName, kind: ZoneType, outcome: DnsOutcome) -> Line {
    let entry = ZoneEntry::outcome(outcome);
    Line::Dns(Box::new(DnsLine { name: name.clone(), kind, entry, repeat: None }))
}

fn dns(entry: &DnsEntry, lines: &mut Vec<Line>) -> Written<()> {
    // What can't be asked for is never asked for.
    let Ok(name) = DnsName::parse(&entry.name) else { return Ok(()) };
    let kind = match entry.kind.as_str() {
        "A" => ZoneType::A,
        "AAAA" => ZoneType::Aaaa,
        "SRV" => ZoneType::Srv,
        "CNAME" => ZoneType::Cname,
        // Nobody asks for other types.
        _ => return Ok(()),
    };
    let said = match entry.rcode.as_deref() {
        None | Some("NOERROR") if entry.answer.is_empty() => DnsOutcome::NoData,
        None | Some("NOERROR") => {
            for record in &entry.answer {
                let data = data(record, kind)?;
                let records = DnsOutcome::Records(vec![(data, entry.ttl.unwrap_or(300))]);
                lines.push(outcome(&name, kind, records));
            }
            return Ok(());
        }
        Some("NXDOMAIN") => DnsOutcome::NxDomain,
        Some("TIMEOUT") => DnsOutcome::Silence,
        Some("SERVFAIL") => DnsOutcome::Error(DnsError::ServerFailure),
        Some("REFUSED") => DnsOutcome::Error(DnsError::Refused),
        Some("NOTIMP") => DnsOutcome::Error(DnsError::NotImplemented),
        Some("FORMERR") => DnsOutcome::Error(DnsError::OtherCode),
        Some(other) => return Err(Unwritable(format!("rcode {other}"))),
    };
    lines.push(outcome(&name, kind, said));
    Ok(())
}

fn data(record: &Value, kind: ZoneType) -> Written<RecordData> {
    let unwritable = || Unwritable(format!("record {record}"));
    let text = || record.as_str().ok_or_else(unwritable);
    Ok(match kind {
        ZoneType::A => RecordData::A(text()?.parse().map_err(|_| unwritable())?),
        ZoneType::Aaaa => RecordData::Aaaa(text()?.parse().map_err(|_| unwritable())?),
        ZoneType::Cname => host(text()?).map_or(RecordData::Unusable, RecordData::Cname),
        ZoneType::Srv => {
            let number = |field: &str| {
                let number = record.get(field).and_then(Value::as_u64).unwrap_or(0);
                u16::try_from(number).map_err(|_| unwritable())
            };
            let target = record.get("target").and_then(Value::as_str).ok_or_else(unwritable)?;
            match host(target) {
                Some(target) => RecordData::Srv(Service {
                    priority: number("priority")?,
                    weight: number("weight")?,
                    port: number("port")?,
                    target,
                }),
                None => RecordData::Unusable,
            }
        }
    })
}

fn host(text: &str) -> Option<DnsName> {
    if text.is_empty() { Some(DnsName::root()) } else { DnsName::parse(text).ok() }
}

/// None for a page that nobody can ask for.
fn https(entry: &HttpEntry) -> Written<Option<HttpsLine>> {
    let Ok(url) = Url::parse(&entry.url) else { return Ok(None) };
    let answer = match fault(entry.connect.as_deref().unwrap_or("ok"))? {
        Some(fault) => Served::Fault(fault),
        None => response(entry)?,
    };
    let page = Page { connect: Duration::ZERO, after: Duration::ZERO, answer };
    Ok(Some(HttpsLine { url, address: None, page }))
}

fn response(entry: &HttpEntry) -> Written<Served> {
    let status = entry.status.unwrap_or(200);
    let status =
        StatusCode::from_u16(status).map_err(|_| Unwritable(format!("status {status}")))?;
    let stalls = |then: &Option<String>| match then.as_deref() {
        None | Some("end") => Ok(false),
        Some("stall") => Ok(true),
        Some(other) => Err(Unwritable(format!("then {other}"))),
    };
    let mut stall = stalls(&entry.then)?;
    let body = match (&entry.body, &entry.body_base64, &entry.body_gen) {
        (Some(text), ..) => Body::Bytes(text.clone().into()),
        (_, Some(text), _) => {
            Body::Bytes(decode(text).ok_or_else(|| Unwritable("body_base64".to_owned()))?)
        }
        (_, _, Some(rule)) => {
            stall |= stalls(&rule.then)?;
            Body::Repeat {
                prefix: rule.prefix.clone(),
                unit: rule.repeat.clone(),
                count: if rule.count.is_string() { None } else { rule.count.as_u64().or(Some(0)) },
                suffix: rule.suffix.clone(),
            }
        }
        (None, None, None) => Body::Bytes(Vec::new()),
    };
    let end = if stall { End::Stall } else { End::Proper };
    Ok(Served::Response { status, headers: headers(&entry.headers)?, body, end })
}

/// Headers as they are sent; a list is one line for each of its texts.
///
/// # Errors
/// Says which header can't be sent.
pub(super) fn headers(
    headers: &std::collections::BTreeMap<String, Value>,
) -> Written<Vec<(HeaderName, HeaderValue)>> {
    let mut out = Vec::new();
    for (name, value) in headers {
        let unwritable = || Unwritable(format!("header {name}: {value}"));
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    return Err(unwritable());
                }
            };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unwritable())?;
            out.push((name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unwritable())?));
        }
    }
    Ok(out)
}

fn tcp(entry: &TcpEntry) -> Written<Line> {
    let ip: IpAddr = entry.ip.parse().map_err(|_| Unwritable(format!("address {}", entry.ip)))?;
    let destination = Destination::Socket(SocketAddr::new(ip, entry.port));
    Ok(Line::Tcp(destination, fault(&entry.connect)?))
}

fn fault(connect: &str) -> Written<Option<ConnectFault>> {
    Ok(match connect {
        "ok" => None,
        "refused" => Some(ConnectFault::Refused),
        "timeout" => Some(ConnectFault::Timeout),
        "reset" => Some(ConnectFault::Reset),
        "stall" => Some(ConnectFault::Stall),
        "unreachable" | "no-route" => Some(ConnectFault::NoRoute),
        "tls-wrong-name" => Some(ConnectFault::WrongName),
        "tls-expired" => Some(ConnectFault::Expired),
        "tls-bad-cert" => Some(ConnectFault::BadCert),
        other => return Err(Unwritable(format!("connect {other}"))),
    })
}
