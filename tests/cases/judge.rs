//! Whether what came out of a resolution case is what must come out of it.
//!
//! Knows nothing of who resolved, nor of time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use discovery_core::{DnsName, ErrorKind, Outcome, Question, Resolved, Url};
use discovery_sim::{ConnectFault, Expected, Verdict, World};
use serde_json::Value;

use super::format::{Destination, Expect, RequestResult};

/// What came out, and what was asked on the way.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The result, or in which way there is none.
    pub(super) outcome: Result<Place, ErrorKind>,
    /// What was asked, in order, every attempt.
    pub(super) asked: Vec<Question>,
    /// Whether the orders of places and of questions mean something.
    pub(super) ordered: bool,
    /// Whether questions were asked only where they were needed.
    pub(super) frugal: bool,
    /// Whether it was watched what was asked.
    pub(super) watched: bool,
}

/// Where to connect, and how to prove that it is the right place.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Addresses in the order to try, with what is known of their SRV record.
    pub(super) addresses: Vec<(SocketAddr, Option<Rank>)>,
    /// The hosts that the addresses belong to.
    pub(super) hosts: BTreeMap<SocketAddr, String>,
    /// The `Host` value.
    pub(super) host_header: String,
    /// What the certificate must be valid for.
    pub(super) tls_name: String,
    /// The server name indication.
    pub(super) sni: Option<String>,
    /// The step that decided.
    pub(super) rule: String,
}

/// Priority and weight of an SRV record, the weight where it was looked at.
type Rank = (u16, Option<u16>);

impl Seen {
    /// The end of a machine's lookup.
    pub(super) fn machine(outcome: &Outcome, asked: &[Question], frugal: bool) -> Self {
        let place = |done: &Resolved| Place {
            addresses: done
                .targets
                .iter()
                .flat_map(|target| {
                    let srv = target.srv.map(|(priority, weight)| (priority, Some(weight)));
                    target.socket_addrs().map(move |address| (address, srv))
                })
                .collect(),
            hosts: done
                .targets
                .iter()
                .flat_map(|one| one.socket_addrs().map(|address| (address, one.host.to_string())))
                .collect(),
            host_header: done.host_header.to_string(),
            tls_name: done.tls_name.to_string(),
            sni: done.sni().map(str::to_owned),
            rule: done.rule.to_string(),
        };
        let outcome = outcome.as_deref().map(place).map_err(|failed| failed.kind);
        Self { outcome, asked: asked.to_vec(), ordered: true, frugal, watched: true }
    }

    /// What the reference model says.
    pub(super) fn reference(verdict: &Verdict) -> Self {
        let outcome = match &verdict.expected {
            Expected::Failed(kind) => Err(*kind),
            Expected::Resolved(result) => Ok(Place {
                addresses: result
                    .groups
                    .iter()
                    .flat_map(|group| {
                        let srv = group.priority.map(|priority| (priority, None));
                        group.socket_addrs().map(move |address| (address, srv))
                    })
                    .collect(),
                hosts: result
                    .groups
                    .iter()
                    .flat_map(|group| &group.places)
                    .flat_map(|one| {
                        let address = |ip: &IpAddr| SocketAddr::new(*ip, one.port);
                        one.addresses.iter().map(move |ip| (address(ip), one.host.to_string()))
                    })
                    .collect(),
                host_header: result.host_header.clone(),
                tls_name: result.tls_name.to_string(),
                sni: result.tls_name.sni().map(str::to_owned),
                rule: result.rule.to_string(),
            }),
        };
        let asked = verdict.asked.iter().cloned().collect();
        Self { outcome, asked, ordered: false, frugal: true, watched: true }
    }

    /// A text that is no server name: nobody is asked.
    pub(super) fn invalid() -> Self {
        let outcome = Err(ErrorKind::InvalidServerName);
        Self { outcome, asked: Vec::new(), ordered: true, frugal: true, watched: true }
    }

    /// The same where nobody watched what was asked.
    pub(super) fn without_questions(self) -> Self {
        Self { watched: false, ..self }
    }

    /// What came out, in one line.
    pub(super) fn summary(&self) -> String {
        match &self.outcome {
            Err(kind) => kind.to_string(),
            Ok(place) => {
                let places: Vec<String> =
                    place.addresses.iter().map(|(address, _)| address.to_string()).collect();
                format!("step {} at {}, Host {}", place.rule, places.join(" "), place.host_header)
            }
        }
    }

    fn gets(&self) -> Vec<String> {
        let urls = self.asked.iter().filter_map(|question| match question {
            Question::Get(url) => Some(url.text().into_owned()),
            Question::Dns(..) => None,
        });
        distinct(urls)
    }

    fn queries(&self) -> BTreeSet<(String, String)> {
        let name = |question: &Question| match question {
            Question::Dns(name, kind) => Some((name.to_string(), kind.to_string())),
            Question::Get(_) => None,
        };
        self.asked.iter().filter_map(name).collect()
    }
}

