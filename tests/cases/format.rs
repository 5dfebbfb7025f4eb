//! The JSON of case files, as it is written: four kinds of entries, told apart by their fields.
//!
//! Knows nothing of this project's types: what a field means is for whoever converts and judges.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields;

/// One entry of a case file.
#[derive(Clone, Debug)]
pub enum Case {
    /// A small world, a name, and what must come out.
    Resolution(Box<ResolutionCase>),
    /// A text that is a server name, or is none.
    ServerName(ServerNameCase),
    /// A response whose headers say how long it may be reused.
    Freshness(FreshnessCase),
    /// An address that a default policy should deny, or should not.
    Address(AddressCase),
}

/// Reads the entries of a file, in order.
///
/// # Errors
/// Says which entry could not be read, and why.
pub fn read(json: &str) -> Result<Vec<Case>, String> {
    let entries: Vec<Value> =
        serde_json::from_str(json).map_err(|error| format!("not a list of cases: {error}"))?;
    entries
        .into_iter()
        .enumerate()
        .map(|(index, entry)| {
            let name = entry.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            Case::read(entry).map_err(|error| format!("entry {index} {name}: {error}"))
        })
        .collect()
}

impl Case {
    fn read(entry: Value) -> Result<Self, String> {
        let has = |field: &str| entry.get(field).is_some();
        let text = |error: serde_json::Error| error.to_string();
        if has("world") {
            let unknown = fields::unknown(&entry);
            let mut case: Box<ResolutionCase> = serde_json::from_value(entry).map_err(text)?;
            case.unknown = unknown;
            Ok(Self::Resolution(case))
        } else if has("input") {
            serde_json::from_value(entry).map(Self::ServerName).map_err(text)
        } else if has("expected_raw_s") || has("expected_ttl_s") {
            serde_json::from_value(entry).map(Self::Freshness).map_err(text)
        } else if has("recommended_deny") {
            serde_json::from_value(entry).map(Self::Address).map_err(text)
        } else {
            Err("none of the four kinds of cases".to_owned())
        }
    }

    /// What to call the case in a report.
    pub fn id(&self) -> String {
        match self {
            Self::Resolution(case) => case.id.clone(),
            Self::ServerName(case) => format!("name {:?}", case.input),
            Self::Freshness(case) => case.id.clone(),
            Self::Address(case) => format!("address {}", case.ip),
        }
    }
}

/// A small world, a name, and what must come out.
#[derive(Clone, Debug, Deserialize)]
pub struct ResolutionCase {
    /// What to call it.
    pub id: String,
    /// What it is about; `config`, `proxy` and `http-body` are other projects' settings.
    #[serde(default)]
    pub scope: String,
    /// The name to resolve.
    pub server_name: String,
    /// DNS and web.
    pub world: World,
    /// What must come out.
    pub expect: Expect,
    /// What must come out where the case's own project departs from the specification.
    pub spec_expect: Option<Expect>,
    /// `true`, `false` or `"unclear"`.
    #[serde(default)]
    pub agrees_with_spec: Value,
    /// Address lists, and other projects' settings.
    #[serde(default)]
    pub policy: Map<String, Value>,
    /// Further questions to the same resolver, later.
    #[serde(default)]
    pub followups: Vec<Followup>,
    /// A field that nobody here knows.
    #[serde(skip)]
    pub unknown: Option<String>,
}

/// DNS and web.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct World {
    /// Records; a name and type that is not listed is NXDOMAIN.
    pub dns: Vec<DnsEntry>,
    /// Pages; a URL that is not listed is refused at the connection.
    pub http: Vec<HttpEntry>,
    /// Destinations, by how they take a connection.
    pub tcp: Vec<TcpEntry>,
}

/// What DNS says to one name and type.
#[derive(Clone, Debug, Deserialize)]
pub struct DnsEntry {
    /// The name.
    pub name: String,
    /// A, AAAA, SRV or CNAME.
    #[serde(rename = "type")]
    pub kind: String,
    /// The records: text, or an object for SRV.
    #[serde(default)]
    pub answer: Vec<Value>,
    /// NOERROR where absent; TIMEOUT never answers.
    pub rcode: Option<String>,
    /// Seconds; 300 where absent.
    pub ttl: Option<u32>,
}

