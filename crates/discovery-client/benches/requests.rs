//! CPU of a request, side by side with clients that are given the right address: hyper's bare connection, and reqwest.
//!
//! The client runs on one thread, whose CPU time is measured; servers run on another. Rounds alternate, and the best of each counts.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use discovery_client::discovery_tokio::discovery_core::{AddressPolicy, Policy};
use discovery_client::discovery_tokio::{self, Discovery};
use discovery_client::{FederationClient, ServerName};
use discovery_lab::Lab;
use discovery_sim::Scenario;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nix::sys::resource::{UsageWho, getrusage};
use rustls::ClientConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const ROUNDS: usize = 7;
const WARM: u32 = 3000;
const COLD: u32 = 150;
const PATH: &str = "/_matrix/federation/v1/version";

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    [usage.user_time(), usage.system_time()]
        .map(|time| {
            Duration::from_micros(
                u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap(),
            )
        })
        .iter()
        .sum()
}

/// A homeserver on a thread of its own.
fn serve(lab: &Lab) -> SocketAddr {
    let mut config = lab.authority().tls_server("fed.example").unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = hyper::service::service_fn(|_| async {
                        let body = Full::new(Bytes::from_static(br#"{"server":{"name":"bench"}}"#));
                        Ok::<_, Infallible>(http::Response::new(body))
                    });
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer);
                    let _ = served.await;
                });
            }
        });
    });
    address
}

/// A bare connection: address, `Host` and certificate name are known.
async fn bare(address: SocketAddr, tls: &Arc<ClientConfig>) -> http1::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = "fed.example".try_into().unwrap();
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn bare_get(sender: &mut http1::SendRequest<Empty<Bytes>>) {
    sender.ready().await.unwrap();
    let request = http::Request::get(PATH).header("host", "fed.example:8448");
    let response = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
}

fn discovery(lab: &Lab) -> Discovery {
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    let builder = Discovery::builder(lab.client_config())
        .policy(policy)
        .name_servers(lab.dns_servers().to_vec())
        .connect_to(lab.connector());
    discovery_tokio::spawn(builder).unwrap()
}

fn client(discovery: Discovery, address: SocketAddr) -> FederationClient {
    FederationClient::builder(discovery)
        .connect(move |_| async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
        .build()
}

async fn get(client: &FederationClient, name: &ServerName) {
    client.get(name, PATH).await.unwrap().into_body().collect().await.unwrap();
}

/// The CPU of what is measured, for each request.
struct Measured(Duration);

impl Measured {
    fn add(&mut self, before: Duration, requests: u32) {
        self.0 = self.0.min((cpu() - before) / requests);
    }

    fn ratio(&self, other: Duration) -> f64 {
        self.0.as_nanos() as f64 / other.as_nanos() as f64
    }
}

fn main() {
    let world =
        "https a.example 200 {\"m.server\":\"fed.example:8448\"}\ndns fed.example A 192.0.2.1\n";
    let lab = Lab::start(Scenario::parse(world).unwrap().world_at(Duration::ZERO)).unwrap();
    let address = serve(&lab);
    let mut tls = ClientConfig::clone(&lab.client_config());
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = Arc::new(tls);
    let name: ServerName = "a.example".parse().unwrap();
    let [mut bare_warm, mut own_warm, mut other_warm] = [(); 3].map(|()| Measured(Duration::MAX));
    let [mut bare_cold, mut own_cold, mut alone] = [(); 3].map(|()| Measured(Duration::MAX));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sender = bare(address, &tls).await;
        let own = client(discovery(&lab), address);
        let other = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&tls))
            .resolve("fed.example", address)
            .build()
            .unwrap();
        let url = format!("https://fed.example:{}{PATH}", address.port());
        for _ in 0..ROUNDS {
            let before = cpu();
            for _ in 0..WARM {
                bare_get(&mut sender).await;
            }
            bare_warm.add(before, WARM);
            let before = cpu();
            for _ in 0..WARM {
                get(&own, &name).await;
            }
            own_warm.add(before, WARM);
            let before = cpu();
            for _ in 0..WARM {
                other.get(&url).send().await.unwrap().bytes().await.unwrap();
            }
            other_warm.add(before, WARM);
            let before = cpu();
            for _ in 0..COLD {
                bare_get(&mut bare(address, &tls).await).await;
            }
            bare_cold.add(before, COLD);
            let before = cpu();
            for _ in 0..COLD {
                discovery(&lab).resolve(&name).await.unwrap();
            }
            alone.add(before, COLD);
            let before = cpu();
            for _ in 0..COLD {
                get(&client(discovery(&lab), address), &name).await;
            }
            own_cold.add(before, COLD);
        }
    });
    println!("CPU of the client's thread for each request, best of {ROUNDS} rounds");
    println!("warm  bare hyper {:?}", bare_warm.0);
    println!(
        "warm  this client {:?}, {:.2} of bare hyper (target: at most 1.15)",
        own_warm.0,
        own_warm.ratio(bare_warm.0)
    );
    println!(
        "warm  reqwest {:?}, {:.2} of bare hyper",
        other_warm.0,
        other_warm.ratio(bare_warm.0)
    );
    println!("cold  bare hyper {:?}, a discovery {:?}", bare_cold.0, alone.0);
    let both = bare_cold.0 + alone.0;
    println!(
        "cold  this client {:?}, {:.2} of both (target: at most 1.2)",
        own_cold.0,
        own_cold.ratio(both)
    );
}
