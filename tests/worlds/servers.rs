//! Servers on loopback for the tests of adapters, on threads of their own and without a runtime.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;

use discovery_driver::{Builder, Discovery};
use discovery_wire::Transport;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

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

/// Takes one connection, and speaks TLS on it.
pub fn accept(
    listener: &TcpListener,
    server: Arc<ServerConfig>,
) -> StreamOwned<ServerConnection, TcpStream> {
    let (stream, _) = listener.accept().unwrap();
    StreamOwned::new(ServerConnection::new(server).unwrap(), stream)
}

/// Every name has the address 1.2.3.4 and no SRV records, except `_matrix-fed._tcp.many.example`, whose reply is long.
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

/// Serves DNS on loopback for as long as the process runs.
pub fn dns() -> SocketAddr {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        // The same port is not always free for both.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((count, from)) = udp.recv_from(&mut buffer) {
            udp.send_to(&reply(&buffer[..count], Transport::Udp), from).unwrap();
        }
    });
    thread::spawn(move || {
        while let Ok((mut stream, _)) = tcp.accept() {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query).unwrap();
            let reply = reply(&query, Transport::Tcp);
            stream.write_all(&u16::try_from(reply.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&reply).unwrap();
        }
    });
    address
}

/// A loopback address without a listener.
pub fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A client of this name server that connects to `https` for every document.
pub fn builder(client: Arc<ClientConfig>, https: SocketAddr) -> Builder {
    let server = dns();
    Discovery::builder(client).name_servers([server]).probe_routes(false).connect_to(
        move |address, transport| match transport {
            Transport::Tcp if address != server => https,
            Transport::Tcp | Transport::Udp => address,
        },
    )
}

/// A client of a name server that is silent.
pub fn silent_server() -> (UdpSocket, Builder) {
    let (client, _) = tls("example.org");
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let builder =
        Discovery::builder(client).name_servers([silent.local_addr().unwrap()]).probe_routes(false);
    (silent, builder)
}
