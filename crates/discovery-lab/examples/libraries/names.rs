//! Answers DNS requests with hickory-resolver, and translates its results.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};

use discovery_core::{
    DnsError, DnsName, DnsRecord, DnsReply, DnsRequest, RecordData, RecordType, SrvRecord,
};
use discovery_wire::Transport;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Said, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{self, Name, RData, Record};

use super::common::Settings;

/// A resolver without a cache, because the machine has one. There is one for each question: on a shared connection, a
/// broken reply of a server would fail other questions.
fn resolver(settings: &Settings) -> Result<TokioResolver, NetError> {
    let mut servers = Vec::new();
    for server in &settings.name_servers {
        let [udp, tcp] =
            [Transport::Udp, Transport::Tcp].map(|by| (settings.connect_to)(*server, by));
        if udp.ip() != tcp.ip() {
            return Err("a name server is at one address, whatever it is spoken to by".into());
        }
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for (connection, place) in connections.iter_mut().zip([udp, tcp]) {
            connection.port = place.port();
        }
        // After "no such name" no other server is asked.
        servers.push(NameServerConfig::new(udp.ip(), true, connections));
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    // The library retries within this time; the machine decides what follows.
    options.attempts = 0;
    options.timeout = settings.policy.dns.timeout;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.case_randomization = true;
    builder.build()
}

/// Sends the question and translates the result.
pub(crate) async fn ask(settings: &Settings, question: &DnsRequest) -> Result<DnsReply, DnsError> {
    // Absolute: no search list.
    let name = Name::from_labels(question.name.labels().map(str::as_bytes));
    let name = name.map_err(|_| DnsError::Local)?;
    let kind = match question.kind {
        RecordType::A => rr::RecordType::A,
        RecordType::Aaaa => rr::RecordType::AAAA,
        RecordType::Srv => rr::RecordType::SRV,
    };
    let resolver = resolver(settings).map_err(|_| DnsError::Local)?;
    match resolver.lookup(name, kind).await {
        Ok(found) => {
            let records = found.answers().iter().filter_map(record).collect();
            Ok(DnsReply::with_records(records))
        }
        // No records were found, which is a fact and not a failure.
        Err(NetError::Dns(Said::NoRecordsFound(nothing))) => Ok(DnsReply::not_found(
            nothing.response_code == ResponseCode::NXDomain,
            nothing.negative_ttl,
        )),
        Err(error) => Err(failure(&error)),
    }
}

/// A record for the machine. None: its owner or type is unusable.
fn record(record: &Record) -> Option<DnsRecord> {
    let data = match &record.data {
        RData::A(ip) => RecordData::A(ip.0),
        RData::AAAA(ip) => RecordData::Aaaa(ip.0),
        RData::CNAME(target) => host(target).map_or(RecordData::Unusable, RecordData::Cname),
        RData::SRV(srv) => host(&srv.target).map_or(RecordData::Unusable, |target| {
            RecordData::Srv(SrvRecord {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target,
            })
        }),
        _ => return None,
    };
    Some(DnsRecord { owner: host(&record.name)?, ttl: record.ttl, data })
}

/// The name as a host name. None: it is not a host name (a dot or a space within a label).
fn host(name: &Name) -> Option<DnsName> {
    if name.is_root() {
        return Some(DnsName::root());
    }
    // Not from its text, which escapes unusual characters such as a leading hyphen.
    let label = |label| std::str::from_utf8(label).ok().filter(|label| !label.contains('.'));
    let labels: Option<Vec<&str>> = name.iter().map(label).collect();
    DnsName::parse(&labels?.join(".")).ok()
}

/// Translates an error. Unknown errors count as local.
fn failure(error: &NetError) -> DnsError {
    match error {
        NetError::Timeout | NetError::QueryCaseMismatch => DnsError::Timeout,
        NetError::Proto(_) | NetError::Truncated => DnsError::Malformed,
        NetError::Dns(Said::ResponseCode(ResponseCode::ServFail)) => DnsError::ServerFailure,
        NetError::Dns(Said::ResponseCode(ResponseCode::Refused)) => DnsError::Refused,
        NetError::Dns(Said::ResponseCode(ResponseCode::NotImp)) => DnsError::NotImplemented,
        NetError::Dns(_) => DnsError::OtherCode,
        // The library gives no reason. If the system has no socket, that is the reason.
        NetError::NoConnections if UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).is_err() => {
            DnsError::Local
        }
        NetError::NoConnections => DnsError::Unreachable,
        NetError::Io(error) => match error.kind() {
            ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable => DnsError::NoRoute,
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => DnsError::Unreachable,
            _ => DnsError::Local,
        },
        _ => DnsError::Local,
    }
}