/// One page.
#[derive(Clone, Debug, Deserialize)]
pub struct HttpEntry {
    /// Where it is.
    pub url: String,
    /// `ok`, `refused`, `timeout` or `tls-bad-cert`; `ok` where absent.
    pub connect: Option<String>,
    /// The status.
    pub status: Option<u16>,
    /// Headers: text, or a list of texts.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The body as text.
    pub body: Option<String>,
    /// The body as octets.
    pub body_base64: Option<String>,
    /// The body by rule.
    pub body_gen: Option<BodyRule>,
    /// `stall`: the body never ends.
    pub then: Option<String>,
}

/// A body too long to be written out.
#[derive(Clone, Debug, Deserialize)]
pub struct BodyRule {
    /// Comes first.
    #[serde(default)]
    pub prefix: String,
    /// Comes `count` times.
    #[serde(default)]
    pub repeat: String,
    /// A number, or `"infinite"`.
    #[serde(default)]
    pub count: Value,
    /// Comes last.
    #[serde(default)]
    pub suffix: String,
    /// `stall`: the body never ends.
    pub then: Option<String>,
}

/// How a destination takes a connection.
#[derive(Clone, Debug, Deserialize)]
pub struct TcpEntry {
    /// Its address.
    pub ip: String,
    /// Its port.
    pub port: u16,
    /// As in [`HttpEntry::connect`].
    pub connect: String,
}

/// What must come out. A field that is absent says nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Expect {
    /// Whether there is a result.
    pub ok: Option<bool>,
    /// Why there is none.
    pub error: Option<String>,
    /// Where to connect.
    pub destinations: Option<Vec<Destination>>,
    /// `exact`, `any` or `any-within-priority`.
    pub destinations_order: Option<String>,
    /// The `Host` value.
    pub host_header: Option<String>,
    /// What the certificate must be valid for.
    pub tls_name: Option<String>,
    /// The server name indication; null for none.
    #[serde(deserialize_with = "present")]
    pub sni: Option<Value>,
    /// The step that decided.
    pub steps: Option<Value>,
    /// The GETs, in order, each URL once.
    pub http_requests: Option<Vec<String>>,
    /// URLs that must not be asked for.
    pub http_forbidden: Vec<String>,
    /// How many GETs at most.
    pub http_requests_max: Option<usize>,
    /// What must be asked of DNS, and what must not.
    pub dns_queries: DnsQueries,
    /// Any of these will do.
    pub one_of: Vec<Expect>,
    /// Shares of the first target over many seeds.
    pub distribution: Option<Distribution>,
    /// Several calls at once.
    pub concurrency: Option<Concurrency>,
    /// What a client that then connects sees.
    pub request_result: Option<RequestResult>,
    /// False: nothing may be asked at all.
    pub network_io: Option<bool>,
    /// How letters and dots are compared, in words.
    pub compare: Option<String>,
    /// True: the answer comes from memory.
    pub cached: Option<bool>,
}

/// A field that is there counts even where it is null.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// A place to connect to.
#[derive(Clone, Debug, Deserialize)]
pub struct Destination {
    /// Its address.
    pub ip: String,
    /// Its port.
    pub port: u16,
    /// The priority of its SRV record.
    pub srv_priority: Option<u16>,
    /// The weight of its SRV record.
    pub srv_weight: Option<u16>,
}

/// What must be asked of DNS, and what must not: names and types.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DnsQueries {
    /// Must be asked.
    pub must: Vec<(String, String)>,
    /// Must not be asked.
    pub must_not: Vec<(String, String)>,
}

/// Shares of the first target over many seeds.
#[derive(Clone, Debug, Deserialize)]
pub struct Distribution {
    /// `address:port` and its share.
    pub first: BTreeMap<String, f64>,
    /// How far a share may be off.
    pub tolerance: f64,
    /// How many seeds.
    pub trials: u32,
}