fn distinct(items: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for item in items {
        if !out.contains(&item) {
            out.push(item);
        }
    }
    out
}

/// How what came out differs, one line each; nothing where it is right.
pub(super) fn judge(expect: &Expect, seen: &Seen, world: &World) -> Vec<String> {
    let mut found = Vec::new();
    if expect.one_of.is_empty() {
        outcome(expect, seen, &mut found);
    } else {
        let all = expect.one_of.iter().map(|one| judge(one, seen, world));
        found.extend(all.min_by_key(Vec::len).unwrap_or_default());
    }
    if seen.watched {
        questions(expect, seen, &mut found);
    }
    if let (Some(wanted), Ok(place)) = (&expect.request_result, &seen.outcome) {
        request(wanted, place, world, &mut found);
    }
    found
}

fn differ(found: &mut Vec<String>, what: &str, expected: impl ToString, got: impl ToString) {
    found.push(format!("{what}: expected {}, got {}", expected.to_string(), got.to_string()));
}

fn outcome(expect: &Expect, seen: &Seen, found: &mut Vec<String>) {
    match (&seen.outcome, expect.ok, &expect.error) {
        (Ok(_), Some(false), error) | (Ok(_), None, error @ Some(_)) => {
            let error = error.as_deref().unwrap_or("a failure");
            differ(found, "outcome", error, seen.summary());
        }
        (Err(kind), Some(true), _) => {
            let step = expect.steps.as_ref().map_or("?".to_owned(), text);
            differ(found, "outcome", format!("a result by step {step}"), kind);
        }
        (Err(kind), _, Some(error)) if !error_is(error, *kind) => {
            differ(found, "error", error, kind);
        }
        (Err(_), ..) => {}
        (Ok(place), ..) => result(expect, place, seen.ordered, found),
    }
}

/// Whether the word for a failure means that kind.
fn error_is(word: &str, kind: ErrorKind) -> bool {
    match word {
        // Both are told before anything is asked.
        "invalid_server_name" => {
            matches!(kind, ErrorKind::InvalidServerName | ErrorKind::UnresolvableName)
        }
        "dns_no_addresses" => kind == ErrorKind::NoAddresses,
        "denied_ip" => kind == ErrorKind::Blocked,
        word => kind.as_str() == word,
    }
}

fn result(expect: &Expect, place: &Place, ordered: bool, found: &mut Vec<String>) {
    if let Some(wanted) = &expect.destinations {
        destinations(wanted, expect.destinations_order.as_deref(), place, ordered, found);
    }
    // `Host` is compared letter for letter, unless the case says in words that it need not be.
    let lenient = expect
        .compare
        .as_ref()
        .is_some_and(|words| words.contains("host_header") && !words.contains("host_header exact"));
    if let Some(wanted) = &expect.host_header {
        let same = if lenient {
            loosely(wanted) == loosely(&place.host_header)
        } else {
            *wanted == place.host_header
        };
        if !same {
            differ(found, "host_header", wanted, &place.host_header);
        }
    }
    if let Some(wanted) = &expect.tls_name
        && loosely(wanted) != loosely(&place.tls_name)
    {
        differ(found, "tls_name", wanted, &place.tls_name);
    }
    if let Some(wanted) = &expect.sni {
        let wanted = wanted.as_str().map(loosely);
        let got = place.sni.as_deref().map(loosely);
        if wanted != got {
            let none = || "none".to_owned();
            differ(found, "sni", wanted.unwrap_or_else(none), got.unwrap_or_else(none));
        }
    }
    if let Some(wanted) = &expect.steps {
        let any = wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice);
        let same = any.iter().any(|one| text(one) == place.rule);
        if !same {
            differ(found, "steps", text(wanted), &place.rule);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Names without regard to case and final dot, addresses without regard to spelling.
fn loosely(name: &str) -> String {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.to_string(),
        Err(_) => name.trim_end_matches('.').to_ascii_lowercase(),
    }
}

fn destinations(
    wanted: &[Destination],
    order: Option<&str>,
    place: &Place,
    ordered: bool,
    found: &mut Vec<String>,
) {
    let address = |destination: &Destination| {
        let ip = destination.ip.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        Some(SocketAddr::new(ip, destination.port))
    };
    let list: Vec<SocketAddr> = wanted.iter().filter_map(address).collect();
    let got: Vec<SocketAddr> = place.addresses.iter().map(|(address, _)| *address).collect();
    let set = |list: &[SocketAddr]| list.iter().copied().collect::<BTreeSet<_>>();
    let write =
        |list: &[SocketAddr]| list.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" ");
    let priorities: BTreeMap<SocketAddr, u16> =
        wanted.iter().filter_map(|one| Some((address(one)?, one.srv_priority?))).collect();
    let rising = |addresses: &[SocketAddr]| {
        let ranks = addresses.iter().filter_map(|address| priorities.get(address));
        ranks.is_sorted()
    };
    let right = match order {
        Some("exact") if ordered => list == got,
        Some("any-within-priority") => set(&list) == set(&got) && rising(&got),
        _ => set(&list) == set(&got),
    };
    if !right {
        differ(found, "destinations", write(&list), write(&got));
    }
    for one in wanted {
        let Some(address) = address(one) else {
            differ(found, "destinations", "an address", &one.ip);
            continue;
        };
        let record = place.addresses.iter().find(|(got, _)| *got == address);
        let Some((_, srv)) = record else { continue };
        let (priority, weight) =
            srv.map_or((None, None), |(priority, weight)| (Some(priority), weight));
        for (what, wanted, got) in
            [("srv_priority", one.srv_priority, priority), ("srv_weight", one.srv_weight, weight)]
        {
            if let (Some(wanted), Some(got)) = (wanted, got)
                && wanted != got
            {
                differ(found, what, wanted, got);
            }
            if wanted.is_some() && priority.is_none() {
                differ(found, what, "an SRV record", "none");
            }
        }
    }
}

