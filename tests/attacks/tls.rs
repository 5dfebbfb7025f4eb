//! Servers with certificates for something else than the name that is checked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use discovery_core::{HttpError, Policy, Step, TlsName};
use discovery_wire::{Exchange, Want};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use rcgen::{CertificateParams, DnType, SanType, date_time_ymd};
use rustls::{ServerConfig, ServerConnection};

use crate::certificates::{
    client, self_signed, server, server_behind, server_with, server_with_ballast,
};
use crate::stack::{Stack, Web, at_once, reply};

const DOCUMENT: &str = "HTTP/1.1 200 OK\r\n\r\n{\"m.server\":\"evil.example:1\"}";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);

fn name(text: &str) -> Name {
    Name::from_labels(text.split('.').map(str::as_bytes)).unwrap()
}

/// Every host has one address, `aliased.example` is an alias of `cdn.example`, and one name has an SRV record with another
/// host.
fn zone(query: &Message) -> Vec<Vec<u8>> {
    let question = query.queries[0].name().to_string().to_ascii_lowercase();
    vec![reply(query, |m| {
        let owner = m.queries[0].name().clone();
        let mut add = |owner, data| {
            m.add_answer(Record::from_rdata(owner, 300, data));
        };
        match (query.queries[0].query_type(), question.as_str()) {
            (RecordType::A, "aliased.example.") => {
                add(owner, RData::CNAME(CNAME(name("cdn.example"))));
                add(name("cdn.example"), RData::A(A(ADDRESS)));
            }
            (RecordType::A, _) => add(owner, RData::A(A(ADDRESS))),
            (RecordType::SRV, "_matrix-fed._tcp.served.example.") => {
                add(owner, RData::SRV(SRV::new(10, 0, 443, name("target.example"))));
            }
            _ => m.metadata.response_code = ResponseCode::NXDomain,
        }
    })]
}

fn against(config: Arc<ServerConfig>) -> Stack {
    let mut policy = Policy::default();
    policy.addresses.families = discovery_core::Families::V4;
    let site = move |_: &_| Web::Tls(config.clone(), at_once(DOCUMENT));
    Stack::new(policy, client(), |query, _| zone(query), site)
}

/// The outcome of `host` with this server at its port 443, and whether the server received a request.
fn led(host: &str, config: Arc<ServerConfig>) -> (Step, bool) {
    let mut stack = against(config);
    let outcome = stack.resolve(host);
    (outcome.as_ref().unwrap().step, !stack.requests.is_empty())
}

fn disbelieved(why: &str, config: Arc<ServerConfig>) {
    assert_eq!(led("a.host.example", config), (Step::Default, false), "{why}");
}

#[test]
fn valid_certificate_is_accepted() {
    for names in [&["a.host.example"][..], &["*.host.example"], &["A.Host.Example", "b.example"]] {
        assert_eq!(led("a.host.example", server(names)), (Step::DelegatedPort, true), "{names:?}");
    }
}

/// R122.
#[test]
fn a_certificate_for_another_name_proves_nothing() {
    for (why, names) in [
        ("a sibling", &["b.host.example"][..]),
        ("the parent", &["host.example"]),
        ("a child", &["b.a.host.example"]),
        ("the parent's wildcard, two labels up", &["*.example"]),
        ("a wildcard below", &["*.a.host.example"]),
        ("a wildcard over two labels", &["*.*.example"]),
        ("a wildcard that is not the first label", &["a.*.example"]),
        ("a suffix without a dot", &["xa.host.example"]),
        ("an address", &["9.9.9.9"]),
    ] {
        disbelieved(why, server(names));
    }
    for partial in ["a*.host.example", "*a.host.example", "*"] {
        // Not every invalid name can be signed. Those that can prove nothing.
        let make = std::panic::catch_unwind(|| server(&[partial]));
        if let Ok(config) = make {
            disbelieved(partial, config);
        }
    }
}

/// R122: the common name is ignored, with other names beside it and alone.
#[test]
fn the_common_name_proves_nothing() {
    for names in [&[][..], &["b.example"]] {
        let common = |params: &mut CertificateParams| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "a.host.example");
        };
        disbelieved("common name", server_with(names, common));
    }
    let others = |params: &mut CertificateParams| {
        let url = "https://a.host.example/".try_into().unwrap();
        let mail = "somebody@a.host.example".try_into().unwrap();
        params.subject_alt_names = vec![SanType::URI(url), SanType::Rfc822Name(mail)];
    };
    disbelieved("a URL and a mailbox", server_with(&[], others));
}

#[test]
fn a_certificate_out_of_its_time_proves_nothing() {
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    disbelieved("expired", server_with(&["a.host.example"], expired));
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(3020, 1, 1);
    disbelieved("not yet valid", server_with(&["a.host.example"], future));
}

#[test]
fn self_signed_certificate_is_refused() {
    disbelieved("self-signed", self_signed(&["a.host.example"]));
}

/// A certificate for signing code or mail does not serve a web server.
#[test]
fn a_certificate_for_another_purpose_proves_nothing() {
    for purpose in [
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        rcgen::ExtendedKeyUsagePurpose::CodeSigning,
        rcgen::ExtendedKeyUsagePurpose::EmailProtection,
    ] {
        let change = |params: &mut CertificateParams| params.extended_key_usages = vec![purpose];
        disbelieved("another purpose", server_with(&["a.host.example"], change));
    }
}

/// R124: an alias in DNS from `aliased.example` to `cdn.example` does not make a certificate for `cdn.example` valid.
#[test]
fn an_alias_lends_no_name() {
    assert_eq!(led("aliased.example", server(&["cdn.example"])), (Step::Default, false));
    assert_eq!(led("aliased.example", server(&["aliased.example"])), (Step::DelegatedPort, true));
}