/// Several calls at once.
#[derive(Clone, Debug, Deserialize)]
pub struct Concurrency {
    /// How many.
    pub parallel_calls: usize,
    /// Whether the first is given up at once.
    #[serde(default)]
    pub cancel_first: bool,
    /// How many GETs all of them cost.
    pub http_requests_total: Option<usize>,
}

/// What a client that then connects sees.
#[derive(Clone, Debug, Deserialize)]
pub struct RequestResult {
    /// Whether somebody took the request; where it is absent, whether somebody is named.
    pub ok: Option<bool>,
    /// Why nobody did.
    pub error: Option<String>,
    /// Who did: `address:port`, `host:port`, or an object of address and port.
    pub via: Option<Value>,
}

/// A further question to the same resolver, later.
#[derive(Clone, Debug, Deserialize)]
pub struct Followup {
    /// Seconds after the last.
    #[serde(default)]
    pub advance_s: u64,
    /// What replaces entries of the world: an object, or `"none"`.
    #[serde(default)]
    pub world_change: Value,
    /// Another name.
    pub server_name: Option<String>,
    /// What must come out.
    #[serde(default)]
    pub expect: Expect,
}

/// A text that is a server name, or is none.
#[derive(Clone, Debug, Deserialize)]
pub struct ServerNameCase {
    /// The text.
    pub input: String,
    /// Whether the grammar takes it.
    pub valid: bool,
    /// The host part, as written.
    pub host: Option<String>,
    /// `dns`, `ipv4` or `ipv6`.
    pub kind: Option<String>,
    /// The port; larger than a port can be where the grammar allows it.
    pub port: Option<u32>,
    /// The address of an IP literal.
    pub ip: Option<String>,
    /// Whether an administrator should choose it.
    pub strict_valid: Option<bool>,
    /// Where grammar and prose pull apart.
    pub ambiguous: Option<String>,
}

/// A response whose headers say how long it may be reused.
#[derive(Clone, Debug, Deserialize)]
pub struct FreshnessCase {
    /// What to call it.
    pub id: String,
    /// The status.
    pub status: u16,
    /// Headers: text, or a list of texts.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The body; a valid document where absent.
    pub body: Option<String>,
    /// The wall clock when the response came, in Unix seconds.
    pub now: Option<i64>,
    /// The lifetime from headers alone; null where no header is usable.
    #[serde(default)]
    pub expected_raw_s: Value,
    /// With default and cap.
    #[serde(default)]
    pub expected_ttl_s: Value,
    /// With the floor of 5 min, too.
    #[serde(default)]
    pub expected_ttl_with_min300_s: Value,
    /// Whether a default may be moved at random.
    #[serde(default)]
    pub jitter_allowed: bool,
    /// `true`, `false` or `"unclear"`.
    #[serde(default)]
    pub agrees_with_spec: Value,
}

/// An address that a default policy should deny, or should not.
#[derive(Clone, Debug, Deserialize)]
pub struct AddressCase {
    /// The address.
    pub ip: String,
    /// Whether it should be denied.
    pub recommended_deny: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Case, read};

    #[test]
    fn the_four_kinds_are_told_apart_by_their_fields() {
        let json = r#"[
            {"id":"r1","server_name":"a.example","world":{"dns":[],"http":[]},"expect":{"ok":true,"sni":null}},
            {"input":"a.example","valid":true},
            {"id":"c1","status":200,"headers":{"Age":"1"},"now":1,"expected_raw_s":null},
            {"ip":"::1","recommended_deny":true}
        ]"#;
        let cases = read(json).unwrap();
        let [Case::Resolution(case), Case::ServerName(_), Case::Freshness(_), Case::Address(_)] =
            cases.as_slice()
        else {
            panic!("{cases:?}");
        };
        // An SNI of null says that there is none; without the field nothing is said.
        assert!(case.expect.sni.is_some() && case.expect.host_header.is_none());
        assert!(read(r#"[{"id":"x"}]"#).unwrap_err().contains("entry 0 x"));
    }
}
