//! DNS by an existing `hickory-resolver`, for DNS over TLS or HTTPS, name servers by domain, or a shared cache.
//!
//! ```no_run
//! # #[cfg(all(feature = "native-roots", feature = "ring"))]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use discovery_tokio::{Builder, hickory};
//! use hickory_resolver::TokioResolver;
//!
//! let resolver = Arc::new(TokioResolver::builder_with_config(Default::default(), Default::default()).build()?);
//! let discovery = hickory::spawn(Builder::with_system_roots()?, resolver)?;
//! let resolved = discovery.resolve("matrix.org").await?;
//! # drop(resolved);
//! # Ok(())
//! # }
//! ```
//!
//! The resolver's own settings decide how name servers are chosen and how often a query is repeated. Queries are absolute: a search list
//! does not apply. Turn its hosts file off (`ResolveHosts::Never`) unless addresses may come from it.

#![allow(clippy::wildcard_enum_match_arm, reason = "the types of hickory may grow")]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use discovery_core::{
    Answer, DnsError, DnsName, DnsRecord, DnsReply, DnsRequest, Policy, RecordData, RecordType,
    Request, SrvRecord,
};
use discovery_driver::RequestTask;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError as HickoryError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{self, Name, RData, Record};
use tokio::runtime::Handle;

use crate::{BuildError, Builder, Discovery, Driver, build, run_with, socket};

/// Builds a discovery whose DNS queries go through a resolver, its driver being a task of the current runtime.
///
/// Each question is sent once (`dns.attempts` of the policy becomes 1), because the resolver repeats queries by itself.
///
/// # Errors
/// Outside a tokio runtime, and when the system gives no randomness.
pub fn spawn(builder: Builder, resolver: Arc<TokioResolver>) -> Result<Discovery, BuildError> {
    let runtime = Handle::try_current().map_err(|why| BuildError::NoRuntime(why.into()))?;
    // One name server, whose address is never used.
    let unused = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 53));
    let (discovery, driver) = build(builder.name_servers([unused]))?;
    let mut policy = Policy::clone(&discovery.policy());
    policy.dns.attempts = 1;
    discovery.set_policy(policy);
    runtime.spawn(run(driver, resolver));
    Ok(discovery)
}

/// Runs a driver as [`run`](crate::run) does, with DNS queries sent by a resolver.
pub async fn run(driver: Driver, resolver: Arc<TokioResolver>) {
    run_with(driver, move |task| {
        let resolver = Arc::clone(&resolver);
        async move { carry_out(task, &resolver).await }
    })
    .await;
}

async fn carry_out(task: RequestTask, resolver: &TokioResolver) {
    match task.request() {
        Request::Dns(question) => {
            let (id, reply) = (question.id, answer(resolver, question).await);
            task.answer(Answer::Dns(id, reply));
        }
        Request::Http(_) => socket::run(task).await,
    }
}

/// The reply to one question, for drivers of your own.
///
/// # Errors
/// The failure that kept the resolver from a reply. That a name or record does not exist is a reply.
pub async fn answer(resolver: &TokioResolver, question: &DnsRequest) -> Result<DnsReply, DnsError> {
    // Absolute: no search list.
    let name = Name::from_labels(question.name.labels().map(str::as_bytes));
    let name = name.map_err(|_| DnsError::Local)?;
    let kind = match question.kind {
        RecordType::A => rr::RecordType::A,
        RecordType::Aaaa => rr::RecordType::AAAA,
        RecordType::Srv => rr::RecordType::SRV,
    };
    match resolver.lookup(name, kind).await {
        Ok(found) => {
            let records = found.answers().iter().filter_map(record).collect();
            Ok(DnsReply::with_records(records))
        }
        // No records were found, which is a fact and not a failure.
        Err(NetError::Dns(HickoryError::NoRecordsFound(nothing))) => Ok(DnsReply::not_found(
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
        NetError::Dns(HickoryError::ResponseCode(ResponseCode::ServFail)) => {
            DnsError::ServerFailure
        }
        NetError::Dns(HickoryError::ResponseCode(ResponseCode::Refused)) => DnsError::Refused,
        NetError::Dns(HickoryError::ResponseCode(ResponseCode::NotImp)) => DnsError::NotImplemented,
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