fn questions(expect: &Expect, seen: &Seen, found: &mut Vec<String>) {
    let normal = |url: &String| Url::parse(url).map_or_else(|_| url.clone(), String::from);
    let gets = seen.gets();
    if let Some(wanted) = &expect.http_requests {
        let wanted = distinct(wanted.iter().map(normal));
        let same = if seen.ordered {
            wanted == gets
        } else {
            wanted.iter().collect::<BTreeSet<_>>() == gets.iter().collect()
        };
        if !same {
            differ(found, "http_requests", wanted.join(" "), gets.join(" "));
        }
    }
    if expect.cached == Some(true) && !gets.is_empty() {
        differ(found, "cached", "an answer from memory", gets.join(" "));
    }
    for url in expect.http_forbidden.iter().map(normal).filter(|url| gets.contains(url)) {
        differ(found, "http_forbidden", "never", url);
    }
    let total = seen.asked.iter().filter(|question| matches!(question, Question::Get(_))).count();
    if let Some(most) = expect.http_requests_max.filter(|most| total > *most) {
        differ(found, "http_requests_max", most, total);
    }
    if expect.network_io == Some(false) && !seen.asked.is_empty() {
        differ(found, "network_io", "nothing is asked", seen.asked.len());
    }
    if seen.frugal {
        let queries = seen.queries();
        let asked = |(name, kind): &(String, String)| {
            let name = DnsName::parse(name).map_or_else(|_| name.clone(), String::from);
            queries.contains(&(name, kind.to_ascii_uppercase()))
        };
        for query in expect.dns_queries.must.iter().filter(|query| !asked(query)) {
            differ(found, "dns_queries.must", format!("{} {}", query.0, query.1), "not asked");
        }
        for query in expect.dns_queries.must_not.iter().filter(|query| asked(query)) {
            differ(found, "dns_queries.must_not", format!("{} {}", query.0, query.1), "asked");
        }
    }
}

/// What a client sees that tries the places in order: it goes on to the next after each that fails.
fn request(wanted: &RequestResult, place: &Place, world: &World, found: &mut Vec<String>) {
    let fault = |address: &SocketAddr| world.destination(*address);
    let addresses = || place.addresses.iter().map(|(address, _)| address);
    let taken = addresses().find(|address| fault(address).is_none());
    let certificate = addresses().any(|address| {
        use ConnectFault as F;
        matches!(fault(address), Some(F::BadCert | F::WrongName | F::Expired | F::Tls))
    });
    match (wanted.ok.unwrap_or(wanted.via.is_some()), taken) {
        (true, None) => differ(found, "request_result", "taken", "nobody took it"),
        (false, Some(address)) => {
            let wanted = wanted.error.as_deref().unwrap_or("a failure");
            differ(found, "request_result", wanted, address);
        }
        (true, Some(address)) => {
            let host = place.hosts.get(address).map_or("", String::as_str);
            if let Some(via) = wanted.via.as_ref().filter(|via| !is_at(via, address, host)) {
                differ(found, "request_result.via", via, address);
            }
        }
        (false, None) => {
            let tls = wanted.error.as_deref().is_some_and(|error| error.starts_with("tls"));
            if tls != certificate {
                let wanted = wanted.error.as_deref().unwrap_or("a failure");
                let got = if certificate { "tls_verify" } else { "no connection" };
                differ(found, "request_result", wanted, got);
            }
        }
    }
}

/// Whether a destination is the one that is written as `address:port`, `host:port` or an object of address and port.
fn is_at(via: &Value, address: &SocketAddr, host: &str) -> bool {
    if let Value::Object(via) = via {
        let ip = via.get("ip").and_then(Value::as_str).and_then(|ip| ip.parse::<IpAddr>().ok());
        let port = via.get("port").and_then(Value::as_u64);
        return ip == Some(address.ip()) && port == Some(u64::from(address.port()));
    }
    let written = text(via);
    match written.parse::<SocketAddr>() {
        Ok(written) => written == *address,
        Err(_) => loosely(&written) == format!("{}:{}", loosely(host), address.port()),
    }
}
