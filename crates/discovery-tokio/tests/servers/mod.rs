//! Servers on loopback, written for these tests.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use discovery_core::ServerName;
use discovery_tokio::{Builder, Discovery};
use discovery_wire::Transport;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

pub fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

/// A client that trusts one authority, and a server with a certificate from it.
pub fn tls(host: &str) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(params.self_signed(&key).unwrap().der().clone()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (Arc::new(client), Arc::new(server))
}

/// Every name has the address 1.2.3.4, and none has services but `_matrix-fed._tcp.many.example`, whose reply is long.
fn reply(query: &[u8], transport: Transport) -> Vec<u8> {
    let query = Message::from_vec(query).unwrap();
    let question = query.queries[0].clone();
    let mut reply = query.into_response();
    let owner = question.name().clone();
    let mut add = |data| {
        reply.add_answer(Record::from_rdata(owner.clone(), 300, data));
    };
    match question.query_type() {
        RecordType::A => add(RData::A(A(Ipv4Addr::new(1, 2, 3, 4)))),
        RecordType::SRV if owner.to_lowercase().to_ascii() == "_matrix-fed._tcp.many.example." => {
            if transport == Transport::Udp {
                reply.metadata.truncation = true;
            } else {
                let target = |n: u16| Name::from_ascii(format!("host{n}.example.")).unwrap();
                (0..400).for_each(|n| add(RData::SRV(SRV::new(n, 0, 8000 + n, target(n)))));
            }
        }
        RecordType::SRV => reply.metadata.response_code = ResponseCode::NXDomain,
        _ => {}
    }
    reply.to_vec().unwrap()
}

/// Serves DNS on loopback for as long as the runtime runs.
pub async fn dns() -> SocketAddr {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // The same port for both is not always free.
        if let Ok(tcp) = tokio::net::TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((count, from)) = udp.recv_from(&mut buffer).await {
            udp.send_to(&reply(&buffer[..count], Transport::Udp), from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut query = vec![0; usize::from(length)];
            stream.read_exact(&mut query).await.unwrap();
            let reply = reply(&query, Transport::Tcp);
            stream.write_u16(reply.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    address
}

/// An address on loopback where nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub async fn builder(client: Arc<ClientConfig>, https: SocketAddr) -> Builder {
    let server = dns().await;
    Discovery::builder(client).name_servers([server]).probe_routes(false).connect_to(
        move |address, transport| match transport {
            Transport::Tcp if address != server => https,
            Transport::Tcp | Transport::Udp => address,
        },
    )
}