/// R125: an address is proven by an address, a name by a name.
#[test]
fn an_address_is_not_proven_by_a_name_that_looks_like_it() {
    let redirect = |config: Arc<ServerConfig>| {
        let (first, mut count) = (server(&["a.host.example"]), 0);
        let site = move |_: &_| {
            count += 1;
            let to = "HTTP/1.1 302 Go\r\nLocation: https://9.9.9.9/\r\n\r\n";
            if count == 1 {
                Web::Tls(first.clone(), at_once(to))
            } else {
                Web::Tls(config.clone(), at_once(DOCUMENT))
            }
        };
        let mut policy = Policy::default();
        policy.addresses.families = discovery_core::Families::V4;
        let mut stack = Stack::new(policy, client(), |query, _| zone(query), site);
        let outcome = stack.resolve("a.host.example");
        assert_eq!(stack.dialled.len(), 2);
        outcome.as_ref().unwrap().step
    };
    let as_name = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::DnsName("9.9.9.9".try_into().unwrap())];
    };
    assert_eq!(redirect(server_with(&[], as_name)), Step::Default);
    assert_eq!(redirect(server(&["9.9.9.8"])), Step::Default);
    // R114: the certificate of a redirecting host is not valid for the host that it redirects to.
    assert_eq!(redirect(server(&["a.host.example"])), Step::Default);
    assert_eq!(redirect(server(&["9.9.9.9"])), Step::DelegatedPort);
}

/// R58, R60, R124: the name for the certificate is never the target of an SRV record, so a server with a certificate for
/// the target alone is refused.
#[test]
fn the_target_of_a_service_cannot_speak_for_the_name() {
    let config = server(&["target.example"]);
    let mut stack = against(Arc::clone(&config));
    let outcome = stack.resolve("served.example");
    let resolved = outcome.as_ref().unwrap();
    assert_eq!(resolved.step, Step::FedService);
    assert_eq!(resolved.socket_addrs().collect::<Vec<_>>(), [SocketAddr::from((ADDRESS, 443))]);
    assert_eq!(
        (resolved.sni(), resolved.host_header_str()),
        (Some("served.example"), "served.example")
    );
    // A caller that checks the certificate for the returned name.
    for (config, error) in
        [(config, Some(HttpError::CertificateName)), (server(&["served.example"]), None)]
    {
        assert_eq!(handshake(resolved.tls_name.clone(), config), error);
    }
}

/// The failure of a handshake for that name. None: it succeeds.
fn handshake(tls_name: TlsName, config: Arc<ServerConfig>) -> Option<HttpError> {
    let mut get = discovery_core::HttpGet::new(
        discovery_core::HttpId::from_number(0),
        "https://served.example/_matrix/federation/v1/version".parse().unwrap(),
        SocketAddr::from((ADDRESS, 443)),
        tls_name,
    );
    get.max_body = 10;
    let mut exchange = Exchange::http(&get, client());
    let mut server = ServerConnection::new(config).unwrap();
    exchange.opened();
    for _ in 0..20 {
        match exchange.wants() {
            Want::Write(mut bytes) => {
                let count = bytes.len();
                server.read_tls(&mut bytes).unwrap();
                let _ = server.process_new_packets();
                exchange.wrote(count);
            }
            Want::Read => {
                let mut bytes = Vec::new();
                server.write_tls(&mut bytes).unwrap();
                exchange.read(&bytes, None);
            }
            Want::Open(..) | Want::Finish => break,
        }
        if exchange.connected().is_some() {
            return None;
        }
    }
    match exchange.into_answer() {
        discovery_core::Answer::Http(_, Err(error)) => Some(error),
        other => panic!("{other:?}"),
    }
}

/// A connection with an invalid certificate receives neither path nor headers, and no early data.
#[test]
fn unverified_server_receives_nothing_but_the_name() {
    let mut stack = against(server(&["b.example"]));
    assert!(stack.resolve("a.host.example").is_ok());
    assert_eq!(stack.dialled, [SocketAddr::from((ADDRESS, 443))]);
    assert_eq!(stack.requests, b"");
}

/// R33: the document of a server with a costly certificate chain is not used. The largest of these would take seconds of
/// one call, while timeouts of all other names pass.
#[test]
fn chains_that_cost_more_than_they_prove_are_refused_before_a_path_is_built() {
    let error = |config| handshake(TlsName::Dns("a.host.example".parse().unwrap()), config);
    for (why, config) in [
        ("six layers of 24 authorities, 145 certificates", server_behind(6, 24, false)),
        ("the same below a trusted authority", server_behind(6, 24, true)),
        ("eleven certificates in a row", server_behind(10, 1, true)),
        ("three layers of three, of which each issues the next", server_behind(3, 3, false)),
        ("a certificate message of 63 kB", server_with_ballast(63 * 1024 + 1000)),
        ("a certificate message of 1 MB", server_with_ballast(1024 * 1024)),
    ] {
        assert_eq!(error(Arc::clone(&config)), Some(HttpError::CertificateChain), "{why}");
        disbelieved(why, config);
    }
    for (why, config) in [
        ("six authorities in a row", server_behind(6, 1, true)),
        ("a layer of eight authorities", server_behind(1, 8, true)),
        ("two layers of two", server_behind(2, 2, true)),
    ] {
        assert_eq!(error(Arc::clone(&config)), None, "{why}");
        assert_eq!(led("a.host.example", config), (Step::DelegatedPort, true), "{why}");
    }
}
